"""Runs a loaded app in virtual time: task hub and storage in memory, triggers and durable runtime."""

import asyncio
import logging
from collections.abc import Callable, Generator
from contextlib import AbstractAsyncContextManager, AsyncExitStack, contextmanager, nullcontext
from datetime import datetime

import aiohttp

from durable_host.bindings.accounts import Accounts
from durable_host.bindings.blob_signals import BlobSignals
from durable_host.bindings.queue_signals import QueueSignals
from durable_host.dashboard.sources import HubSource
from durable_host.durable.api import DurableClient
from durable_host.durable.taskhub.port import TaskHub
from durable_host.durable.taskhub.sqlite import SqliteTaskHub
from durable_host.host.durable_services import DurableServices
from durable_host.host.listeners import Listeners
from durable_host.host.served_app import AppParts, ServedApp, report_problems, served_app
from durable_host.invocation.bindings import BindingRegistry
from durable_host.invocation.invoker import Invoker
from durable_host.invocation.metadata import FunctionMetadata
from durable_host.testing.bounded_code import BoundedCode, with_bound
from durable_host.testing.chaos.chaos_run import active_run
from durable_host.testing.chaos.chaos_stage import ChaosStage
from durable_host.testing.doubles import Doubles, double_names, functions_with_doubles, language_of
from durable_host.testing.http_calls import RecordedHttpCalls
from durable_host.testing.indexed_app import IndexedApp
from durable_host.testing.kit_patience import MOMENT
from durable_host.testing.loop_thread import in_callback
from durable_host.testing.memory_storage.memory_storage import MemoryStorage
from durable_host.testing.running_calls import RunningCalls
from durable_host.testing.stand_ins import with_stand_ins
from durable_host.testing.virtual_clock import VirtualClock
from durable_host.testing.web_in_memory import WebInMemory
from durable_host.testing.work_bound import EndlessWork, WorkBound

_log = logging.getLogger("Host.Startup")

BASE_URL = "http://localhost:7071"
_GRACE = 1.0
_LOOKS_EVERY = 0.001


class WorkerClock(VirtualClock):
    """Virtual time that stands still while a function runs, or its bindings are read or written."""

    def __init__(self, start: datetime, is_busy: Callable[[], bool]) -> None:
        super().__init__(start)
        self._is_busy = is_busy
        self.bound = WorkBound(self)

    async def settle(self) -> None:
        """Wait until nothing is left to do at the current time. Raises EndlessWork."""
        await super().settle()
        while self._is_busy():
            await asyncio.sleep(_LOOKS_EVERY)
            await super().settle()
        self.bound.at_rest(self.next_due)


class AppInMemory:
    """One run of a loaded app, with its own task hub, storage and time. Start and stop it in the same event loop."""

    def __init__(self, indexed: IndexedApp, start: datetime, calls: RunningCalls, streams: Callable[[], int]) -> None:
        self._streams = streams
        self._calls = calls
        self.config = self._config = indexed.config
        self._server = indexed.server
        self._index = indexed.index
        self._rpc_ports = indexed.rpc_ports()
        self._pool = indexed.pool
        self.clock = WorkerClock(start, self._is_busy)
        self.storage = MemoryStorage(self.clock, indexed.ports)
        self._keeps_accounts = indexed.keeps_accounts
        if self._keeps_accounts:
            self._accounts = self.accounts_of_test = Accounts(self._config.settings)
        else:
            self._accounts = Accounts(self._config.settings, open_account=self.storage.client)
            self.accounts_of_test = Accounts(self._config.settings, open_account=self.storage.client_of_test)
        self._invoker = Invoker(self._pool, BindingRegistry(), clock=self.clock)
        self._app: ServedApp | None = None
        self._durable: DurableServices | None = None
        self._doubles: Doubles | None = None
        self._session: aiohttp.ClientSession | None = None
        self._chaos: ChaosStage | None = None
        self._patience: float | None = None
        self.web = WebInMemory(self._config, self._pool, self._invoker, BASE_URL)
        self._ending = AsyncExitStack()
        self._ending.callback(self.clock.bound.log_again)
        self._ending.push_async_callback(self._accounts.close)
        self._ending.push_async_callback(self.web.close)

    @classmethod
    async def start(
        cls, indexed: IndexedApp, start: datetime, calls: RunningCalls, streams: Callable[[], int]
    ) -> "AppInMemory":
        """Run the durable functions and the triggers of the app, from the virtual time `start`.

        `calls` notes what runs. `streams` is the number of calls that write responses which the test reads piece by
        piece: nobody waits for them. Raises HostError.
        """
        app = cls(indexed, start, calls, streams)
        try:
            await app._start()
        except BaseException:
            await app.stop()
            raise
        return app

    async def stop(self) -> None:
        await self._ending.aclose()

    @property
    def doubles(self) -> Doubles:
        assert self._doubles is not None
        return self._doubles

    async def http_session(self) -> aiohttp.ClientSession:
        """A session whose requests all go to this app."""
        if self._session is None:
            self._session = self.web.session()
            self._ending.push_async_callback(self._session.close)
        return self._session

    @property
    def accounts(self) -> Accounts:
        """The storage accounts of the app's connections."""
        assert self._app is not None
        return self._app.accounts

    @property
    def client(self) -> DurableClient:
        assert self._durable is not None
        return self._durable.client

    @property
    def source(self) -> HubSource:
        """The task hub for views."""
        assert self._durable is not None
        durable = self._durable
        return HubSource(
            storage="sqlite",
            account=":memory:",
            is_development=True,
            client=durable.client,
            options=self._config.host.durable,
            runtime=durable.runtime,
            live=durable.runtime.live,
            code=durable.code,
        )

    @property
    def served(self) -> ServedApp:
        assert self._app is not None
        return self._app

    async def settle(self) -> None:
        """Wait until nothing is left to do now, except in a function of the test that the app itself waits for.

        Raises EndlessWork.
        """
        if not in_callback.get():
            await self.clock.settle()

    async def settle_to_read(self) -> None:
        """Like `settle`, for a step that changes nothing.

        After an EndlessWork or a StillBusy, it is possible without another one.
        """
        if self._calls.never_end:
            return
        is_known = self.clock.bound.is_reported
        try:
            async with asyncio.timeout(self._patience):
                await self.settle()
        except TimeoutError:
            if self._patience is None:
                raise
            self._patience = 0.0
        except EndlessWork:
            if not is_known:
                raise

    def limit(self, what: str) -> AbstractAsyncContextManager[None]:
        """Nothing to do: what a test waits for has the limit of its `RunningCalls`."""
        return nullcontext()

    @contextmanager
    def reads_at_once(self) -> Generator[None, None, None]:
        """In this block, `settle_to_read` waits for a function only a moment, and only once."""
        self._patience = MOMENT
        try:
            yield
        finally:
            self._patience = None

    def begin_step(self) -> None:
        """The test does something with the app, not the app with a function of the test."""
        if not in_callback.get():
            self.clock.bound.begin_step()

    def _is_busy(self) -> bool:
        if self._chaos is not None and self._chaos.is_busy:
            return True
        streams = self._streams()
        has_calls = self._pool.is_busy and (not streams or self._pool.running_calls > streams)
        return has_calls or self._invoker.running > streams

    async def _start(self) -> None:
        for warning in self._config.warnings:
            _log.warning("%s", warning)
        index = self._index
        parts = AppParts(
            invoker=self._invoker,
            accounts=self._accounts,
            signals=QueueSignals() if self._keeps_accounts else self.storage.queue_signals,
            blob_signals=BlobSignals() if self._keeps_accounts else self.storage.blob_signals,
            client_payload=self._client_payload,
            base_url=BASE_URL,
            clock=self.clock,
        )
        app = self._app = served_app(parts, self._config, index)
        report_problems(app)
        language = language_of(self._config.runtime, index.sdk_versions)
        doubles = self._doubles = Doubles(double_names(self._functions_of(app)), language)
        pipeline = with_stand_ins(app.pipeline, doubles, self._config.runtime, app.functions.not_served)
        self._invoker.adopt(with_bound(pipeline, self.clock.bound, self._calls))
        hub = SqliteTaskHub(":memory:", self._config.host.durable.hub_name, self.clock)
        run = active_run()
        chaos = self._chaos = ChaosStage(run, hub, self.clock) if run is not None else None
        durable = self._durable = await self._durable_services(app, hub if chaos is None else chaos.hub)
        self._ending.push_async_callback(durable.close)
        self._ending.push_async_callback(durable.stop, _GRACE)
        await durable.start()
        self.web.adopt(app, durable)
        if chaos is not None:
            self._ending.push_async_callback(chaos.stop)
            chaos.start(durable.runtime, self._pool, self.storage)
        self._server.answers = self.storage.answer
        if not self._keeps_accounts:
            listeners = Listeners()
            self._ending.push_async_callback(listeners.stop, _GRACE)
            listeners.replace(app.triggers.listeners)
        await self.clock.settle()

    def _functions_of(self, app: ServedApp) -> tuple[FunctionMetadata, ...]:
        return app.functions.served if self._keeps_accounts else functions_with_doubles(app.functions)

    async def _durable_services(self, app: ServedApp, hub: TaskHub) -> DurableServices:
        functions, chaos, bound = self._functions_of(app), self._chaos, self.clock.bound
        names = {function.name for function in functions}
        return DurableServices(
            self._config,
            app.accounts,
            self._pool,
            self._invoker,
            functions,
            absent=tuple(one for one in app.functions.absent if one.name not in names),
            sdk_versions=self._index.sdk_versions,
            base_url=BASE_URL,
            function_timeout=app.pipeline.function_timeout,
            key=await self.web.durable_key(),
            grpc_port=None,
            rpc_ports=self._rpc_ports,
            clock=self.clock,
            hub=hub,
            http=lambda: RecordedHttpCalls(self.doubles, self.clock.busy, self.web.connector),
            around_code=lambda code: BoundedCode(code if chaos is None else chaos.code(code), bound, self._calls),
        )

    async def _client_payload(self, task_hub: str | None, connection: str | None) -> str:
        assert self._durable is not None
        return self._durable.payload(task_hub, connection)
