"""The host's web endpoint."""

from collections.abc import Callable

from durable_host import ports
from durable_host.config import HostConfig
from durable_host.durable.api.http import DurableHttpApi
from durable_host.host.served_app import ServedApp
from durable_host.http_port import HttpPort, body_limit
from durable_host.triggers.http.cors import CorsPolicy
from durable_host.triggers.mcp.webhook import McpWebhook
from durable_host.web.admin import AdminApi
from durable_host.web.front import Front, Handler
from durable_host.web.keys import Access

CLOSE_CONNECTIONS_WITHIN = 0.5
STREAMS_END_WITHIN = 0.5


class HostWeb:
    """Listens from `open` to `drain`, and answers running requests until `close`.

    Raises ConfigurationError if the body limit is not a number.
    """

    def __init__(
        self,
        config: HostConfig,
        admin: AdminApi,
        home: Callable[[bool], str | None],
        access: Access | None,
        dashboard: Handler | None = None,
    ) -> None:
        self._config = config
        limit = body_limit(config.settings)
        self.front = Front(
            admin,
            home=home,
            cors=CorsPolicy(config.cors, config.cors_credentials) if config.cors else None,
            access=access,
            dashboard=dashboard,
            body_limit=limit,
        )
        self._port = HttpPort(
            self.front.handle, body_limit=limit, close_within=CLOSE_CONNECTIONS_WITHIN, express=self.front.express
        )

    async def open(self) -> None:
        """Raises PortError."""
        config = self._config
        try:
            await self._port.start_listening(config.address, config.port)
        except OSError as error:
            raise ports.port_error(config.address, config.port, error) from error

    async def drain(self, grace: float) -> None:
        """Accept no more connections and let running requests end; cancel streams that run after `grace` seconds."""
        if self._port.is_listening:
            self._port.stop_listening()
            await self.front.drain(grace)
            self._port.give_up_streams("The host stops.")
            await self.front.drain(STREAMS_END_WITHIN)

    async def close(self) -> None:
        """End all connections."""
        await self._port.close()


def route_to(app: ServedApp, front: Front, durable: DurableHttpApi | None, mcp: McpWebhook) -> None:
    """Route new requests to the functions of this state of the app."""
    front.adopt(
        app.http,
        durable,
        app.triggers.webhook,
        event_grid=app.triggers.event_grid,
        absent=app.absent_http,
        mcp=None if app.functions.mcp.is_empty else mcp,
    )


def shown_host(address: str) -> str:
    """An address as shown in URLs for people."""
    if address in ("0.0.0.0", "127.0.0.1", "::", "::1"):
        return "localhost"
    return f"[{address}]" if ":" in address else address
