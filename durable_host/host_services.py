"""Builds the parts of the host from one configuration, starts them in order and stops them in the reverse.

Order: worker (indexing) → Azurite → task hub and RPC endpoint → web → queue listeners.
"""

import asyncio
import contextlib
import logging
import os
import signal
import sys
import time
from collections.abc import Awaitable, Mapping

from aiohttp import web

from durable_host import telemetry
from durable_host.bindings.accounts import Accounts
from durable_host.bindings.blob_signals import BlobSignals
from durable_host.bindings.durable_client import DurableClientInput
from durable_host.bindings.queue_signals import QueueSignals
from durable_host.clock import SystemClock
from durable_host.config import HostConfig, StartOptions, StartSummary, ports
from durable_host.config.connection import Connection
from durable_host.durable.taskhub.port import TaskHubUnavailable
from durable_host.host_azurite import OwnAzurite
from durable_host.host_bindings import binding_registry
from durable_host.host_durable import DurableServices
from durable_host.host_functions import AppFunctions, app_functions
from durable_host.host_hub import uses_sqlite
from durable_host.host_id import host_id_of
from durable_host.host_listeners import Listeners
from durable_host.host_starts import manual_starts
from durable_host.host_summary import described, function_lines, storage_text
from durable_host.host_triggers import AppTriggers, app_triggers, host_account
from durable_host.invocation.errors import AppError
from durable_host.invocation.invoker import Invoker
from durable_host.invocation.metadata import IndexResult
from durable_host.invocation.pool import WorkerPool
from durable_host.storage.azurite import AzuriteError, is_local_development
from durable_host.storage.errors import StorageFailed
from durable_host.triggers.http.cors import CorsPolicy
from durable_host.triggers.http.trigger import HttpTrigger
from durable_host.web.admin import AdminApi, HostState
from durable_host.web.app import DEFAULT_BODY_LIMIT, Front
from durable_host.web.home import home_page
from durable_host.web.manual import ManualInvocation

_log = logging.getLogger("Host.Startup")

WORKER_GRACE = 0.5
CLOSE_CONNECTIONS_WITHIN = 0.5


class Services:
    """Everything that runs in the host. `start` once, then `stop` once, however far `start` came.

    `indexing` is the start of `pool`, already under way.
    """

    def __init__(
        self, config: HostConfig, options: StartOptions, pool: WorkerPool, indexing: asyncio.Task[IndexResult]
    ) -> None:
        self._config = config
        self._options = options
        self._base_url = f"http://{_shown_host(config.address)}:{config.port}"
        telemetry.configure(config.settings)
        self._accounts = Accounts(config.settings)
        self._signals = QueueSignals()
        self._blob_signals = BlobSignals()
        self._triggers = AppTriggers()
        self._state = HostState(host_id=host_id_of(config.root, config.settings))
        self._functions = AppFunctions()
        self._index = IndexResult()
        self._pool = pool
        self._indexing = indexing
        self._azurite: OwnAzurite | None = None
        self._durable: DurableServices | None = None
        self._listeners = Listeners([])
        self._manual = ManualInvocation({})
        self._http: HttpTrigger | None = None
        self._web: web.AppRunner | None = None

    async def start(self, started_at: float) -> None:
        """Come up and tell the presenter. `started_at`: reading of `time.monotonic` when the program began.

        Raises HostError with what the user has to mend.
        """
        config = self._config
        self._index = await self._indexing
        if self._index.failure is not None:
            raise self._index.failure
        registry = binding_registry(
            self._accounts,
            self._signals,
            self._blob_signals,
            config.host.queues,
            DurableClientInput(self._client_payload),
        )
        self._functions = app_functions(self._index, config, registry.serves)
        if self._index.requires_grpc:
            raise _needs_grpc(self._index)
        self._report_problems()
        invoker = Invoker(
            self._pool,
            registry,
            default_retry=config.host.retry,
            function_timeout=config.host.function_timeout,
        )
        await self._ensure_storage()
        if self._functions.use_durable:
            await self._start_durable(invoker)
        self._triggers = app_triggers(
            self._functions, invoker, self._accounts, config, self._signals, self._blob_signals
        )
        await self._start_web(invoker)
        self._start_listeners()
        self._state.state = "Running"
        await self._announce(started_at)

    async def stop(self, grace: float) -> None:
        """End everything: first what brings work, then what does it, then what it needs. Never raises."""
        self._state.state = "Stopping"
        self._indexing.cancel()
        await asyncio.gather(self._indexing, return_exceptions=True)
        ending = [self._listeners.stop(grace), self._manual.drain(grace), self._drain_web(grace)]
        if self._durable is not None:
            ending.append(self._durable.stop(grace))
        await asyncio.gather(*(_safely(one) for one in ending))
        await _safely(self._pool.stop(WORKER_GRACE))
        if self._web is not None:
            await _safely(self._web.cleanup())
        if self._durable is not None:
            await _safely(self._durable.close())
        await _safely(self._accounts.close())
        if self._azurite is not None:
            await _safely(self._azurite.stop())

    async def _drain_web(self, grace: float) -> None:
        """Take no more connections and let running requests end."""
        if self._web is None:
            return
        for site in list(self._web.sites):
            await site.stop()
        if self._http is not None:
            await self._http.drain(grace)

    def kill(self) -> None:
        """End worker processes at once; for a user who does not want to wait. Azurite saves and ends by itself."""
        for pid in self._pool.pids:
            with contextlib.suppress(OSError):
                os.kill(pid, signal.SIGTERM if sys.platform == "win32" else signal.SIGKILL)
        if self._azurite is not None:
            self._azurite.stop_container()

    async def _ensure_storage(self) -> None:
        """Have Azurite answer when a function needs a development account."""
        names = set(self._functions.connection_names)
        if self._functions.use_durable and not uses_sqlite(self._config):
            names.add(self._config.host.durable.storage.connection_name)
        for name in sorted(names):
            await self._ensure_azurite(self._accounts.account(name).connection)
        account = host_account(self._accounts)
        if account is not None and self._functions.of_trigger("timertrigger"):
            try:
                await self._ensure_azurite(account.connection)
            except AzuriteError as error:
                _log.warning("Timers start without storage. %s %s", error, error.remedy or "")

    async def _ensure_azurite(self, connection: Connection) -> None:
        if is_local_development(connection) and self._azurite is None:
            self._azurite = OwnAzurite(
                connection, self._options.azurite, self._config.root, self._options.presenter.progress
            )
            await self._azurite.ensure()

    async def _start_durable(self, invoker: Invoker) -> None:
        self._durable = DurableServices(
            self._config, self._accounts, self._pool, invoker, self._functions.served, base_url=self._base_url
        )
        try:
            await self._durable.start()
        except TaskHubUnavailable as error:
            raise StorageFailed(
                f"The task hub '{self._config.host.durable.hub_name}' cannot be used.",
                cause=str(error),
                remedy="Check the storage account of the task hub and its connection setting.",
            ) from error

    async def _start_web(self, invoker: Invoker) -> None:
        config = self._config
        candidates = (*self._functions.of_trigger("httptrigger"), *self._functions.disabled_of_trigger("httptrigger"))
        http = self._http = HttpTrigger(candidates, invoker, config.host.http, explain=_explains_errors(config))
        self._functions = self._functions.with_errors(http.routes.errors)
        for name, problem in http.routes.errors.items():
            _log.error("The '%s' function is in error: %s", name, problem)
        self._manual = ManualInvocation(manual_starts(invoker, SystemClock(), self._accounts, config.settings))
        prefix = config.host.http.route_prefix
        admin = AdminApi(
            self._state,
            lambda: described(self._functions, config.root, self._base_url, prefix),
            self._manual,
            base_url=self._base_url,
            host_json=config.host.raw,
            processes=self._processes,
        )
        front = Front(
            http,
            admin,
            self._durable.api if self._durable is not None else None,
            blobs=self._triggers.webhook,
            home=self._home,
            cors=CorsPolicy(config.cors, config.cors_credentials) if config.cors else None,
            body_limit=_body_limit(config),
        )
        self._web = web.AppRunner(
            front.application(), access_log=None, handle_signals=False, shutdown_timeout=CLOSE_CONNECTIONS_WITHIN
        )
        await self._web.setup()
        try:
            await web.TCPSite(self._web, config.address, config.port, backlog=1024).start()
        except OSError as error:
            raise ports.port_error(config.address, config.port, error) from error

    def _start_listeners(self) -> None:
        self._listeners = Listeners(self._triggers.listeners)
        self._listeners.start()

    async def _announce(self, started_at: float) -> None:
        config, durable = self._config, self._durable
        ready = time.monotonic() - started_at
        storage = None
        if self._functions.connection_names or (durable is not None and not uses_sqlite(config)):
            storage = storage_text(self._accounts.account(None).connection)
        summary = StartSummary(
            base_url=self._base_url,
            functions=function_lines(self._functions, self._base_url, config.host.http.route_prefix),
            storage=storage,
            azurite_started=self._azurite is not None and self._azurite.was_started,
            task_hub=config.host.durable.hub_name if durable is not None else None,
            instances_in_flight=await durable.runtime.in_flight() if durable is not None else None,
            python_version=self._index.python_version,
            python_path=self._index.executable,
            sdk_versions=tuple(self._index.sdk_versions.items()),
            seconds_to_ready=ready,
        )
        self._options.presenter.started(summary)

    def _report_problems(self) -> None:
        for warning in self._index.warnings:
            _log.warning("%s", warning)
        for problem in self._functions.errors:
            _log.error("The '%s' function is in error: %s", problem.function, problem.message)
        for name, reason in self._functions.not_served.items():
            _log.warning("The function '%s' does not run here: %s", name, reason)
        if not self._functions.all and not self._functions.errors:
            _log.warning("No functions were found in %s.", self._config.root)

    def _client_payload(self, task_hub: str | None, connection: str | None) -> str:
        if self._durable is None:
            raise RuntimeError("Durable Functions do not run in this host")
        return self._durable.payload(task_hub, connection)

    def _home(self) -> str | None:
        if self._config.settings.get("AzureWebJobsDisableHomepage", "").lower() == "true":
            return None
        return home_page(function_lines(self._functions, self._base_url, self._config.host.http.route_prefix))

    def _processes(self) -> list[Mapping[str, object]]:
        workers = [{"processId": pid, "name": "python worker"} for pid in self._pool.pids]
        return [{"processId": os.getpid(), "name": "host"}, *workers]


async def _safely(work: Awaitable[object]) -> None:
    """One part that cannot be stopped in good order must not keep the next from being stopped."""
    try:
        await work
    except Exception:
        _log.exception("A part of the host did not stop in good order")


def _shown_host(address: str) -> str:
    if address in ("0.0.0.0", "127.0.0.1", "::", "::1"):
        return "localhost"
    return f"[{address}]" if ":" in address else address


def _explains_errors(config: HostConfig) -> bool:
    """A failing function's error goes into the 500 unless it is switched off, or others can reach this host."""
    setting = config.settings.get("DURABLE_HOST_ERROR_DETAILS", "").lower()
    if setting:
        return setting in ("1", "true")
    return config.address in ("127.0.0.1", "localhost", "::1")


def _body_limit(config: HostConfig) -> int:
    try:
        return int(config.settings.get("FUNCTIONS_REQUEST_BODY_SIZE_LIMIT", ""))
    except ValueError:
        return DEFAULT_BODY_LIMIT


def _needs_grpc(index: IndexResult) -> AppError:
    version = index.sdk_versions.get("azure-functions-durable", "2.x")
    return AppError(
        f"This app uses azure-functions-durable {version}, whose protocol this host does not speak.",
        cause="Its functions ask for the gRPC protocol of the 2.x SDK (durableRequiresGrpc).",
        remedy='Install the 1.x SDK into the app\'s environment: pip install "azure-functions-durable<2"',
        code="DH6010",
    )
