"""The worker's end of FunctionRpc: one bidirectional gRPC call over HTTP/2, with asyncio alone.

It imports no gRPC library, so that a scripted worker starts quickly.
"""

import asyncio
import struct
from collections.abc import AsyncIterator

PATH = "/AzureFunctionsRpcMessages.FunctionRpc/EventStream"
DATA, HEADERS, RST_STREAM, SETTINGS, PING, GOAWAY, WINDOW_UPDATE = 0, 1, 3, 4, 6, 7, 8
END_HEADERS, ACK = 0x4, 0x1
_PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
_WINDOW = 2**30


def frame(kind: int, flags: int, stream_id: int, payload: bytes = b"") -> bytes:
    return struct.pack(">I", len(payload))[1:] + bytes((kind, flags)) + struct.pack(">I", stream_id) + payload


def request_headers(host: str, port: int, path: str = PATH) -> bytes:
    """The header block of the call, without Huffman coding and without the table."""
    pairs = {":path": path, ":authority": f"{host}:{port}", "content-type": "application/grpc", "te": "trailers"}
    block = bytes((0x83, 0x86))  # :method POST, :scheme http
    for name, value in pairs.items():
        block += b"\0" + bytes((len(name),)) + name.encode() + bytes((len(value),)) + value.encode()
    return block


def message_frame(body: bytes) -> bytes:
    """A message of gRPC, as the payload of DATA frames."""
    return b"\0" + struct.pack(">I", len(body)) + body


class EventStreamClient:
    """Open it with `connect`. `messages` yields what the host sends, until the stream or the connection ends.

    `reads` can be cleared to stop reading from the socket, as a worker does that hangs.
    """

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.writer = writer
        self.status: str | None = None
        self.reads = asyncio.Event()
        self.reads.set()
        self._reader = reader
        self._out = bytearray()
        self._call_window = 65_535
        self._window = 65_535
        self._largest_frame = 16_384

    @classmethod
    async def connect(cls, host: str, port: int, *, path: str = PATH, window: int = _WINDOW) -> "EventStreamClient":
        """Open the call. `window` is how many bytes the host may send before this side has read them."""
        reader, writer = await asyncio.open_connection(host, port)
        client = cls(reader, writer)
        writer.write(
            _PREFACE
            + frame(SETTINGS, 0, 0, struct.pack(">HI", 4, window))
            + frame(WINDOW_UPDATE, 0, 0, struct.pack(">I", _WINDOW))
            + frame(HEADERS, END_HEADERS, 1, request_headers(host, port, path))
        )
        return client

    def send(self, body: bytes) -> None:
        """Send a message as soon as the host's windows allow it."""
        self._out += message_frame(body)
        self._flush()

    def send_raw(self, data: bytes) -> None:
        """Write bytes that need not be HTTP/2."""
        self.writer.write(data)

    async def messages(self) -> AsyncIterator[bytes]:
        received = bytearray()
        async for body in self._data():
            received += body
            while len(received) >= 5 and len(received) >= 5 + (size := int.from_bytes(received[1:5], "big")):
                message = bytes(received[5 : 5 + size])
                del received[: 5 + size]
                yield message

    async def close(self) -> None:
        self.writer.close()

    async def _data(self) -> AsyncIterator[bytes]:
        try:
            while True:
                await self.reads.wait()
                head = await self._reader.readexactly(9)
                kind, flags, stream_id = head[3], head[4], int.from_bytes(head[5:], "big")
                payload = await self._reader.readexactly(int.from_bytes(head[:3], "big"))
                if kind == DATA:
                    if payload:
                        update = struct.pack(">I", len(payload))
                        self.writer.write(frame(WINDOW_UPDATE, 0, 0, update) + frame(WINDOW_UPDATE, 0, 1, update))
                    yield payload
                elif kind == SETTINGS and not flags & ACK:
                    self._read_settings(payload)
                elif kind == PING and not flags & ACK:
                    self.writer.write(frame(PING, ACK, 0, payload))
                elif kind == WINDOW_UPDATE:
                    increment = int.from_bytes(payload, "big")
                    if stream_id:
                        self._call_window += increment
                    else:
                        self._window += increment
                    self._flush()
                elif kind == HEADERS and b"grpc-status" in payload:
                    after = payload[payload.index(b"grpc-status") + len(b"grpc-status") :]
                    self.status = after[1 : 1 + after[0]].decode()
                    return
                elif kind in (RST_STREAM, GOAWAY):
                    return
        except (asyncio.IncompleteReadError, ConnectionError):
            return

    def _read_settings(self, payload: bytes) -> None:
        for at in range(0, len(payload), 6):
            number, value = struct.unpack_from(">HI", payload, at)
            if number == 4:
                self._call_window += value - 65_535
            elif number == 5:
                self._largest_frame = value
        self.writer.write(frame(SETTINGS, ACK, 0))
        self._flush()

    def _flush(self) -> None:
        while self._out:
            size = min(len(self._out), self._window, self._call_window, self._largest_frame)
            if size <= 0:
                return
            self.writer.write(frame(DATA, 0, 1, bytes(self._out[:size])))
            del self._out[:size]
            self._window -= size
            self._call_window -= size
