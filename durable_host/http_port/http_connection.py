"""A client connection that handles cases in which aiohttp's class does not respond or waits forever."""

import asyncio
import logging
from typing import Any

import msgspec
from aiohttp import ClientConnectionResetError, web
from aiohttp.http import RawRequestMessage
from aiohttp.http_exceptions import BadHttpMessage, LineTooLong
from aiohttp.http_parser import HttpRequestParserPy

from durable_host.http_port.express import LONGEST_HEADER
from durable_host.http_port.express_connection import ExpressConnection
from durable_host.http_port.methods import AnyMethodParser

_log = logging.getLogger("Host.Triggers.Http")


class ConnectionTimes(msgspec.Struct, frozen=True, kw_only=True):
    """Time limits in seconds: for the headers of a request, between two pieces of a body, and between requests."""

    headers: float = 60.0
    body: float = 60.0
    keep_alive: float = 300.0


class HttpConnection(ExpressConnection):
    """A connection that also responds to clients that close their side after the request, or send a malformed body.

    Closes idle connections and requests that are never completed. Mistakes of clients, and disconnects, are not errors
    of the host: they are logged at the level Debug.
    """

    __slots__ = ("_began", "_heard", "_last_body", "_lost", "_timer", "_times", "_watchers", "_why_lost")

    def __init__(self, *args: Any, times: ConnectionTimes, **options: Any) -> None:
        super().__init__(*args, keepalive_timeout=times.keep_alive, **options)
        self._parser: Any = AnyMethodParser(self._parser, self._tolerant_parser)
        self._times = times
        self._last_body: Any = None
        self._began: float | None = None
        self._heard = 0.0
        self._timer: asyncio.TimerHandle | None = None
        self._lost: asyncio.Event | None = None
        self._why_lost = "The client closed the connection."
        self._watchers = 0

    async def wait_disconnected(self) -> str:
        """Wait until the client closes the connection or `give_up` is called, and return the reason.

        During the wait, a client that closes its side counts as disconnected.
        """
        if self._lost is None:
            self._lost = asyncio.Event()
        self._watchers += 1
        try:
            if self.transport is not None:
                await self._lost.wait()
            return self._why_lost
        finally:
            self._watchers -= 1

    def give_up(self, why: str) -> None:
        """End `wait_disconnected`."""
        if self._lost is not None and not self._lost.is_set():
            self._why_lost = why
            self._lost.set()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self._began = self._loop.time()
        self._watch(self._times.headers)

    def connection_lost(self, exc: BaseException | None) -> None:
        if self._timer is not None:
            self._timer.cancel()
        super().connection_lost(exc)
        if self._last_body is not None and not self._last_body.is_eof():
            self._last_body.set_exception(exc or ConnectionResetError("Connection lost"))
        if self._lost is not None:
            self._lost.set()

    def data_received(self, data: bytes) -> None:
        is_of_body = self._last_body is not None and not self._last_body.is_eof()
        count = self._request_count
        super().data_received(data)
        if self._request_count > count:
            self._began = None
            message, body = self._messages[-1]
            if not isinstance(message, RawRequestMessage):
                self._break_off(self._last_body)
            self._last_body = body
            if not body.is_eof():
                self._heard = self._loop.time()
                self._watch(self._times.body)
        elif is_of_body:
            self._heard = self._loop.time()
        elif data and self._began is None:  # `data` is empty when reading resumes after a pause.
            self._began = self._loop.time()
            self._watch(self._times.headers)

    def eof_received(self) -> bool:  # pyright: ignore[reportIncompatibleMethodOverride]
        """Keep the connection (return True) until a complete request is answered."""
        is_idle = self._waiter is not None and not self._waiter.done()
        is_whole = not is_idle and not self._watchers and self._last_body is not None and self._last_body.is_eof()
        if is_whole:
            self.close()
        return is_whole

    def handle_error(
        self, request: web.BaseRequest, status: int = 500, exc: BaseException | None = None, message: str | None = None
    ) -> web.StreamResponse:
        if status >= 500 and isinstance(exc, ClientConnectionResetError):  # The client has disconnected.
            status = 400
        if status >= 500:
            return super().handle_error(request, status, exc, message)
        status = _status_of(exc, self.max_line_size) or status
        reason = ascii(message or exc)[1:-1]
        _log.debug("A request from %s is not HTTP: %s", request.remote, reason)
        response = web.json_response({"Message": f"The request is not HTTP: {reason}"}, status=status)
        response.force_close()
        return response

    def _tolerant_parser(self) -> HttpRequestParserPy:
        return HttpRequestParserPy(
            self,
            self._loop,
            max_line_size=self.max_line_size,
            max_field_size=LONGEST_HEADER,
            payload_exception=web.RequestPayloadError,
            auto_decompress=False,
        )

    def _break_off(self, body: Any) -> None:
        """The data is not valid HTTP: end the body, so that its reader does not wait for the rest forever."""
        if body is not None and not body.is_eof():
            body.set_exception(web.HTTPBadRequest(text="The body of the request is malformed."))
            body.feed_eof()

    def _watch(self, seconds: float) -> None:
        """Check within `seconds` whether the pending request or body has arrived."""
        at = self._loop.time() + seconds
        if self._timer is not None:
            if self._timer.when() <= at:
                return
            self._timer.cancel()
        self._timer = self._loop.call_at(at, self._check)

    def _check(self) -> None:
        self._timer = None
        if self.transport is None:
            return
        now = self._loop.time()
        if self._began is not None:
            if self._waiter is None or self._waiter.done():  # Another request is being answered.
                self._began = now
            until = self._began + self._times.headers
        elif self._last_body is None or self._last_body.is_eof():
            return
        else:
            if self._reading_paused:  # The function has stopped reading; that is not the client's fault.
                self._heard = now
            until = self._heard + self._times.body
        if now < until:
            self._watch(until - now)
            return
        _log.debug("A connection from %s was closed: its request was not completed.", self.peername)
        self.transport.abort()
        self.force_close()


def _status_of(error: BaseException | None, line_size: int) -> int | None:
    """414 for a URL that is too long, 431 for headers."""
    if isinstance(error, LineTooLong):
        return 414 if f"than {line_size} bytes" in error.message else 431
    if isinstance(error, BadHttpMessage) and "Too many headers" in error.message:
        return 431
    return None


async def wait_disconnected(request: web.Request) -> str:
    """Wait until the client closes the connection of a request; see `HttpConnection.wait_disconnected`."""
    connection = request.protocol
    assert isinstance(connection, HttpConnection)
    return await connection.wait_disconnected()
