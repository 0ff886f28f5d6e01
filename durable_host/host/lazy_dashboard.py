"""The dashboard of a running host. It is imported and built when the first request for it arrives."""

import asyncio
import logging
import time
from typing import TYPE_CHECKING

from aiohttp import web

from durable_host.config import HostConfig
from durable_host.host.app_switch import AppSwitch
from durable_host.host.durable_services import DurableServices
from durable_host.host.hub_opening import sqlite_path, uses_sqlite
from durable_host.host.summary import described, storage_text
from durable_host.host.threaded_imports import import_in_turn
from durable_host.invocation.instance_log import InstanceLog
from durable_host.web.front import DASHBOARD_PATH
from durable_host.web.function_json import DescribedFunction

if TYPE_CHECKING:
    from durable_host.dashboard.dashboard_routes import Dashboard
    from durable_host.dashboard.sources import DashboardSources, HubSource

_log = logging.getLogger("Host.Dashboard")


class LazyDashboard:
    """Answers the requests below `/_df` until `stop`."""

    def __init__(self, server: AppSwitch, config: HostConfig) -> None:
        self._server = server
        self._config = config
        self._started = time.monotonic()
        self._log = InstanceLog(time.time())
        logging.getLogger().addHandler(self._log)
        self._dashboard: Dashboard | None = None
        self._building = asyncio.Lock()
        self._is_stopped = False

    @property
    def url(self) -> str:
        return self._server.base_url + DASHBOARD_PATH

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Respond to a request for `/_df` or below."""
        if self._is_stopped:
            return web.Response(status=503)
        async with self._building:
            if self._dashboard is None:
                self._dashboard = await asyncio.to_thread(self._built)
        return await self._dashboard.handle(request)

    async def stop(self) -> None:
        """End the streams of open pages."""
        self._is_stopped = True
        logging.getLogger().removeHandler(self._log)
        if self._dashboard is not None:
            await self._dashboard.close()

    def _built(self) -> "Dashboard":
        import_in_turn("durable_host.dashboard.dashboard_routes")
        from durable_host.dashboard.dashboard_routes import Dashboard

        return Dashboard(self._sources())

    def _sources(self) -> "DashboardSources":
        from durable_host.dashboard.sources import AppSource, DashboardSources

        server, root = self._server, self._config.root

        def functions(base_url: str) -> list[DescribedFunction]:
            prefix = server.app.config.host.http.route_prefix
            return described(server.app.functions, root, base_url, prefix, self._config.runtime)

        app = AppSource(
            folder=root,
            language=self._config.runtime,
            config=lambda: server.app.config,
            functions=functions,
            invoker=server.invoker,
            manual=server.manual,
            notify=server.signals.notify,
        )
        return DashboardSources(
            hub=self._hub,
            app=app,
            accounts=lambda: server.app.accounts,
            is_read_only=False,
            started=self._started,
            log=self._log,
        )

    def _hub(self) -> "HubSource | None":
        services = self._server.durable.services
        return None if services is None else hub_source(services)


def hub_source(services: DurableServices) -> "HubSource":
    """The hub that this host serves. A reload keeps it, even if the app's settings now name another one."""
    from durable_host.dashboard.sources import HubSource

    config, options = services.config, services.config.host.durable
    if uses_sqlite(config):
        place, account, is_development = str(sqlite_path(config, options.hub_name)), None, True
    else:
        account = services.accounts.account(options.storage.connection_name)
        place, is_development = storage_text(account.connection), account.connection.is_development
    return HubSource(
        storage="azure" if account is not None else "sqlite",
        account=place,
        is_development=is_development,
        client=services.client,
        options=options,
        runtime=services.runtime,
        live=services.runtime.live,
        code=services.code,
        queues=account,
    )
