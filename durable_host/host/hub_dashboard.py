"""Serves the dashboard of one task hub, without an app: `func durable dashboard`."""

import asyncio
import time
from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack

from durable_host import ports
from durable_host.bindings.accounts import Accounts
from durable_host.dashboard.dashboard_routes import Dashboard
from durable_host.dashboard.sources import DashboardSources, HubSource
from durable_host.errors import HostError
from durable_host.http_port import HttpPort, guarded
from durable_host.http_port.body_limit import DEFAULT_BODY_LIMIT
from durable_host.web.front import DASHBOARD_PATH

ADDRESS = "127.0.0.1"
_CLOSE_WITHIN = 0.5


class HubDashboard:
    """Implements `HostServices`. `open_hub` opens the hub until the end; `ready` is called with the URL.

    The address is always that of this machine. Without `allow_actions`, nothing is written to the hub.
    """

    def __init__(
        self,
        open_hub: Callable[[], AbstractAsyncContextManager[HubSource]],
        accounts: Accounts,
        ready: Callable[[str], None],
        *,
        port: int,
        allow_actions: bool,
    ) -> None:
        self._open_hub = open_hub
        self._accounts = accounts
        self._ready = ready
        self._number = port
        self._is_read_only = not allow_actions
        self._opened = AsyncExitStack()

    async def start(self, started_at: float) -> None:
        """Open the hub, then listen. Raises HostError."""
        hub = await self._opened.enter_async_context(self._open_hub())
        dashboard = Dashboard(
            DashboardSources(
                hub=lambda: hub,
                app=None,
                accounts=lambda: self._accounts,
                is_read_only=self._is_read_only,
                started=time.monotonic(),
            )
        )
        self._opened.push_async_callback(dashboard.close)
        port = HttpPort(
            guarded(dashboard.handle, DEFAULT_BODY_LIMIT), body_limit=DEFAULT_BODY_LIMIT, close_within=_CLOSE_WITHIN,
            path=DASHBOARD_PATH,
        )  # fmt: skip
        with ports.reserved(ADDRESS) as free:
            number = self._number or free
            try:
                await port.start_listening(ADDRESS, number)
            except OSError as error:
                raise ports.port_error(ADDRESS, number, error) from error
        self._opened.push_async_callback(port.close)
        self._ready(f"http://localhost:{number}{DASHBOARD_PATH}/")

    async def failure(self) -> HostError:
        """Never returns: a hub that does not answer is shown on the page."""
        return await asyncio.get_running_loop().create_future()

    async def stop(self, grace: float) -> None:
        """End all streams and connections, and close the hub."""
        await self._opened.aclose()

    def running_functions(self) -> Mapping[str, bool]:
        """None: there is no app."""
        return {}

    def kill(self) -> None:
        """Nothing outlives this process."""
