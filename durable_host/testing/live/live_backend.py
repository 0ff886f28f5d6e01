"""`AppBackend` on a real host: `func start` in a process, with its own Azurite."""

import asyncio
import os
import threading
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager, suppress
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar

import aiohttp

from durable_host import timestamp
from durable_host.bindings.accounts import Accounts
from durable_host.config import HostConfig, load
from durable_host.errors import HostError
from durable_host.storage import NotFound, StorageAccount
from durable_host.testing.app_backend import InstanceView
from durable_host.testing.app_keys import AppKeys
from durable_host.testing.doubles import Doubles, language_of
from durable_host.testing.error_notes import with_notes
from durable_host.testing.http_client import OWN_HEADERS, HttpClient
from durable_host.testing.indexed_app import app_folder
from durable_host.testing.instance_record import Instance
from durable_host.testing.kit_patience import REPORT_SECONDS, StillBusy, ends_in_time, has_debugger, patience_of
from durable_host.testing.live.live_control import DoubledApp
from durable_host.testing.live.live_process import LiveHostFailed, LiveProcess
from durable_host.testing.live.live_storage import LiveStorage, refuse_real_accounts
from durable_host.testing.log_entry import LogEntry
from durable_host.testing.loop_thread import LoopThread, in_callback, refuse_in_callback

__tracebackhide__ = True

T = TypeVar("T")


class LiveBackend:
    """Owns an Azurite and, for each test, a host. Raises HostError if one of them does not start."""

    def __init__(
        self, root: Path, settings: Mapping[str, str], python: Path | None, real_accounts: Sequence[str] = ()
    ) -> None:
        self._root = app_folder(root)
        self._python = python
        self._thread = LoopThread("live app")
        self._storage: LiveStorage | None = None
        self._process: LiveProcess | None = None
        self._accounts: Accounts | None = None
        self._web: aiohttp.ClientSession | None = None
        self._limit: float | None = None
        try:
            environ = {**os.environ, **settings}
            settings = load(self._root, environ=environ).settings
            refuse_real_accounts(settings, real_accounts)
            self._storage = LiveStorage()
            self._environ = {**environ, **self._storage.settings_for(settings)}
            self._config = load(self._root, environ=self._environ)
            _refuse_chaos(self._config)
            self._patience = patience_of(self._config.settings)
            self._accounts = Accounts(self._config.settings)
            self._process = self._started()
        except BaseException as error:
            self.close()
            if isinstance(error, HostError):
                with_notes(error)
            raise

    @property
    def process(self) -> LiveProcess:
        """The host of the current test."""
        if self._process is None:
            raise RuntimeError("The app is closed.")
        return self._process

    @property
    def storage(self) -> LiveStorage:
        if self._storage is None:
            raise RuntimeError("The app is closed.")
        return self._storage

    def close(self) -> None:
        process, self._process = self._process, None
        storage, self._storage = self._storage, None
        web, self._web = self._web, None
        accounts, self._accounts = self._accounts, None
        try:
            if web is not None:
                self._thread.run(web.close())
            if accounts is not None:
                self._thread.run(accounts.close())
            if process is not None:
                process.stop()
        finally:
            try:
                if storage is not None:
                    storage.stop()
            finally:
                self._thread.close()

    def rest(self) -> None:
        """Nothing to do: the log lines are kept in the process of the host."""

    def reset(self) -> None:
        refuse_in_callback()
        storage = self.storage
        process, self._process = self._process, None
        if process is not None:  # it is None after a reset that failed or was interrupted
            process.stop()
        self._thread.run(storage.clear())
        self._process = self._started()

    @property
    def now(self) -> datetime:
        return timestamp.to_datetime(self._call("now"))

    @property
    def looks_after(self) -> int:
        return 100  # A step takes a good part of a second where a schedule of the app fires.

    @property
    def longest_wait(self) -> timedelta:
        return timedelta(days=366)

    def advance(self, by: timedelta) -> None:
        refuse_in_callback()
        self._call("advance_to", self._call("now") + round(by.total_seconds() * timestamp.TICKS_PER_SECOND))

    @contextmanager
    def at_once(self) -> Generator[None, None, None]:
        self._limit = REPORT_SECONDS
        try:
            self._call("read_at_once", True)
            yield
        finally:
            with suppress(Exception):  # the report has what matters
                self._call("read_at_once", False)
            self._limit = None

    def settle(self) -> None:
        self._call("settle")

    def pass_time(self, end: datetime) -> str | None:
        refuse_in_callback()
        return self._call("pass_time", timestamp.from_datetime(end))

    def start(self, orchestrator: str, input: Any, instance_id: str | None, version: str | None) -> str:
        return self._call("start", orchestrator, input, instance_id, version)

    def instance(self, instance_id: str) -> Instance | None:
        return self._call("instance", instance_id)

    def instances(self, name: str | None, status: str | None) -> list[Instance]:
        return self._call("instances", name, status)

    def view(self, instance_id: str) -> InstanceView:
        return self._call("view", instance_id)

    def raise_event(self, instance_id: str, name: str, data: Any) -> None:
        self._call("raise_event", instance_id, name, data)

    def terminate(self, instance_id: str, reason: str | None) -> None:
        self._call("terminate", instance_id, reason)

    def suspend(self, instance_id: str, reason: str | None) -> None:
        self._call("suspend", instance_id, reason)

    def resume(self, instance_id: str, reason: str | None) -> None:
        self._call("resume", instance_id, reason)

    def rewind(self, instance_id: str, reason: str | None) -> None:
        self._call("rewind", instance_id, reason)

    def restart(self, instance_id: str, new_id: str | None) -> str:
        return self._call("restart", instance_id, new_id)

    def purge(self, instance_id: str) -> bool:
        return self._call("purge", instance_id)

    def signal_entity(self, name: str, key: str, operation: str, input: Any) -> None:
        self._call("signal_entity", name, key, operation, input)

    def entity_state(self, name: str, key: str) -> str | None:
        return self._call("entity_state", name, key)

    def call(self, function: str, content: str) -> Any:
        return self._call("call", function, content)

    @property
    def http(self) -> HttpClient:
        return self._http

    def require_keys(self) -> AppKeys:
        self._call("require_keys")
        return AppKeys(lambda: self._call("host_keys"), lambda name: self._call("function_keys", name))

    @property
    def doubles(self) -> Doubles:
        return self._doubles

    def replay(self, history: list[dict[str, Any]]) -> None:
        self._call("replay", history)

    @property
    def connection_string(self) -> str:
        return self.storage.connection_string

    @property
    def message_encoding(self) -> str:
        return self._config.host.queues.message_encoding

    def use_storage(self, work: Callable[[StorageAccount], Awaitable[T]], connection: str | None) -> T:
        return self._thread.run(self._use_storage(work, connection))

    def visible_messages(self, queue: str, connection: str | None) -> list[str]:
        return self._thread.run(self._visible_messages(queue, connection))

    @property
    def logs(self) -> list[LogEntry]:
        return self._call("logs")

    def _started(self) -> LiveProcess:
        doubles: Doubles | None = None

        async def answer(name: str, arguments: Sequence[Any]) -> Any:
            return None if doubles is None else await getattr(doubles, name)(*arguments)

        process = LiveProcess(self._root, self._environ, self._python, self._thread.loop, answer)
        try:
            app: DoubledApp = process.call("doubled")
            doubles = self._doubles = Doubles(app.names, language_of(app.runtime, app.sdk_versions))
            self._told = (0, False)
            self._http = HttpClient(self._thread, process.base_url, self._session, self._settle, self._limited)
        except BaseException:
            process.stop()
            raise
        return process

    def _call(self, name: str, *arguments: Any) -> Any:
        if threading.get_ident() == self._thread.id:
            raise RuntimeError("The app waits for this async function, which cannot call the app. Use a plain one.")
        if in_callback.get():
            return self.process.call("from_callback", name, arguments, limit=self._limit)
        waits = self._waits()
        if waits != self._told:
            self.process.call("adapt_waits", *waits, limit=self._limit)
            self._told = waits
        return self.process.call(name, *arguments, limit=self._limit)

    def _waits(self) -> tuple[int, bool]:
        """What the host has to know before it waits: see `LiveApp.adapt_waits`."""
        return self._http.count_streams(), has_debugger()

    async def _use_storage(self, work: Callable[[StorageAccount], Awaitable[T]], connection: str | None) -> T:
        await self._settle("settle_to_read")
        result = await work(self._account(connection))
        if not in_callback.get():
            await asyncio.wrap_future(self.process.begin_call("check_storage"))
        return result

    async def _visible_messages(self, queue: str, connection: str | None) -> list[str]:
        await self._settle("settle_to_read")
        try:
            return [message.text for message in await self._account(connection).queues.peek(queue)]
        except NotFound:
            return []

    def _account(self, connection: str | None) -> StorageAccount:
        if self._accounts is None:
            raise RuntimeError("The app is closed.")
        return self._accounts.account(connection)

    async def _session(self) -> aiohttp.ClientSession:
        if self._web is None:
            self._web = aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar(), headers=OWN_HEADERS)
        return self._web

    async def _settle(self, how: str = "settle") -> None:
        if in_callback.get():
            return
        self._told = self._waits()
        await asyncio.wrap_future(self.process.begin_call("adapt_waits", *self._told))
        await asyncio.wrap_future(self.process.begin_call(how))

    @asynccontextmanager
    async def _limited(self, what: str) -> AsyncGenerator[None]:
        """End a request when a test should not wait for it any longer. Raises StillBusy."""
        try:
            async with ends_in_time(what, None if has_debugger() else self._patience):
                yield
        except StillBusy:
            await asyncio.wrap_future(self.process.begin_call("note_stuck"))
            raise


def _refuse_chaos(config: HostConfig) -> None:
    """Faults come at times of their own, so an app that injects them never comes to rest. Raises LiveHostFailed."""
    if config.host.durable.chaos is None:
        return
    raise LiveHostFailed(
        "A live app cannot inject faults.",
        cause="Its settings or its host.json ask for chaos.",
        remedy="Use the mark durable_chaos with function_app, or 'func start --chaos' without a test.",
    )
