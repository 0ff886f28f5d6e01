"""The gRPC endpoint of a task hub: open while an app with the 2.x SDK is served, or if a port was requested.

gRPC is imported when the endpoint opens for the first time, so that other apps do not load it.
"""

from typing import TYPE_CHECKING

from durable_host.clock import Clock
from durable_host.config.durable import DurableOptions
from durable_host.durable.api import DurableClient
from durable_host.durable.api.other_hubs import HubFactory

if TYPE_CHECKING:
    from durable_host.durable.sidecar.grpc_server import SidecarListener
    from durable_host.durable.sidecar.hubs import SidecarHubs


class GrpcEndpoint:
    """The endpoint. `port` None: opens on a free port if `is_needed`; 0: never opens; other numbers: always opens."""

    def __init__(
        self, client: DurableClient, options: DurableOptions, clock: Clock, hub_for: HubFactory, port: int | None
    ) -> None:
        self.is_needed = False
        self._client = client
        self._options = options
        self._clock = clock
        self._hub_for = hub_for
        self._port = port
        self._listener: SidecarListener | None = None
        self._hubs: SidecarHubs | None = None

    @property
    def url(self) -> str | None:
        """The address for clients; None while the endpoint is closed."""
        return self._listener.url if self._listener is not None else None

    @property
    def is_due(self) -> bool:
        """Whether `open` would open the endpoint."""
        return self._listener is None and self._is_wanted

    @property
    def _is_wanted(self) -> bool:
        return self.is_needed if self._port is None else self._port != 0

    async def open(self) -> None:
        """Listen if the endpoint is wanted. Once open, it stays open. Raises PortError, GrpcMissing."""
        if not self.is_due:
            return
        from durable_host.durable.sidecar.grpc_server import SidecarListener
        from durable_host.durable.sidecar.hubs import SidecarHubs
        from durable_host.durable.sidecar.service import SidecarService

        hubs = SidecarHubs(self._client, self._options, self._hub_for)
        listener = SidecarListener(SidecarService(hubs, self._options, self._clock), self._port or 0)
        await listener.start()
        self._hubs, self._listener = hubs, listener

    async def close(self) -> None:
        """End all calls. Idempotent."""
        listener, self._listener = self._listener, None
        hubs, self._hubs = self._hubs, None
        if listener is not None:
            await listener.stop()
        if hubs is not None:
            await hubs.close()
