"""The ASGI connection of an HTTP call whose request and response are streamed.

Besides the frames of every call (`stream` begins it, `result` or `failed` ends it), these frames are sent, all with the
call's ID `i`:

* `chunk`, to the worker: a piece of the request's body in the blob; `last` with the last one
* `want`, to the host: `n` more bytes of the request's body may be sent
* `head`, to the host: `status` and `headers` of the response; `last` if no body follows
* `body`, to the host: a piece of the response's body in the blob; `last` with the last one
* `room`, to the worker: `n` more bytes of the response's body may be sent
* `gone`, to the worker: the client has disconnected

Each side may send WINDOW bytes before the first `want` or `room`, so at most that many bytes are in transit.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Any
from urllib.parse import unquote

from .channel import PipeChannel
from .frames import FrameBody

WINDOW = 256 * 1024
PIECE = 64 * 1024
FRAMES = frozenset({"chunk", "room", "gone"})
ASGI = {"version": "3.0", "spec_version": "2.4"}


class HttpStream:
    """The connection. Use it only on the event loop's thread. `head` is the `http` member of the `stream` frame."""

    def __init__(self, channel: PipeChannel, invocation_id: str, head: dict[str, Any]) -> None:
        self._channel = channel
        self._id = invocation_id
        self._chunks: deque[bytes] = deque()
        self._is_whole = not head["body"]
        self._gave_end = False
        self._taken = 0
        self._room = WINDOW
        self._is_gone = False
        self._is_heard = False
        self._is_complete = False
        self._has_no_body = head["method"] == "HEAD"
        self._length_left: int | None = None
        self._news = asyncio.Event()
        self._receiving = 0
        self._watches_client = False
        self._task: asyncio.Task[Any] | None = None
        self.scope = _scope(head)

    def deliver(self, header: dict[str, Any], blob: bytes) -> None:
        """Process a frame from the host."""
        kind = header["k"]
        if kind == "chunk":
            if blob:
                self._chunks.append(blob)
            self._is_whole = self._is_whole or bool(header.get("last"))
        elif kind == "room":
            self._room += header["n"]
        else:
            self._hang_up()
        self._news.set()

    def owned_by(self, task: asyncio.Task[Any] | None) -> None:
        """When the client disconnects, cancel `task`, unless the function or its response checks for that itself."""
        self._task = task
        if self._is_gone:
            self._hang_up()

    async def receive(self) -> dict[str, Any]:
        self._receiving += 1
        try:
            while not (self._chunks or self._is_over or (self._is_whole and not self._gave_end)):
                self._watches_client = self._gave_end
                self._news.clear()
                await self._news.wait()
        finally:
            self._receiving -= 1
        if self._is_over:
            return {"type": "http.disconnect"}
        body = self._chunks.popleft() if self._chunks else b""
        self._gave_end = self._is_whole and not self._chunks
        self._taken += len(body)
        if self._taken >= WINDOW // 4 and not self._is_whole:
            self._channel.gather({"k": "want", "i": self._id, "n": self._taken})
            self._taken = 0
        return {"type": "http.request", "body": body, "more_body": not self._gave_end}

    async def send(self, message: dict[str, Any]) -> None:
        """Send an ASGI message. Raises RuntimeError for a body of the wrong length.

        If the client has disconnected, and nobody waits for that event, sending more of the body raises an OSError.
        """
        kind = message["type"]
        if kind == "http.response.start":
            self._start(int(message["status"]), list(message.get("headers") or ()))
        elif kind == "http.response.body":
            await self._send_body(message.get("body") or b"", bool(message.get("more_body")))

    @property
    def _is_over(self) -> bool:
        return self._is_gone or self._is_complete

    def _hang_up(self) -> None:
        self._is_gone = True
        self._is_heard = bool(self._receiving)
        if self._task is not None and not (self._is_complete or self._is_heard or self._watches_client):
            self._task.cancel("the client closed the connection")

    def _start(self, status: int, headers: list[tuple[bytes, bytes]]) -> None:
        pairs = [(_text(name), _text(value)) for name, value in headers]
        self._has_no_body = self._has_no_body or status in (204, 304)
        length = next((value for name, value in pairs if name.lower() == "content-length"), None)
        self._length_left = int(length) if length is not None and not self._has_no_body else None
        if not self._is_gone:
            self._channel.gather({"k": "head", "i": self._id, "status": status, "headers": pairs})

    async def _send_body(self, body: bytes, more: bool) -> None:
        if self._length_left is not None:
            self._length_left -= len(body)
            if self._length_left < 0:
                raise RuntimeError("The response is longer than its Content-Length")
            if self._length_left > 0 and not more:
                raise RuntimeError("The response is shorter than its Content-Length")
        view = memoryview(b"" if self._has_no_body else body)
        while view:
            while self._room <= 0 and not self._is_gone:
                self._news.clear()
                await self._news.wait()
            if self._is_gone:
                break
            piece = view[: min(self._room, PIECE)]
            view = view[len(piece) :]
            self._room -= len(piece)
            self._write(piece, last=not (view or more))
        if more:
            if self._is_gone and not self._is_heard:
                raise ConnectionResetError("the client closed the connection")
            await asyncio.sleep(0)  # so that a generator that never waits lets others run
            return
        if not self._is_gone and (not body or self._has_no_body):
            self._write(memoryview(b""), last=True)
        self._is_complete = True
        self._news.set()

    def _write(self, piece: memoryview, *, last: bool) -> None:
        blob = FrameBody()
        blob.add(bytes(piece))
        self._channel.gather({"k": "body", "i": self._id, "last": True} if last else {"k": "body", "i": self._id}, blob)


def _scope(head: dict[str, Any]) -> dict[str, Any]:
    raw_path: str = head["path"]
    return {
        "type": "http",
        "asgi": ASGI,
        "http_version": head["version"],
        "method": head["method"],
        "scheme": head["scheme"],
        "path": unquote(raw_path),
        "raw_path": raw_path.encode("ascii", "replace"),
        "query_string": head["query"].encode("latin-1", "replace"),
        "root_path": "",
        "headers": [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in head["headers"]],
        "client": head["client"] and tuple(head["client"]),
        "server": head["server"] and tuple(head["server"]),
        "state": {},
    }


def _text(value: bytes) -> str:
    """A header as text, decoded as UTF-8."""
    try:
        return value.decode("utf-8")
    except UnicodeDecodeError:
        return value.decode("latin-1")
