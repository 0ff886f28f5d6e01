"""A TCP port that answers HTTP with one handler."""

import asyncio
import logging
from collections.abc import Awaitable, Callable

from aiohttp import HttpVersion11, hdrs, web

from durable_host.http_port.body_limit import too_large
from durable_host.http_port.connection import Connection, ConnectionTimes

_log = logging.getLogger("Host.Triggers.Http")

LONGEST_HEADER = 32_768
"""Of a request: as much as Azure's web server takes for all of them."""

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class HttpPort:
    """Listens from `listen` to `stop_listening`, and answers running requests until `close`.

    `handler` gets all requests whose path begins with `path`; their bodies have at most `body_limit` bytes where
    `request.read()` reads them.
    """

    def __init__(
        self,
        handler: Handler,
        *,
        body_limit: int,
        close_within: float,
        path: str = "/",
        times: ConnectionTimes | None = None,
    ) -> None:
        application = web.Application(client_max_size=body_limit)
        tail = "{tail:.*}" if path.endswith("/") else "{tail:(/.*)?}"
        # One route and no middleware, so that a function call pays for nothing else.
        application.router.add_route("*", path + tail, handler, expect_handler=_continue)
        self._runner = web.AppRunner(application, handle_signals=False, shutdown_timeout=close_within)
        self._times = times or ConnectionTimes()
        self._listener: asyncio.Server | None = None

    async def listen(self, address: str, port: int) -> None:
        """May be called again with another port when it fails. Raises OSError."""
        if self._runner.server is None:
            await self._runner.setup()
        loop, server = asyncio.get_running_loop(), self._runner.server
        assert server is not None

        def connection() -> Connection:
            return Connection(
                server,
                loop=loop,
                times=self._times,
                access_log=None,
                auto_decompress=False,
                max_field_size=LONGEST_HEADER,
            )

        self._listener = await loop.create_server(connection, address, port, backlog=1024)

    @property
    def is_listening(self) -> bool:
        return self._listener is not None

    def stop_listening(self) -> None:
        """Take no more connections. Idempotent."""
        if self._listener is not None:
            self._listener.close()

    async def close(self) -> None:
        """End all connections. Idempotent."""
        self.stop_listening()
        await self._runner.cleanup()


def guarded(handler: Handler, body_limit: int) -> Handler:
    """`handler`, with an answer to whatever a caller sends: what is not its own fault only is a 500."""

    async def answer(request: web.Request) -> web.StreamResponse:
        if not all(map(_is_readable, request.headers.values())):
            return web.json_response({"Message": "A header of the request is not UTF-8."}, status=400)
        try:
            return await handler(request)
        except web.HTTPRequestEntityTooLarge:
            return too_large(request, body_limit)
        except (ConnectionError, web.RequestPayloadError):
            # The client has gone away, or what it sends is not the body that it announced.
            return web.json_response({"Message": "The body of the request did not come to its end."}, status=400)

    return answer


def _is_readable(value: str) -> bool:
    if value.isascii():
        return True
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


async def _continue(request: web.Request) -> None:
    """Let a client send its body that asks first, and refuse other expectations."""
    if request.version < HttpVersion11:
        return
    if request.headers.get(hdrs.EXPECT, "").lower() != "100-continue":
        raise web.HTTPExpectationFailed
    await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
    request.writer.output_size = 0
