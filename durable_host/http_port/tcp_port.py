"""A TCP port that serves HTTP with one handler."""

import asyncio
from collections.abc import Awaitable, Callable
from itertools import chain

from aiohttp import HttpVersion11, StreamReader, hdrs, web
from aiohttp.abc import AbstractStreamWriter
from aiohttp.http import RawRequestMessage

from durable_host.http_port.body_limit import too_large
from durable_host.http_port.express import LONGEST_HEADER, MOST_HEADERS, Express, PlainRequest
from durable_host.http_port.express_connection import is_supported
from durable_host.http_port.http_connection import ConnectionTimes, HttpConnection

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class HttpPort:
    """Listens from `start_listening` to `stop_listening`, and answers running requests until `close`.

    `handler` gets all requests for `path` and below; other requests get a 404. `body_limit` limits the bytes that
    `request.read()` reads. `express` may answer plain requests instead of `handler`, if the installed aiohttp
    supports it. Raises ValueError for `express` together with `path`, which would not be checked.
    """

    def __init__(
        self,
        handler: Handler,
        *,
        body_limit: int,
        close_within: float,
        path: str = "",
        times: ConnectionTimes | None = None,
        express: Express | None = None,
    ) -> None:
        if path and express is not None:
            raise ValueError("'express' cannot be combined with 'path'.")
        self._handler = handler
        self._body_limit = body_limit
        self._close_within = close_within
        self._path = path
        self._times = times or ConnectionTimes()
        self._express = express if is_supported() else None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._runner: web.ServerRunner | None = None
        self._listener: asyncio.Server | None = None

    async def start_listening(self, address: str, port: int) -> None:
        """Start listening. After a failure, it may be called again with another port. Raises OSError."""
        await self.open()
        loop = asyncio.get_running_loop()
        self._listener = await loop.create_server(self.connection, address, port, backlog=1024)

    async def open(self) -> None:
        """Make `connection` usable without a port. Idempotent."""
        if self._runner is None:
            self._loop = asyncio.get_running_loop()
            # No Application: its router has its own error responses, and takes time on every call.
            server = web.Server(self._answer, request_factory=self._request)
            self._runner = web.ServerRunner(server, handle_signals=False, shutdown_timeout=self._close_within)
            await self._runner.setup()

    def connection(self) -> HttpConnection:
        """A protocol that serves one connection. Call it after `open`."""
        assert self._runner is not None
        assert self._runner.server is not None
        return HttpConnection(
            self._runner.server,
            loop=asyncio.get_running_loop(),
            times=self._times,
            express=self._express,
            access_log=None,
            auto_decompress=False,
            max_field_size=LONGEST_HEADER,
        )

    @property
    def is_listening(self) -> bool:
        return self._listener is not None

    def stop_listening(self) -> None:
        """Accept no more connections. Idempotent."""
        if self._listener is not None:
            self._listener.close()

    def give_up_streams(self, why: str) -> None:
        """End the requests whose handlers wait for the client to disconnect."""
        server = self._runner.server if self._runner is not None else None
        for connection in server.connections if server is not None else ():
            if isinstance(connection, HttpConnection):
                connection.give_up(why)

    async def close(self) -> None:
        """End all connections. Idempotent."""
        self.stop_listening()
        if self._runner is not None:
            await self._runner.cleanup()

    def _request(
        self,
        message: RawRequestMessage,
        payload: StreamReader,
        protocol: web.RequestHandler,
        writer: AbstractStreamWriter,
        task: "asyncio.Task[None]",
    ) -> web.Request:
        assert self._loop is not None
        return web.Request(message, payload, protocol, writer, task, self._loop, client_max_size=self._body_limit)

    def _answer(self, request: web.BaseRequest) -> Awaitable[web.StreamResponse]:
        """The handler's response, or that to a request that the handler does not get."""
        assert isinstance(request, web.Request)
        path, headers = request.rel_url.raw_path, request.raw_headers
        if not path.startswith(self._path) or path[len(self._path) :][:1] not in ("", "/"):
            return _respond(web.Response(status=404))
        if len(headers) > MOST_HEADERS or len(b"".join(chain.from_iterable(headers))) > LONGEST_HEADER:
            message = "The headers of the request are too long."
            return _respond(web.json_response({"Message": message}, status=431))
        if (expected := request.headers.get(hdrs.EXPECT)) and request.version >= HttpVersion11:
            return self._expected(request, expected)
        return self._handler(request)

    async def _expected(self, request: web.Request, expected: str) -> web.StreamResponse:
        if expected.lower() != "100-continue":
            return web.Response(status=417)
        await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        request.writer.output_size = 0
        return await self._handler(request)


async def _respond(response: web.Response) -> web.Response:
    return response


def guarded(handler: Handler, body_limit: int) -> Handler:
    """`handler`, with error responses for mistakes in the request that occur while it reads the body."""

    async def answer(request: web.Request) -> web.StreamResponse:
        if not is_readable(request):
            return web.json_response({"Message": "A header of the request is not UTF-8."}, status=400)
        try:
            return await handler(request)
        except BODY_MISTAKES as error:
            return body_refusal(request, error, body_limit)

    return answer


BODY_MISTAKES = (web.HTTPRequestEntityTooLarge, ConnectionError, web.RequestPayloadError)
"""What the reader of a body raises if it is too large, or not as announced, or if the client has disconnected."""


def body_refusal(request: web.Request | PlainRequest, error: Exception, body_limit: int) -> web.Response:
    """The response to a request whose body raised one of `BODY_MISTAKES`."""
    if isinstance(error, web.HTTPRequestEntityTooLarge):
        return too_large(request, body_limit)
    return web.json_response({"Message": "The body of the request is incomplete."}, status=400)


def is_readable(request: web.Request) -> bool:
    """Whether all headers are UTF-8."""
    values = "".join(request.headers.values())
    if values.isascii():
        return True
    try:
        values.encode()
    except UnicodeEncodeError:
        return False
    return True
