"""The HTTP/2 frames that a gRPC server needs (RFC 9113, sections 4 and 6)."""

from collections.abc import Iterator

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
HEADER_SIZE = 9
LARGEST_FRAME = 16_384
"""In bytes. The largest frame that peers may send; a larger limit would have to be announced."""

DATA, HEADERS, PRIORITY, RST_STREAM, SETTINGS, PUSH_PROMISE, PING, GOAWAY, WINDOW_UPDATE, CONTINUATION = range(10)
END_STREAM, ACK, END_HEADERS, PADDED, HAS_PRIORITY = 0x1, 0x1, 0x4, 0x8, 0x20

NO_ERROR, PROTOCOL_ERROR, INTERNAL_ERROR, FLOW_CONTROL_ERROR = 0x0, 0x1, 0x2, 0x3
FRAME_SIZE_ERROR, CANCEL, COMPRESSION_ERROR, ENHANCE_YOUR_CALM = 0x6, 0x8, 0x9, 0xB

MAX_FRAME_SIZE, INITIAL_WINDOW_SIZE = 0x5, 0x4
"""Identifiers of settings."""


class PeerError(Exception):
    """The peer broke the protocol. The connection ends with this error code."""

    def __init__(self, code: int, text: str) -> None:
        super().__init__(text)
        self.code = code


def frame(kind: int, flags: int, stream_id: int, payload: bytes | memoryview = b"") -> bytes:
    return b"".join(
        (len(payload).to_bytes(3, "big"), bytes((kind, flags)), stream_id.to_bytes(4, "big"), payload),
    )


def settings(values: dict[int, int]) -> bytes:
    pairs = (number.to_bytes(2, "big") + value.to_bytes(4, "big") for number, value in values.items())
    return frame(SETTINGS, 0, 0, b"".join(pairs))


def read_settings(payload: bytes) -> Iterator[tuple[int, int]]:
    """Yield identifiers and values. Raises PeerError."""
    if len(payload) % 6:
        raise PeerError(FRAME_SIZE_ERROR, "the length of SETTINGS is not a multiple of 6")
    for at in range(0, len(payload), 6):
        yield int.from_bytes(payload[at : at + 2], "big"), int.from_bytes(payload[at + 2 : at + 6], "big")


def window_update(stream_id: int, increment: int) -> bytes:
    return frame(WINDOW_UPDATE, 0, stream_id, increment.to_bytes(4, "big"))


def reset(stream_id: int, code: int) -> bytes:
    return frame(RST_STREAM, 0, stream_id, code.to_bytes(4, "big"))


def goaway(last_stream_id: int, code: int, text: str = "") -> bytes:
    return frame(GOAWAY, 0, 0, last_stream_id.to_bytes(4, "big") + code.to_bytes(4, "big") + text.encode())


def unpadded(flags: int, payload: bytes) -> bytes:
    """Return the payload of DATA or HEADERS without padding. Raises PeerError."""
    start, end = 0, len(payload)
    if flags & PADDED:
        if not payload or payload[0] >= end:
            raise PeerError(PROTOCOL_ERROR, "there is more padding than frame")
        start, end = 1, end - payload[0]
    return payload[start:end]
