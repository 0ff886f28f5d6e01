"""Answers the calls of a test inside the host process that the test controls."""

import asyncio
import os
import signal
import threading
from collections.abc import AsyncGenerator, Generator, Sequence
from contextlib import asynccontextmanager, contextmanager
from multiprocessing.connection import Connection
from typing import Any

import msgspec

from durable_host import timestamp
from durable_host.dashboard.sources import HubSource
from durable_host.host.app_switch import AppSwitch
from durable_host.host.lazy_dashboard import hub_source
from durable_host.host.served_app import ServedApp
from durable_host.testing.app_operations import AppOperations
from durable_host.testing.doubles import DoubleNames, double_names
from durable_host.testing.kit_patience import MOMENT, StillBusy, ends_in_time, patience_of
from durable_host.testing.live.call_channel import CallChannel
from durable_host.testing.live.quiescence import Quiescence
from durable_host.testing.live.remote_stand_ins import RemoteStandIns
from durable_host.testing.live.shifted_clock import ShiftedClock
from durable_host.testing.log_entry import LogEntries, LogEntry
from durable_host.testing.loop_thread import in_callback, refuse_in_callback
from durable_host.testing.view_reader import ViewReader
from durable_host.web.keys import Access
from durable_host.web.keys.records import HostKeys

_IDLE_LOOKS = 50
_LOOKS_EVERY = 0.1


class DoubledApp(msgspec.Struct, frozen=True):
    """What the doubles of an app have to know about it."""

    names: DoubleNames
    runtime: str
    sdk_versions: dict[str, str]


class LiveApp:
    """The app that the host in this process serves (`RunningApp`), in time that can be set forward."""

    def __init__(self, server: AppSwitch, clock: ShiftedClock) -> None:
        self._server = server
        self._clock = clock
        self._patience: float | None = patience_of(server.app.config.settings)
        self._patience_to_report: float | None = None
        self._is_stuck = False
        self._quiescence = Quiescence(server, clock)

    @property
    def served(self) -> ServedApp:
        return self._server.app

    @property
    def source(self) -> HubSource:
        services = self._server.durable.services
        if services is None:
            raise LookupError("The app has no durable functions.")
        return hub_source(services)

    async def settle(self) -> None:
        """Wait until nothing is left to do now, except for a function of the test that the app itself waits for."""
        if in_callback.get():
            return
        with self._noting_stuck():
            await self._quiescence.settle(self._patience)
        self._is_stuck = False

    async def settle_to_read(self) -> None:
        """Like `settle`, for a step that changes nothing. After a StillBusy, it is possible without another one."""
        patience = 0.0 if self._is_stuck else self._patience_to_report
        if in_callback.get():
            return
        if patience is None:
            await self.settle()
            return
        try:
            await self._quiescence.settle(patience)
            self._is_stuck = False
        except StillBusy:
            if self._patience_to_report is not None:
                self._patience_to_report = 0.0

    async def read_at_once(self, at_once: bool) -> None:
        """From now on, wait only a moment before a step that changes nothing, and only once."""
        self._patience_to_report = MOMENT if at_once else None

    @asynccontextmanager
    async def limit(self, what: str) -> AsyncGenerator[None]:
        """End the block when a test should not wait for it any longer. Raises StillBusy."""
        with self._noting_stuck():
            async with ends_in_time(what, self._patience):
                yield

    async def note_stuck(self) -> None:
        """The test waits no longer for a request that it has sent."""
        self._is_stuck = True

    @contextmanager
    def _noting_stuck(self) -> Generator[None, None, None]:
        try:
            yield
        except StillBusy:
            self._is_stuck = True
            raise

    async def adapt_waits(self, streams: int, has_debugger: bool) -> None:
        """Do not wait for `streams` calls, whose responses the test reads piece by piece.

        Wait without limit while a debugger is attached to the test.
        """
        self._quiescence.streams = streams
        self._patience = None if has_debugger else patience_of(self._server.app.config.settings)

    async def require_keys(self) -> None:
        """Ask callers for keys from now on, like `func start --enable-auth`."""
        self._server.front.access = Access(self._server.keys)

    async def host_keys(self) -> HostKeys:
        return await self._server.keys.host()

    async def function_keys(self, name: str) -> dict[str, str]:
        return await self._server.keys.function(name)

    async def check_storage(self) -> None:
        """Process what another process has written to storage."""
        await self._quiescence.check_blobs()
        await self.settle_to_read()

    async def doubled(self) -> DoubledApp:
        app = self._server.app
        return DoubledApp(double_names(app.functions.served), app.config.runtime, dict(app.index.sdk_versions))

    async def advance_to(self, ticks: int) -> None:
        """Move from one due time to the next until `ticks`, and run everything that becomes due."""
        refuse_in_callback()
        await self.settle()
        while (due := self._clock.next_due) is not None and due <= ticks:
            self._clock.jump_to(due)
            await self.settle()
        self._clock.jump_to(ticks)
        await self.settle()

    async def pass_time(self, end: int) -> str | None:
        """Advance to the next due time until `end`. If nothing is due, give events from outside a moment to come."""
        refuse_in_callback()
        due = self._clock.next_due
        if due is not None and due > end:
            return f"nothing is due before {timestamp.to_datetime(end):%Y-%m-%d %H:%M:%S}"
        if due is not None:
            await self.advance_to(due)
            return None
        for _ in range(_IDLE_LOOKS):
            await asyncio.sleep(_LOOKS_EVERY)
            if self._quiescence.is_busy or self._clock.next_due is not None:
                await self.settle()
                return None
        return f"nothing else is due, and nothing has happened for {_IDLE_LOOKS * _LOOKS_EVERY:g} s"


class LiveControl:
    """Serves one test through `connection`. The host stops when the process of the test ends."""

    def __init__(self, connection: Connection, clock: ShiftedClock) -> None:
        self.stand_ins = RemoteStandIns()
        self._connection = connection
        self._clock = clock
        self._logs = LogEntries(threading.get_ident())

    async def serve(self, server: AppSwitch) -> None:
        """Answer calls until cancelled."""
        app = LiveApp(server, self._clock)
        operations = AppOperations(app, ViewReader())

        async def answer(name: str, arguments: Sequence[Any]) -> Any:
            own = {
                "now": self._now,
                "settle": app.settle,
                "settle_to_read": app.settle_to_read,
                "note_stuck": app.note_stuck,
                "adapt_waits": app.adapt_waits,
                "read_at_once": app.read_at_once,
                "require_keys": app.require_keys,
                "host_keys": app.host_keys,
                "function_keys": app.function_keys,
                "check_storage": app.check_storage,
                "advance_to": app.advance_to,
                "pass_time": app.pass_time,
                "logs": self._kept_logs,
                "doubled": app.doubled,
            }
            if name == "from_callback":
                name, arguments = arguments
                token = in_callback.set(True)
                try:
                    return await answer(name, arguments)
                finally:
                    in_callback.reset(token)
            operation = own.get(name) or getattr(operations, name)
            return await operation(*arguments)

        self._logs.listen(server.app.config.host.logging)
        channel = CallChannel(self._connection, asyncio.get_running_loop(), answer, _stop_this_process)
        self.stand_ins.channel = channel
        try:
            await asyncio.Event().wait()
        finally:
            self._logs.close()
            channel.close()

    async def _now(self) -> int:
        return self._clock.now()

    async def _kept_logs(self) -> list[LogEntry]:
        return self._logs.kept()


def _stop_this_process() -> None:
    os.kill(os.getpid(), signal.SIGTERM)
