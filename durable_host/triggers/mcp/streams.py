"""Server-sent events: messages on a response that stays open."""

import asyncio
import contextlib
from typing import Any

from aiohttp import web

from durable_host.http_port import has_gone
from durable_host.triggers.mcp import jsonrpc

PING_SECONDS = 15.0
MOST_WAITING = 200
"""Messages for a client that does not read; more of them end its stream."""
HEADERS = {"Content-Type": "text/event-stream", "Cache-Control": "no-cache, no-transform", "X-Accel-Buffering": "no"}
PING = b": ping\n\n"


def event(data: bytes, name: str = "message") -> bytes:
    """One event; `data` has no line breaks."""
    return b"event: " + name.encode("ascii") + b"\ndata: " + data + b"\n\n"


class EventStream:
    """The response to one GET, or to a request that subscribes. `serve` writes what `send` is given until `close`."""

    def __init__(self, request: web.Request) -> None:
        self._request = request
        self._events: asyncio.Queue[bytes | None] = asyncio.Queue(MOST_WAITING)
        self._is_closed = False

    @property
    def is_open(self) -> bool:
        return not self._is_closed and not has_gone(self._request)

    def send(self, message: dict[str, Any]) -> None:
        """Nothing is sent on a stream that is closed."""
        self.put(event(jsonrpc.write(message)))

    def put(self, data: bytes) -> None:
        if self._is_closed:
            return
        try:
            self._events.put_nowait(data)
        except asyncio.QueueFull:
            self._abort()

    def close(self) -> None:
        """End the response behind what has been sent."""
        if self._is_closed:
            return
        self._is_closed = True
        try:
            self._events.put_nowait(None)
        except asyncio.QueueFull:
            self._abort()

    async def serve(self, headers: dict[str, str] | None = None) -> web.StreamResponse:
        """Until `close`, or until the client has gone."""
        response = web.StreamResponse(headers={**HEADERS, **(headers or {})})
        with contextlib.suppress(ConnectionError):
            await response.prepare(self._request)
            await response.write(b": open\n\n")
            while not has_gone(self._request):
                try:
                    async with asyncio.timeout(PING_SECONDS):
                        data = await self._events.get()
                except TimeoutError:
                    data = PING
                if data is None:
                    await response.write_eof()
                    break
                await response.write(data)
        self._is_closed = True
        return response

    def _abort(self) -> None:
        self._is_closed = True
        if self._request.transport is not None:
            self._request.transport.abort()
