"""Server-sent events: sends messages on a response that stays open."""

import asyncio
import contextlib
from collections.abc import Mapping
from typing import Any

from aiohttp import web

from durable_host.http_port import wait_disconnected
from durable_host.triggers.http.streamed import RESPONSE_HEADERS
from durable_host.triggers.mcp import jsonrpc

PING_SECONDS = 15.0
MOST_WAITING = 200
"""Most messages that wait for a client that does not read; with more, its stream ends."""
_HEADERS = {"Content-Type": "text/event-stream", "Cache-Control": "no-cache, no-transform", "X-Accel-Buffering": "no"}
PING = b": ping\n\n"


def event(data: bytes, name: str = "message") -> bytes:
    """One event; `data` has no line breaks."""
    return b"event: " + name.encode("ascii") + b"\ndata: " + data + b"\n\n"


def event_response(request: web.Request, headers: Mapping[str, str]) -> web.StreamResponse:
    """A response for events, with `headers` and those that pages on other origins need."""
    return web.StreamResponse(headers={**_HEADERS, **headers, **request.get(RESPONSE_HEADERS, {})})


class EventStream:
    """The response to a GET or a subscription. `serve` writes the messages passed to `send` until `close`."""

    def __init__(self, request: web.Request) -> None:
        self._request = request
        self._events: asyncio.Queue[bytes | None] = asyncio.Queue(MOST_WAITING)
        self._is_closed = False

    @property
    def is_open(self) -> bool:
        transport = self._request.transport
        return not self._is_closed and transport is not None and not transport.is_closing()

    def send(self, message: dict[str, Any]) -> None:
        """Send a message. Does nothing on a closed stream."""
        self.put(event(jsonrpc.write(message)))

    def put(self, data: bytes) -> None:
        if self._is_closed:
            return
        try:
            self._events.put_nowait(data)
        except asyncio.QueueFull:
            self._abort()

    def close(self) -> None:
        """End the response after the messages already sent."""
        if self._is_closed:
            return
        self._is_closed = True
        try:
            self._events.put_nowait(None)
        except asyncio.QueueFull:
            self._abort()

    async def serve(self) -> web.StreamResponse:
        """Write messages until `close`, or until the client disconnects."""
        response = event_response(self._request, {})
        watching = asyncio.create_task(self._close_when_lost())
        try:
            with contextlib.suppress(ConnectionError):
                await response.prepare(self._request)
                await response.write(b": open\n\n")
                while (data := await self._next()) is not None:
                    await response.write(data)
                await response.write_eof()
        finally:
            self._is_closed = True
            watching.cancel()
            await asyncio.gather(watching, return_exceptions=True)
        return response

    async def _next(self) -> bytes | None:
        """The next data to write; None at the end."""
        try:
            async with asyncio.timeout(PING_SECONDS):
                return await self._events.get()
        except TimeoutError:
            return PING

    async def _close_when_lost(self) -> None:
        await wait_disconnected(self._request)
        self.close()

    def _abort(self) -> None:
        self._is_closed = True
        if self._request.transport is not None:
            self._request.transport.abort()
