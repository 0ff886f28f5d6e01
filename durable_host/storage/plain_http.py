"""A client for HTTP without TLS: storage on this machine. A request takes half the CPU time of one with aiohttp.

It does what requests to storage need: connections that are kept, responses with a length, in chunks or until the end of
the connection. It raises aiohttp's exceptions.
"""

import asyncio
from collections import defaultdict
from io import BytesIO
from types import TracebackType
from typing import Any, cast

import aiohttp
from aiohttp.client_reqrep import ConnectionKey
from yarl import URL

from durable_host.storage.received_response import ReceivedResponse, ResponseReader

_JOINED = 64 * 1024
"""The size of a body in bytes up to which it is joined with the head, so that both are sent with one system call."""
_NEXT_ADDRESS_AFTER = 0.25
"""Seconds after which the next address of the server is tried too. uvloop tries one after the other."""
_WITH_BODY = frozenset(("POST", "PUT", "MERGE", "PATCH"))


class PlainHttp:
    """Connections to servers, at most `limit` to each. They are closed after `keepalive` seconds without a request.

    Like `NewestFirstConnector`, it uses the connection that became free last.
    """

    def __init__(self, limit: int, keepalive: float, timeout: aiohttp.ClientTimeout) -> None:
        self._keepalive = keepalive
        self._timeout = timeout
        self._turns: dict[str, asyncio.Semaphore] = defaultdict(lambda: asyncio.Semaphore(limit))
        self._free: dict[str, list[_Connection]] = defaultdict(list)
        self._open: set[_Connection] = set()
        self._sweep: asyncio.TimerHandle | None = None
        self._is_closed = False

    def request(
        self,
        method: str,
        url: URL,
        *,
        data: bytes | BytesIO | None,
        headers: dict[str, str],
        allow_redirects: bool = False,
        timeout: aiohttp.ClientTimeout | None = None,
    ) -> "_Exchange":
        """Send a request, as an async context manager whose value is the response. Redirects are not followed."""
        assert not allow_redirects
        body = data.getvalue() if isinstance(data, BytesIO) else data or b""
        length = f"Content-Length: {len(body)}\r\n" if body or method in _WITH_BODY else ""
        fields = "".join([f"{name}: {value}\r\n" for name, value in headers.items()])
        head = f"{method} {url.raw_path_qs} HTTP/1.1\r\nHost: {url.authority}\r\n{length}{fields}\r\n"
        if head.count("\n") != len(headers) + (4 if length else 3) or head.count("\r") != head.count("\n"):
            raise ValueError(f"The path or a header of a request to {url.authority} contains a line break")
        start = head.encode()
        pieces = [start + body] if len(body) <= _JOINED else [start, body]
        return _Exchange(self, url, method, pieces, timeout or self._timeout)

    async def close(self) -> None:
        """Close all connections. Requests that run or wait fail."""
        self._is_closed = True
        if self._sweep is not None:
            self._sweep.cancel()
        for connection in list(self._open):
            connection.close()

    async def take(self, url: URL, timeout: aiohttp.ClientTimeout) -> "_Connection":
        """Return a connection to the server of `url`, when there is one. `give_back` must follow."""
        turns = self._turns[url.authority]
        await turns.acquire()
        try:
            free = self._free[url.authority]
            while free:
                connection = free.pop()
                if connection.is_usable:
                    return connection
            if self._is_closed:
                raise aiohttp.ClientConnectionError("The connections are closed")
            return await self._connect(url, timeout)
        except BaseException:
            turns.release()
            raise

    def give_back(self, url: URL, connection: "_Connection") -> None:
        """Keep the connection for the next request, if it is usable."""
        self._turns[url.authority].release()
        if self._is_closed:
            connection.close()
        elif connection.is_usable:
            loop = asyncio.get_running_loop()
            connection.free_since = loop.time()
            self._free[url.authority].append(connection)
            if self._sweep is None:
                self._sweep = loop.call_later(self._keepalive, self._close_idle)

    async def _connect(self, url: URL, timeout: aiohttp.ClientTimeout) -> "_Connection":
        host, port = url.raw_host or "", url.port or 80
        loop = asyncio.get_running_loop()
        is_uvloop = not isinstance(loop, asyncio.BaseEventLoop)
        options: dict[str, Any] = {} if is_uvloop else {"happy_eyeballs_delay": _NEXT_ADDRESS_AFTER}
        try:
            async with asyncio.timeout(timeout.sock_connect):
                _, connection = await loop.create_connection(lambda: _Connection(self._open), host, port, **options)
        except TimeoutError:
            raise aiohttp.ConnectionTimeoutError(f"Connection timeout to {url.authority}") from None
        except OSError as error:
            key = ConnectionKey(
                host, port, is_ssl=False, ssl=True, proxy=None, proxy_auth=None, proxy_headers_hash=None
            )
            raise aiohttp.ClientConnectorError(key, error) from error
        if self._is_closed:
            connection.close()
            raise aiohttp.ClientConnectionError("The connections are closed")
        return connection

    def _close_idle(self) -> None:
        """Close the connections that were not used for the keep-alive time. The oldest ones come first."""
        loop = asyncio.get_running_loop()
        before = loop.time() - self._keepalive
        oldest = float("inf")
        for free in self._free.values():
            while free and free[0].free_since <= before:
                free.pop(0).close()
            oldest = min(oldest, free[0].free_since if free else oldest)
        self._sweep = loop.call_at(oldest + self._keepalive, self._close_idle) if oldest != float("inf") else None


class _Exchange:
    """A request and its response."""

    __slots__ = ("_connection", "_http", "_method", "_pieces", "_timeout", "_url")

    def __init__(
        self, http: PlainHttp, url: URL, method: str, pieces: list[bytes], timeout: aiohttp.ClientTimeout
    ) -> None:
        self._http = http
        self._url = url
        self._method = method
        self._pieces = pieces
        self._timeout = timeout
        self._connection: _Connection | None = None

    async def __aenter__(self) -> ReceivedResponse:
        connection = await self._http.take(self._url, self._timeout)
        try:
            self._connection = connection
            return await connection.send(self._method, self._pieces, self._timeout)
        except BaseException:
            connection.close()
            self._http.give_back(self._url, connection)
            raise

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._connection is not None
        self._connection.finish()
        self._http.give_back(self._url, self._connection)


class _Connection(asyncio.Protocol):
    """One connection, which has one request at a time. It is in `opened` as long as it is open."""

    def __init__(self, opened: "set[_Connection]") -> None:
        self._opened = opened
        self._transport: asyncio.Transport | None = None
        self._reader: ResponseReader | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._limit = float("inf")
        self._is_total = False
        self._heard = 0.0
        self.free_since = 0.0

    @property
    def is_usable(self) -> bool:
        """True when a request can be sent."""
        return self._transport is not None and self._reader is None and not self._transport.is_closing()

    async def send(self, method: str, pieces: list[bytes], timeout: aiohttp.ClientTimeout) -> ReceivedResponse:
        """Send a request and return the response when its head has arrived."""
        assert self._transport is not None
        loop = asyncio.get_running_loop()
        self._reader = reader = ResponseReader(loop, method)
        self._is_total = timeout.total is not None
        self._limit = timeout.total or timeout.sock_read or float("inf")
        self._heard = loop.time()
        if self._limit != float("inf"):
            self._timer = loop.call_at(self._heard + self._limit, self._check)
        for piece in pieces:
            self._transport.write(piece)
        return await reader.response

    def finish(self) -> None:
        """End the exchange.

        The connection is closed unless the whole request was sent, and the whole response has arrived and allows
        another one.
        """
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        reader, self._reader = self._reader, None
        is_sent = self._transport is not None and self._transport.get_write_buffer_size() == 0
        if reader is None or not reader.allows_another or not is_sent:
            self.close()

    def close(self) -> None:
        """Close the connection, and fail what waits for it."""
        if self._timer is not None:
            self._timer.cancel()
        self._opened.discard(self)
        if self._reader is not None:
            self._reader.fail(aiohttp.ServerDisconnectedError())
        if self._transport is not None:
            self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._opened.add(self)

    def data_received(self, data: bytes) -> None:
        if self._reader is None:
            self.close()
            return
        if not self._is_total:
            self._heard = asyncio.get_running_loop().time()
        self._reader.feed(data)

    def connection_lost(self, exc: Exception | None) -> None:
        self._opened.discard(self)
        if self._reader is not None:
            self._reader.end(exc)

    def _check(self) -> None:
        """Fail when nothing has arrived for the limit, or the limit for the whole exchange is over."""
        loop = asyncio.get_running_loop()
        if self._heard + self._limit > loop.time():
            self._timer = loop.call_at(self._heard + self._limit, self._check)
        elif self._reader is not None:
            self._reader.fail(aiohttp.SocketTimeoutError("Timeout on reading data from socket"))
