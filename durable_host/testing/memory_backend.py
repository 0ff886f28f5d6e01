"""`AppBackend` in this process: the app's worker is loaded once, everything else is in memory and in virtual time."""

import os
from collections.abc import Awaitable, Callable, Coroutine, Generator, Mapping
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar

import aiohttp

from durable_host import timestamp
from durable_host.errors import HostError
from durable_host.storage.account import StorageAccount
from durable_host.testing.app_backend import InstanceView
from durable_host.testing.app_in_memory import BASE_URL, AppInMemory
from durable_host.testing.app_keys import AppKeys
from durable_host.testing.app_operations import AppOperations
from durable_host.testing.doubles import Doubles
from durable_host.testing.error_notes import with_notes
from durable_host.testing.http_client import HttpClient
from durable_host.testing.indexed_app import IndexedApp
from durable_host.testing.instance_record import Instance
from durable_host.testing.kit_patience import REPORT_SECONDS, patience_of
from durable_host.testing.log_entry import LogEntries, LogEntry
from durable_host.testing.loop_thread import LoopThread, refuse_in_callback
from durable_host.testing.running_calls import RunningCalls
from durable_host.testing.view_reader import ViewReader

__tracebackhide__ = True

T = TypeVar("T")

_CLOSED = "The app is closed."
_LATE_TIMERS = timestamp.TICKS_PER_SECOND // 1000
"""How much later timers may be due: 2.x orchestrators see each turn a microsecond later than the one before."""


class MemoryBackend:
    """Owns the loaded app and, for each test, an `AppInMemory`. Raises HostError if the app does not load.

    An app that `keeps_accounts` uses the storage that its settings name, and its triggers do not listen.
    """

    def __init__(
        self,
        root: Path,
        settings: Mapping[str, str],
        python: Path | None,
        start: datetime,
        *,
        keeps_accounts: bool = False,
    ) -> None:
        self._begin = start
        self._thread = LoopThread("function app")
        self._logs = LogEntries(self._thread.id)
        self._http = HttpClient(self._thread, BASE_URL, self._session, self._settle, lambda _: self._calls.limit())
        self._indexed: IndexedApp | None = None
        self._app: AppInMemory | None = None
        self._views = ViewReader()
        self._limit: float | None = None
        try:
            self._indexed = self._thread.run(
                IndexedApp.load(root, {**os.environ, **settings}, python=python, keeps_accounts=keeps_accounts)
            )
            self._logs.listen(self._indexed.config.host.logging)
            self._app = self._started(self._indexed, start)
        except BaseException as error:
            self.close()
            if isinstance(error, HostError):
                with_notes(error)
            raise

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Run `work` in the event loop of the app. Raises StillBusy if the app does not come to rest."""
        return self._thread.run(work, self._limit, None if self._limit is not None else self._calls.limit)

    def _read(self, work: Coroutine[Any, Any, T]) -> T:
        """Like `run`, for what changes nothing: it is possible while a function runs that is known not to end."""
        return self._thread.run(work, self._limit, None if self._limit is not None else self._calls.limit_to_read)

    def _started(self, indexed: IndexedApp, start: datetime) -> AppInMemory:
        self._calls = RunningCalls(patience_of(indexed.config.settings), self._http.open_streams)
        return self.run(AppInMemory.start(indexed, start, self._calls, self._http.count_streams))

    @property
    def app(self) -> AppInMemory:
        """The app of the current test."""
        if self._app is None:
            raise RuntimeError(_CLOSED)
        return self._app

    @property
    def _operations(self) -> AppOperations:
        return AppOperations(self.app, self._views)

    def close(self) -> None:
        app, self._app = self._app, None
        loaded, self._indexed = self._indexed, None
        self._logs.close()
        try:
            if app is not None:
                self._thread.run(app.stop())
        finally:
            try:
                if loaded is not None:
                    self._thread.run(loaded.close())
            finally:
                self._thread.close()

    def reset(self, start: datetime | None = None) -> None:
        """Begin again, at `start` or at the time of the first begin."""
        refuse_in_callback()
        app, self._app = self._app, None
        if self._indexed is None:
            raise RuntimeError(_CLOSED)
        if app is not None:  # it is None after a reset that was interrupted
            self._thread.run(app.stop())
        self._thread.run(self._indexed.end_calls())
        self._logs.clear()
        self._logs.listen(self._indexed.config.host.logging)
        self._app = self._started(self._indexed, start if start is not None else self._begin)

    @contextmanager
    def at_once(self) -> Generator[None, None, None]:
        self._limit = REPORT_SECONDS
        try:
            with self.app.reads_at_once():
                yield
        finally:
            self._limit = None

    def rest(self) -> None:
        self._logs.close()

    @property
    def now(self) -> datetime:
        return timestamp.to_datetime(self.app.clock.now())

    @property
    def looks_after(self) -> int:
        return 1000

    @property
    def longest_wait(self) -> timedelta:
        return timedelta(days=366)

    def advance(self, by: timedelta) -> None:
        refuse_in_callback()
        self._step(self._advance(by))

    def settle(self) -> None:
        self.run(self._settle())

    def pass_time(self, end: datetime) -> str | None:
        refuse_in_callback()
        clock = self.app.clock
        due = clock.next_due
        if due is None:
            return "nothing else is due"
        if due > timestamp.from_datetime(end):
            return f"nothing is due before {end:%Y-%m-%d %H:%M:%S}"
        self.run(clock.advance_to(due))
        return None

    def start(self, orchestrator: str, input: Any, instance_id: str | None, version: str | None) -> str:
        return self._step(self._operations.start(orchestrator, input, instance_id, version))

    def instance(self, instance_id: str) -> Instance | None:
        return self._read(self._operations.instance(instance_id))

    def instances(self, name: str | None, status: str | None) -> list[Instance]:
        return self._read(self._operations.instances(name, status))

    def view(self, instance_id: str) -> InstanceView:
        return self._read(self._operations.view(instance_id))

    def raise_event(self, instance_id: str, name: str, data: Any) -> None:
        self._step(self._operations.raise_event(instance_id, name, data))

    def terminate(self, instance_id: str, reason: str | None) -> None:
        self._step(self._operations.terminate(instance_id, reason))

    def suspend(self, instance_id: str, reason: str | None) -> None:
        self._step(self._operations.suspend(instance_id, reason))

    def resume(self, instance_id: str, reason: str | None) -> None:
        self._step(self._operations.resume(instance_id, reason))

    def rewind(self, instance_id: str, reason: str | None) -> None:
        self._step(self._operations.rewind(instance_id, reason))

    def restart(self, instance_id: str, new_id: str | None) -> str:
        return self._step(self._operations.restart(instance_id, new_id))

    def purge(self, instance_id: str) -> bool:
        return self._step(self._operations.purge(instance_id))

    def signal_entity(self, name: str, key: str, operation: str, input: Any) -> None:
        self._step(self._operations.signal_entity(name, key, operation, input))

    def entity_state(self, name: str, key: str) -> str | None:
        return self._read(self._operations.entity_state(name, key))

    def call(self, function: str, content: str) -> Any:
        return self._step(self._operations.call(function, content))

    @property
    def http(self) -> HttpClient:
        return self._http

    def require_keys(self) -> AppKeys:
        web = self.app.web
        web.require_keys()
        return AppKeys(lambda: self._read(web.keys.host()), lambda name: self._read(web.keys.function(name)))

    @property
    def doubles(self) -> Doubles:
        return self.app.doubles

    def replay(self, history: list[dict[str, Any]]) -> None:
        self._step(self._operations.replay(history))

    @property
    def connection_string(self) -> str:
        app = self.app
        return app.storage.connection_string(app.accounts.account(None).connection.account_name)

    @property
    def message_encoding(self) -> str:
        return self.app.config.host.queues.message_encoding

    def use_storage(self, work: Callable[[StorageAccount], Awaitable[T]], connection: str | None) -> T:
        self._begin_step()
        return self._read(self._use_storage(work, connection))

    def visible_messages(self, queue: str, connection: str | None) -> list[str]:
        return self._read(self._visible_messages(queue, connection))

    @property
    def logs(self) -> list[LogEntry]:
        return self._logs.kept()

    def _step(self, work: Coroutine[Any, Any, T]) -> T:
        """Run something that the test does."""
        self._begin_step()
        return self.run(work)

    def _begin_step(self) -> None:
        if self._app is not None:
            self._thread.loop.call_soon_threadsafe(self._app.begin_step)

    async def _use_storage(self, work: Callable[[StorageAccount], Awaitable[T]], connection: str | None) -> T:
        await self.app.settle_to_read()
        result = await work(self.app.accounts_of_test.account(connection))
        await self.app.settle_to_read()
        return result

    async def _visible_messages(self, queue: str, connection: str | None) -> list[str]:
        await self.app.settle_to_read()
        account = self.app.accounts.account(connection).connection.account_name
        return [message.text for message in self.app.storage.account(account).queues.visible(queue)]

    async def _advance(self, by: timedelta) -> None:
        clock = self.app.clock
        end = clock.now() + round(by.total_seconds() * timestamp.TICKS_PER_SECOND)
        await clock.advance_to(end)
        while (due := clock.next_due) is not None and due <= end + _LATE_TIMERS:
            await clock.advance_to(due)

    async def _session(self) -> aiohttp.ClientSession:
        self.app.begin_step()
        return await self.app.http_session()

    async def _settle(self) -> None:
        async with self._calls.limit():
            await self.app.settle()
