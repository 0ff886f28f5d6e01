"""Header blocks (HPACK). The package `hpack` decodes those of requests. Those of responses use no dynamic table."""

from urllib.parse import quote

from hpack import Decoder
from hpack.exceptions import HPACKError

from durable_host.grpc_port.http2_frames import COMPRESSION_ERROR, PeerError
from durable_host.grpc_port.status_code import StatusCode

LARGEST_BLOCK = 65_536
"""In bytes, for the headers of one request."""

_REMEMBERED = 256
_TEXT_KEPT = " !\"#$&'()*+,-./:;<=>?@[\\]^_`{|}~"


def _literal(name: bytes, value: bytes) -> bytes:
    return b"\0" + _string(name) + _string(value)


def _string(value: bytes) -> bytes:
    size = len(value)
    if size < 127:
        return bytes((size,)) + value
    size -= 127
    head = bytearray((127,))
    while size >= 128:
        head.append(size % 128 + 128)
        size //= 128
    head.append(size)
    return bytes(head) + value


STARTED = b"\x88" + _literal(b"content-type", b"application/grpc")
ENDED_WELL = _literal(b"grpc-status", b"0")


def ended(code: StatusCode, text: str) -> bytes:
    """Encode the trailers of a call. `text` is percent-encoded."""
    status = _literal(b"grpc-status", str(int(code)).encode())
    return (
        status + _literal(b"grpc-message", quote(text, safe=_TEXT_KEPT, errors="replace").encode()) if text else status
    )


def not_grpc(http_status: int) -> bytes:
    """Encode the response to a request that is not a gRPC call."""
    return _literal(b":status", str(http_status).encode())


class RequestHeaders:
    """Decodes the header blocks of one connection, which share a table.

    A block that only refers to entries of the table means the same headers until an entry is added.
    """

    def __init__(self) -> None:
        self._decoder = Decoder(max_header_list_size=LARGEST_BLOCK)
        self._known: dict[bytes, dict[str, str]] = {}

    def read(self, block: bytes) -> dict[str, str]:
        """Return names and values. Raises PeerError."""
        known = self._known.get(block)
        if known is not None:
            return known
        try:
            pairs = self._decoder.decode(block, raw=True)
        except HPACKError as error:
            raise PeerError(COMPRESSION_ERROR, f"the headers cannot be read: {error}") from error
        headers: dict[str, str] = {}
        for pair in pairs:
            headers[bytes(pair[0]).decode("latin-1").lower()] = bytes(pair[1]).decode("latin-1")
        if min(block, default=0) < 0x80 or 0xFF in block:
            self._known.clear()
        elif len(self._known) < _REMEMBERED:
            self._known[block] = headers
        return headers
