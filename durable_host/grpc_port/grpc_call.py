"""One call, which is an HTTP/2 stream."""

import asyncio
from collections import deque
from collections.abc import Iterator
from typing import Any, Protocol

from durable_host.grpc_port import header_blocks
from durable_host.grpc_port.grpc_methods import CallEnded, DuplexPeer, Metadata, Method
from durable_host.grpc_port.http2_frames import DATA, END_HEADERS, END_STREAM, HEADERS, frame
from durable_host.grpc_port.status_code import StatusCode

LARGEST_MESSAGE = 256 * 1024 * 1024
"""In bytes. It is also the limit for all incomplete requests of a connection together."""
PREFIX = 5
"""The bytes before each message: whether it is compressed, and its length."""
_STARTED = len(header_blocks.STARTED).to_bytes(3, "big") + bytes((HEADERS, END_HEADERS))
_ENDED_WELL = len(header_blocks.ENDED_WELL).to_bytes(3, "big") + bytes((HEADERS, END_HEADERS | END_STREAM))


class CallConnection(Protocol):
    """The connection of a call. `window` is the peer's flow-control window for all its calls; `blocked` are the calls
    that wait for room in a window.
    """

    window: int
    largest_frame: int
    blocked: "set[GrpcCall]"

    def write(self, data: bytes, /) -> None:
        """Send frames."""
        ...

    async def writable(self) -> None:
        """Wait until the peer reads what was written."""
        ...

    def forget(self, call: "GrpcCall", /) -> None:
        """Forget a call whose trailers were sent."""
        ...


class GrpcCall:
    """Owned by its connection. `body` is the received part of the request, or of the next one. `window` is the peer's
    flow-control window. `peer` receives the requests of a duplex method.

    `waiting` are responses that do not fit into the window yet. `trailers` follow them.
    """

    __slots__ = (
        "_connection",
        "_drained",
        "_wanted",
        "body",
        "deadline",
        "has_request",
        "has_started",
        "id",
        "is_over",
        "metadata",
        "method",
        "peer",
        "received",
        "task",
        "trailers",
        "unacknowledged",
        "waiting",
        "window",
    )

    def __init__(self, connection: CallConnection, id: int, method: Method, metadata: Metadata, window: int) -> None:
        self.id = id
        self.method = method
        self.metadata = metadata
        self.window = window
        self.body: list[bytes] = []
        self.received = 0
        self.unacknowledged = 0
        self.has_request = False
        self.has_started = False
        self.is_over = False
        self.task: asyncio.Task[None] | None = None
        self.deadline: asyncio.TimerHandle | None = None
        self.waiting: deque[bytes | memoryview] = deque()
        self.trailers: bytes | None = None
        self.peer: DuplexPeer | None = None
        self._wanted = PREFIX
        self._connection = connection
        self._drained: asyncio.Future[None] | None = None

    def answer(self, response: bytes) -> None:
        """Send the only response and end the call."""
        size, connection = len(response) + 5, self._connection
        if size > self.window or size > connection.window or size > connection.largest_frame or connection.blocked:
            self.send(response)
            self.end()
            return
        self.window -= size
        connection.window -= size
        id = self.id.to_bytes(4, "big")
        connection.write(
            b"".join(
                (
                    _STARTED, id, header_blocks.STARTED,
                    size.to_bytes(3, "big"), b"\0\0", id, b"\0", len(response).to_bytes(4, "big"), response,
                    _ENDED_WELL, id, header_blocks.ENDED_WELL,
                )
            )
        )  # fmt: skip
        connection.forget(self)

    def send(self, response: bytes) -> None:
        """Send a response as soon as the window allows it."""
        if self.is_over:
            return
        if not self.has_started:
            self.has_started = True
            self._connection.write(frame(HEADERS, END_HEADERS, self.id, header_blocks.STARTED))
        self.waiting.append(b"\0" + len(response).to_bytes(4, "big") + response)
        self.flush()

    async def drain(self) -> None:
        """Wait until all responses were written, so that more may be sent."""
        if self.waiting:
            if self._drained is None or self._drained.done():
                self._drained = asyncio.get_running_loop().create_future()
            await asyncio.shield(self._drained)
        await self._connection.writable()

    def end(self, code: StatusCode = StatusCode.OK, text: str = "") -> None:
        """End the call with a status."""
        if self.is_over or self.trailers is not None:
            return
        self.trailers = header_blocks.ENDED_WELL if code is StatusCode.OK else header_blocks.ended(code, text)
        if code is not StatusCode.OK:
            self.waiting.clear()
        self.flush()

    def flush(self) -> None:
        """Send as much as the windows allow."""
        connection, waiting = self._connection, self.waiting
        while waiting:
            room = min(self.window, connection.window, connection.largest_frame)
            if room <= 0:
                connection.blocked.add(self)
                return
            part = waiting.popleft()
            if len(part) > room:
                part = memoryview(part)
                waiting.appendleft(part[room:])
                part = part[:room]
            self.window -= len(part)
            connection.window -= len(part)
            connection.write(frame(DATA, 0, self.id, part))
        connection.blocked.discard(self)
        self._wake()
        if self.trailers is not None:
            start = b"" if self.has_started else header_blocks.STARTED
            connection.write(frame(HEADERS, END_HEADERS | END_STREAM, self.id, start + self.trailers))
            connection.forget(self)

    def _wake(self) -> None:
        if self._drained is not None and not self._drained.done():
            self._drained.set_result(None)

    def cancel(self) -> None:
        """Cancel the method. Nothing more is sent."""
        self.is_over = True
        self.waiting.clear()
        self._wake()
        if self.deadline is not None:
            self.deadline.cancel()
        if self.task is not None:
            self.task.cancel()

    def requests(self, part: bytes) -> Iterator[Any]:
        """Decode the requests that `part` completes. Raises CallEnded for one that is unreadable or too large."""
        self.body.append(part)
        self.received += len(part)
        if self.received < self._wanted:
            return
        data = self.body[0] if len(self.body) == 1 else b"".join(self.body)
        at, end = 0, len(data)
        self._wanted = PREFIX
        while end - at >= PREFIX:
            size = int.from_bytes(data[at + 1 : at + PREFIX], "big")
            if size > LARGEST_MESSAGE:
                raise CallEnded(StatusCode.RESOURCE_EXHAUSTED, f"Requests may have {LARGEST_MESSAGE} bytes.")
            if end - at - PREFIX < size:
                self._wanted = PREFIX + size
                break
            begin = at + PREFIX
            at = begin + size
            yield self._decoded(data[begin - PREFIX], data[begin:at])
        rest = data[at:]
        self.body, self.received = [rest] if rest else [], len(rest)

    def request(self) -> Any:
        """Decode the request. Raises CallEnded if it is not exactly one readable message."""
        body = self.body[0] if len(self.body) == 1 else b"".join(self.body)
        self.body = []
        if len(body) < PREFIX or len(body) - PREFIX != int.from_bytes(body[1:PREFIX], "big"):
            raise CallEnded(StatusCode.INTERNAL, "A request is exactly one message.")
        return self._decoded(body[0], body[PREFIX:])

    def _decoded(self, is_compressed: int, message: bytes) -> Any:
        if is_compressed:
            raise CallEnded(StatusCode.UNIMPLEMENTED, "Requests may not be compressed.")
        try:
            return self.method.read(message)
        except Exception as error:
            raise CallEnded(StatusCode.INTERNAL, f"The request cannot be read: {error}") from error
