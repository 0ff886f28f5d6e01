"""Builds the parts of the host from one configuration, starts them in order and stops them in reverse order.

Order: worker (indexing) → Azurite → task hub and RPC endpoint → web → listeners → file watch. If the app's code may
use Azurite when it is imported, Azurite comes first.
"""

import asyncio
import logging
import os
import time
from collections.abc import Awaitable, Mapping
from typing import TYPE_CHECKING

import msgspec

from durable_host import telemetry
from durable_host.config import HostConfig, StartOptions
from durable_host.config.connection import Connection
from durable_host.config.connections import ConnectionMissing
from durable_host.config.effective import effective_options
from durable_host.errors import HostError
from durable_host.host.app_switch import AppSwitch
from durable_host.host.control import Control
from durable_host.host.hub_opening import uses_sqlite
from durable_host.host.keys import key_ring
from durable_host.host.launch import LAUNCH
from durable_host.host.lazy_dashboard import LazyDashboard
from durable_host.host.reload import Reloader
from durable_host.host.summary import described, function_lines, mcp_url, start_summary, storage_text
from durable_host.host.web import HostWeb
from durable_host.host.worker_start import WORKER_STARTED
from durable_host.host_id import host_id_of
from durable_host.invocation.metadata import IndexResult
from durable_host.invocation.pool import WorkerPool
from durable_host.web.admin import AdminApi
from durable_host.web.admin_host import HostRoutes, HostState
from durable_host.web.home import home_page
from durable_host.web.keys import Access, KeyRing, KeyRoutes

if TYPE_CHECKING:
    from durable_host.chaos.chaos import Chaos

_log = logging.getLogger("Host.Startup")
_worker_log = logging.getLogger("Host.Worker")

WORKER_GRACE = 0.5


class Services:
    """Everything that runs in the host. Call `start` once, then `stop` once, even if `start` failed.

    `indexing` is the running start of `pool`; None if `code_storage`, which the app's code may use when it is
    imported, must answer first. `chaos` injects faults while the app is served.
    """

    def __init__(
        self,
        config: HostConfig,
        options: StartOptions,
        pool: WorkerPool,
        indexing: asyncio.Task[IndexResult] | None,
        code_storage: Connection | None = None,
        chaos: "Chaos | None" = None,
    ) -> None:
        telemetry.configure(config.settings)
        self._config = config
        self._options = options
        self._pool = pool
        self._indexing = indexing
        self._code_storage = code_storage
        self._chaos = chaos
        if chaos is not None:
            pool.kills = chaos.kills
        self._state = HostState(host_id=host_id_of(config.root, config.settings))
        self._failure: HostError | None = None
        self._has_failed = asyncio.Event()
        launch = LAUNCH.get()
        self._server = AppSwitch(config, options, pool, self._fail, chaos, launch)
        self._launch = launch
        self._companion: asyncio.Task[None] | None = None
        self._reloader = Reloader(self._server, config)
        self._control = Control(self._server, self._state, self._reloader.request)
        self._dashboard = LazyDashboard(self._server, config) if options.dashboard else None
        self._web: HostWeb | None = None

    async def start(self, started_at: float) -> None:
        """Start everything and report to the presenter. `started_at`: `time.monotonic` when the program began.

        Raises HostError.
        """
        server = self._server
        if self._code_storage is not None:
            await server.storage.ensure_for_code(self._code_storage)
        if self._indexing is None:
            self._indexing = asyncio.create_task(self._pool.start())
        index = await self._indexing
        if index.failure is not None:
            raise index.failure
        app = await server.prepare(self._config, index)
        server.keys = key_ring(self._config, server.accounts, is_storage_up=server.storage.is_ensured)
        self._web = self._make_web(server.keys)
        server.front = self._web.front
        server.switch_to(app)
        self._state.state = "Running"
        self._control.check_offline()
        await server.update_durable()
        await server.make_keys()
        await self._web.open()
        server.update_listeners()
        await self._announce(started_at)
        _worker_log.info(WORKER_STARTED)
        if self._chaos is not None:
            self._chaos.begin()
        self._reloader.start(self._control.check_offline, self._control.show_state)
        if self._launch.companion is not None:
            self._companion = asyncio.create_task(self._launch.companion(server), name="companion of the host")
            self._companion.add_done_callback(self._companion_ended)

    async def failure(self) -> HostError:
        """Wait until an essential part has ended permanently, and return the reason."""
        await self._has_failed.wait()
        assert self._failure is not None
        return self._failure

    def _companion_ended(self, companion: asyncio.Task[None]) -> None:
        if companion.cancelled() or (error := companion.exception()) is None:
            return
        if not isinstance(error, HostError):
            error = HostError("The companion of the host has failed.", cause=f"{type(error).__name__}: {error}")
        self._fail(error)

    def _fail(self, error: HostError) -> None:
        if self._failure is None:
            self._failure = error
            self._state.state = "Error"
            self._has_failed.set()

    async def stop(self, grace: float) -> None:
        """Stop everything: first the sources of work, then what does it, then what that depends on. Never raises."""
        server = self._server
        self._state.state = "Stopping"
        if self._chaos is not None:
            await _safely(self._chaos.end())
        if self._indexing is not None:
            self._indexing.cancel()
            await asyncio.gather(self._indexing, return_exceptions=True)
        if self._companion is not None:
            self._companion.cancel()
            await asyncio.gather(self._companion, return_exceptions=True)
        await _safely(self._reloader.stop())
        await _safely(self._control.stop())
        if self._dashboard is not None:
            await _safely(self._dashboard.stop())
        ending = [server.listeners.stop(grace), server.manual.drain(grace), server.mcp.drain(grace)]
        ending.append(server.durable.pause(grace))
        if self._web is not None:
            ending.append(self._web.drain(grace))
        await asyncio.gather(*(_safely(one) for one in ending))
        await _safely(self._pool.stop(WORKER_GRACE))
        if self._web is not None:
            await _safely(self._web.close())
        await _safely(server.durable.close())
        await _safely(server.accounts.close())
        await _safely(server.storage.stop())

    def running_functions(self) -> Mapping[str, bool]:
        """The functions that run. True: in a thread of a Python worker, which ends later than calls of other kinds."""
        running = self._pool.running_functions()
        if not running or self._pool.kind.runtime != "python":
            return dict.fromkeys(running, False)
        in_threads = {function.name for function in self._server.app.functions.all if not function.is_async}
        return {name: name in in_threads for name in running}

    def kill(self) -> None:
        """Kill the worker processes and the processes that user code has started in them."""
        self._pool.kill()
        self._server.storage.kill()

    def _make_web(self, keys: KeyRing) -> HostWeb:
        config, server = self._config, self._server
        host = HostRoutes(
            self._state,
            self._control,
            root=str(config.root),
            effective=lambda: effective_options(server.app.config.host),
            bundle=lambda: server.app.config.host.raw.get("extensionBundle"),
            processes=self._processes,
            set_aside=server.durable.set_aside,
        )
        admin = AdminApi(
            host,
            lambda base_url: described(server.app.functions, config.root, base_url, self._prefix, config.runtime),
            server.manual,
            KeyRoutes(keys),
        )
        access = Access(keys) if self._options.enable_auth else None
        dashboard = self._dashboard.handle if self._dashboard is not None else None
        return HostWeb(config, admin, self._home, access, dashboard)

    def _storage_line(self) -> str | None:
        """The account of AzureWebJobsStorage; None if all bindings of the app use other connections."""
        try:
            return storage_text(self._server.accounts.account(None).connection)
        except ConnectionMissing:
            return None

    async def _announce(self, started_at: float) -> None:
        server, durable = self._server, self._server.durable.services
        ready = time.monotonic() - started_at
        if self._options.grpc_port and durable is None:
            _log.warning("--grpc-port has no effect: the app has no durable functions.")
        is_on_storage = bool(server.app.functions.connection_names)
        if durable is not None and not uses_sqlite(self._config):
            is_on_storage = True
        summary = start_summary(server.app, server.base_url)
        self._options.presenter.started(
            msgspec.structs.replace(
                summary,
                storage=self._storage_line() if is_on_storage else None,
                azurite_started=server.storage.was_started,
                task_hub=self._config.host.durable.hub_name if durable is not None else None,
                grpc_url=durable.grpc_url if durable is not None else None,
                instances_in_flight=await durable.runtime.in_flight() if durable is not None else None,
                dashboard_url=self._dashboard.url if self._dashboard is not None else None,
                chaos=None if self._chaos is None else str(self._chaos),
                seconds_to_ready=ready,
            )
        )

    @property
    def _prefix(self) -> str:
        return self._server.app.config.host.http.route_prefix

    def _home(self, lists_functions: bool) -> str | None:
        app = self._server.app
        if app.config.settings.get("AzureWebJobsDisableHomepage", "").lower() == "true":
            return None
        if not lists_functions:
            return home_page(None)
        base_url = self._server.base_url
        return home_page(function_lines(app.functions, base_url, self._prefix), mcp_url(app, base_url))

    def _processes(self) -> list[Mapping[str, object]]:
        return [
            _process(os.getpid(), "func"),
            *(_process(pid, self._pool.kind.runtime, self._pool.kind.debug_engine) for pid in self._pool.pids),
        ]


def _process(pid: int, name: str, engine: str = "python") -> Mapping[str, object]:
    """A process in the format for tools that attach a debugger."""
    return {"processId": pid, "processName": name, "debugEngine": engine, "isEligibleForOpenInBrowser": False}


async def _safely(work: Awaitable[object]) -> None:
    """Log an error instead of raising it, so that the other parts are stopped too."""
    try:
        await work
    except Exception:
        _log.exception("A part of the host did not stop cleanly")
