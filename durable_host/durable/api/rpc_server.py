"""The SDK's endpoint of the management API: a listener on loopback, without a key and without a limit on plain bodies.

Source: docs/protocol/durable-http-api.md#two-endpoints
"""

import logging
import random
from collections.abc import Sequence

from aiohttp import web

from durable_host.durable.api.client_payload import RPC_PATH
from durable_host.durable.api.http import DurableHttpApi, raw_tail
from durable_host.errors import PortError
from durable_host.http_port import ConnectionTimes, HttpPort, guarded

_log = logging.getLogger("Host.Triggers.DurableTask")

ADDRESS = "127.0.0.1"
FIRST_PORT = 17071
OTHER_PORTS = range(30000, 31000)
TRIES = 10


class RpcServer:
    """Listens from `start` to `stop`, on the first free one of `ports`. `base_url` ends in `/`, as the SDK requires."""

    def __init__(
        self, api: DurableHttpApi, times: ConnectionTimes | None = None, ports: Sequence[int] | None = None
    ) -> None:
        self._api = api
        self._ports = ports or [FIRST_PORT, *random.sample(OTHER_PORTS, TRIES)]
        handler = guarded(self._answer, api.max_body)
        self._listener = HttpPort(handler, body_limit=api.max_body, close_within=2.0, path=RPC_PATH, times=times)
        self._port: int | None = None

    @property
    def base_url(self) -> str:
        """The URL of the endpoint. Raises RuntimeError before `start`."""
        if self._port is None:
            raise RuntimeError("the RPC endpoint is not listening")
        return f"http://{ADDRESS}:{self._port}{RPC_PATH}/"

    async def start(self) -> str:
        """Start listening and return the base URL. Raises `PortError` if no port is free."""
        try:
            self._port = await _listen(self._listener, self._ports)
        except BaseException:
            await self._listener.close()
            raise
        _log.info("Opened local http RPC endpoint: %s", self.base_url)
        return self.base_url

    async def stop(self) -> None:
        """Close the listener and its connections. Idempotent."""
        self._port = None
        await self._listener.close()

    async def _answer(self, request: web.Request) -> web.Response:
        return await self._api.handle(request, raw_tail(request, RPC_PATH), "rpc")


async def _listen(listener: HttpPort, ports: Sequence[int]) -> int:
    last: OSError | None = None
    for port in ports:
        try:
            await listener.start_listening(ADDRESS, port)
        except OSError as error:
            last = error
            continue
        return port
    raise PortError(
        f"Failed to open local port for the RPC endpoint: {ports[0]} and {len(ports) - 1} others are taken.",
        cause=str(last),
        remedy='Free one of them, or set "localRpcEndpointEnabled": false if no Python client is used.',
        code="DH3002",
    )
