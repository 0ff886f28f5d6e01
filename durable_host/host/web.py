"""The host's web endpoint: what is behind it, and when it listens."""

import asyncio
from collections.abc import Callable

from aiohttp import web

from durable_host.config import HostConfig, ports
from durable_host.errors import ConfigurationError
from durable_host.triggers.http.cors import CorsPolicy
from durable_host.web.admin import AdminApi
from durable_host.web.app import DEFAULT_BODY_LIMIT, Front
from durable_host.web.connection import Connection
from durable_host.web.keys import Access

CLOSE_CONNECTIONS_WITHIN = 0.5
BODY_LIMIT_SETTING = "FUNCTIONS_REQUEST_BODY_SIZE_LIMIT"
LONGEST_HEADER = 32_768
"""Of a request: as much as Azure's web server takes for all of them."""


class HostWeb:
    """Listens from `open` to `drain`; answers running requests until `close`. Raises ConfigurationError for a limit of
    bodies that is none.
    """

    def __init__(
        self, config: HostConfig, admin: AdminApi, home: Callable[[], str | None], access: Access | None
    ) -> None:
        self._config = config
        self.front = Front(
            admin,
            home=home,
            cors=CorsPolicy(config.cors, config.cors_credentials) if config.cors else None,
            access=access,
            body_limit=_body_limit(config),
        )
        self._runner: web.AppRunner | None = None
        self._listener: asyncio.Server | None = None

    async def open(self) -> None:
        """Raises PortError."""
        config = self._config
        self._runner = web.AppRunner(
            self.front.application(), handle_signals=False, shutdown_timeout=CLOSE_CONNECTIONS_WITHIN
        )
        await self._runner.setup()
        loop = asyncio.get_running_loop()
        server = self._runner.server
        assert server is not None

        def connection() -> Connection:
            return Connection(server, loop=loop, access_log=None, auto_decompress=False, max_field_size=LONGEST_HEADER)

        try:
            self._listener = await loop.create_server(connection, config.address, config.port, backlog=1024)
        except OSError as error:
            raise ports.port_error(config.address, config.port, error) from error

    async def drain(self, grace: float) -> None:
        """Take no more connections and let running requests end."""
        if self._listener is not None:
            self._listener.close()
            await self.front.drain(grace)

    async def close(self) -> None:
        """End all connections."""
        if self._listener is not None:
            self._listener.close()
        if self._runner is not None:
            await self._runner.cleanup()


def shown_host(address: str) -> str:
    """An address as it stands in URLs for people."""
    if address in ("0.0.0.0", "127.0.0.1", "::", "::1"):
        return "localhost"
    return f"[{address}]" if ":" in address else address


def _body_limit(config: HostConfig) -> int:
    text = config.settings.get(BODY_LIMIT_SETTING, "").strip()
    if not text:
        return DEFAULT_BODY_LIMIT
    if not text.isdecimal() or int(text) < 1:
        raise ConfigurationError(
            f"{BODY_LIMIT_SETTING} is '{text}', expected a number of bytes.",
            remedy=f"Change it in local.settings.json or in the environment; {DEFAULT_BODY_LIMIT} is the default.",
        )
    return int(text)
