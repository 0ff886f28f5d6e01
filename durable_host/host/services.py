"""Builds the parts of the host from one configuration, starts them in order and stops them in the reverse.

Order: worker (indexing) → Azurite → task hub and RPC endpoint → web → listeners → file watch. Azurite comes first for
an app whose code may use it while it is imported.
"""

import asyncio
import logging
import os
import time
from collections.abc import Awaitable, Mapping

import msgspec

from durable_host import telemetry
from durable_host.bindings.accounts import Accounts
from durable_host.bindings.blob_signals import BlobSignals
from durable_host.bindings.queue_signals import QueueSignals
from durable_host.config import HostConfig, StartOptions
from durable_host.config.connection import Connection
from durable_host.config.connections import ConnectionMissing
from durable_host.host.app import AppParts, ServedApp, report_problems, served_app
from durable_host.host.control import Control
from durable_host.host.durable_part import DurablePart
from durable_host.host.hub import uses_sqlite
from durable_host.host.keys import key_ring
from durable_host.host.listeners import Listeners
from durable_host.host.reload import Reloader
from durable_host.host.storage import HostStorage
from durable_host.host.summary import described, function_lines, start_summary, storage_text
from durable_host.host.web import HostWeb, shown_host
from durable_host.host.worker import WORKER_STARTED
from durable_host.host_id import host_id_of
from durable_host.invocation.bindings import BindingRegistry
from durable_host.invocation.invoker import Invoker
from durable_host.invocation.metadata import IndexResult
from durable_host.invocation.pool import WorkerPool
from durable_host.invocation.workers import Workers
from durable_host.web.admin import AdminApi
from durable_host.web.admin_host import HostRoutes, HostState
from durable_host.web.app import DURABLE_KEY, Front
from durable_host.web.home import home_page
from durable_host.web.keys import Access, KeyRing, KeyRoutes
from durable_host.web.manual import ManualInvocation

_log = logging.getLogger("Host.Startup")
_worker_log = logging.getLogger("Host.Worker")

WORKER_GRACE = 0.5


class Services:
    """Everything that runs in the host. `start` once, then `stop` once, however far `start` came.

    `indexing` is the start of `pool`, already under way; None when `code_storage`, which the app's code may use while
    it is imported, has to answer first. `app` is what is served now; `take_over` replaces it.
    """

    def __init__(
        self,
        config: HostConfig,
        options: StartOptions,
        pool: WorkerPool,
        indexing: asyncio.Task[IndexResult] | None,
        code_storage: Connection | None = None,
    ) -> None:
        self.options = options
        self.pool = pool
        self.state = HostState(host_id=host_id_of(config.root, config.settings))
        self.invoker = Invoker(pool, BindingRegistry())
        self._config = config
        self._indexing = indexing
        self._code_storage = code_storage
        self._base_url = f"http://{shown_host(config.address)}:{config.port}"
        telemetry.configure(config.settings)
        self._accounts = Accounts(config.settings)
        self._parts = AppParts(
            invoker=self.invoker,
            accounts=self._accounts,
            signals=QueueSignals(),
            blob_signals=BlobSignals(),
            client_payload=self._client_payload,
            has_debugger=pool.has_debugger,
        )
        self._app: ServedApp | None = None
        self._storage = HostStorage(options, config.root)
        self.durable = DurablePart(pool, self.invoker, self._base_url, self._put_up_front)
        self._keys: KeyRing | None = None
        self._listeners = Listeners()
        self._manual = ManualInvocation()
        self._web: HostWeb | None = None
        self._control = Control(self)
        self._reloader = Reloader(self, config)

    @property
    def app(self) -> ServedApp:
        """What is served now; there is something once `start` has indexed the app."""
        assert self._app is not None
        return self._app

    @property
    def front(self) -> Front:
        assert self._web is not None
        return self._web.front

    @property
    def reloader(self) -> Reloader:
        return self._reloader

    async def start(self, started_at: float) -> None:
        """Come up and tell the presenter. `started_at`: reading of `time.monotonic` when the program began.

        Raises HostError with what the user has to mend.
        """
        if self._code_storage is not None:
            await self._storage.ensure_for_code(self._code_storage)
        if self._indexing is None:
            self._indexing = asyncio.create_task(self.pool.start())
        index = await self._indexing
        if index.failure is not None:
            raise index.failure
        app = served_app(self._parts, self._config, index)
        report_problems(app)
        await self._storage.ensure_for(app)
        self._keys = key_ring(self._config, self._accounts, is_storage_up=self._storage.is_ensured)
        self._web = self._make_web(self._keys)
        self.take_over(app)
        self.state.state = "Running"
        self._control.check_offline()
        await self.serve_durable()
        await self._web.open()
        self.listen()
        await self._announce(started_at)
        _worker_log.info(WORKER_STARTED)
        self._reloader.start()

    async def stop(self, grace: float) -> None:
        """End everything: first what brings work, then what does it, then what it needs. Never raises."""
        self.state.state = "Stopping"
        if self._indexing is not None:
            self._indexing.cancel()
            await asyncio.gather(self._indexing, return_exceptions=True)
        await _safely(self._reloader.stop())
        await _safely(self._control.stop())
        ending = [self._listeners.stop(grace), self._manual.drain(grace), self.durable.pause(grace)]
        if self._web is not None:
            ending.append(self._web.drain(grace))
        await asyncio.gather(*(_safely(one) for one in ending))
        await _safely(self.pool.stop(WORKER_GRACE))
        if self._web is not None:
            await _safely(self._web.close())
        await _safely(self.durable.close())
        await _safely(self._accounts.close())
        await _safely(self._storage.stop())

    def kill(self) -> None:
        """End worker processes, and what user code has started in them, at once."""
        self.pool.kill()
        self._storage.kill()

    async def prepare(self, config: HostConfig, index: IndexResult) -> ServedApp:
        """The app as `take_over` wants it, with its storage up. Raises HostError."""
        app = served_app(self._parts, config, index)
        await self._storage.ensure_for(app)
        return app

    def take_over(self, app: ServedApp, workers: Workers | None = None) -> None:
        """Serve `app` from now on, run by `workers` (None: by the current ones). All at once: nothing is awaited, so
        that no request meets one part of the old app and another of the new one.
        """
        if workers is not None:
            self.pool.adopt(workers)
        self.invoker.adopt(app.pipeline)
        self._manual.adopt(app.starts)
        self.durable.adopt(app)
        self._app = app
        self._put_up_front()

    async def serve_durable(self) -> None:
        """Start or end Durable Functions as the app wants it. Raises StorageFailed."""
        wanted = self.app.functions.use_durable and self._control.takes_events
        if not wanted:
            await self.durable.end()
            return
        key = await self._keys.system_key(DURABLE_KEY) if self.options.enable_auth and self._keys else None
        await self.durable.serve(self.app, key)

    def check_offline(self) -> None:
        """Look whether the file is there that takes the app off line."""
        self._control.check_offline()

    def listen(self) -> None:
        """Have exactly the listeners of the app run; none while the host takes no events."""
        self._listeners.replace(self.app.triggers.listeners if self._control.takes_events else ())

    def _make_web(self, keys: KeyRing) -> HostWeb:
        config = self._config
        host = HostRoutes(
            self.state,
            self._control,
            root=str(config.root),
            host_json=lambda: self.app.config.host.raw,
            processes=self._processes,
        )
        admin = AdminApi(
            host,
            lambda: described(self.app.functions, config.root, self._base_url, self._prefix),
            self._manual,
            KeyRoutes(keys, self._base_url),
            base_url=self._base_url,
        )
        return HostWeb(config, admin, self._home, Access(keys) if self.options.enable_auth else None)

    def _put_up_front(self) -> None:
        durable = self.durable.services
        self.front.adopt(self.app.http, durable.api if durable is not None else None, self.app.triggers.webhook)

    def _storage_line(self) -> str | None:
        """The account of AzureWebJobsStorage; None for an app whose bindings all name another connection."""
        try:
            return storage_text(self._accounts.account(None).connection)
        except ConnectionMissing:
            return None

    async def _announce(self, started_at: float) -> None:
        durable, is_on_storage = self.durable.services, bool(self.app.functions.connection_names)
        ready = time.monotonic() - started_at
        if durable is not None and not uses_sqlite(self._config):
            is_on_storage = True
        summary = start_summary(self.app, self._base_url)
        self.options.presenter.started(
            msgspec.structs.replace(
                summary,
                storage=self._storage_line() if is_on_storage else None,
                azurite_started=self._storage.was_started,
                task_hub=self._config.host.durable.hub_name if durable is not None else None,
                instances_in_flight=await durable.runtime.in_flight() if durable is not None else None,
                seconds_to_ready=ready,
            )
        )

    @property
    def _prefix(self) -> str:
        return self.app.config.host.http.route_prefix

    async def _client_payload(self, task_hub: str | None, connection: str | None) -> str:
        return await self.durable.payload(task_hub, connection, may_come=self._control.takes_events)

    def _home(self) -> str | None:
        if self.app.config.settings.get("AzureWebJobsDisableHomepage", "").lower() == "true":
            return None
        return home_page(function_lines(self.app.functions, self._base_url, self._prefix))

    def _processes(self) -> list[Mapping[str, object]]:
        workers = [{"processId": pid, "name": "python worker"} for pid in self.pool.pids]
        return [{"processId": os.getpid(), "name": "host"}, *workers]


async def _safely(work: Awaitable[object]) -> None:
    """One part that cannot be stopped in good order must not keep the next from being stopped."""
    try:
        await work
    except Exception:
        _log.exception("A part of the host did not stop in good order")
