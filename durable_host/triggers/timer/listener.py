"""Fires one timer.

Runs do not overlap. Occurrences that pass during a run cause one more run when it ends. Neither a failing function nor
storage that does not answer stops the schedule; without storage, the timer's status is not saved.

Source: docs/protocol/functions-host-timers.md#timer-runs, docs/protocol/functions-host-timers.md#timer-lock
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable

from durable_host.clock import Clock
from durable_host.storage.errors import StorageError
from durable_host.timestamp import TICKS_PER_SECOND
from durable_host.triggers.listener_lock import ListenerLock
from durable_host.triggers.timer.monitor import NO_MORE, ScheduleStatus, after_run, begin
from durable_host.triggers.timer.monitor_store import MonitorStore
from durable_host.triggers.timer.schedule import TimerSchedule, forecast
from durable_host.triggers.timer.timer_info import RUN_ON_STARTUP_DETAILS, TimerRun, past_due_details
from durable_host.triggers.timer.zone import Zone

_log = logging.getLogger("Host.Triggers.Timer")

REOPEN_SECONDS = 5

RunTimer = Callable[[TimerRun], Awaitable[None]]
"""Runs the function once. An exception means that it failed, which has been logged."""


class TimerListener:
    """The listener of one function. Without `monitor` no status is saved; without `lock` every host fires the timer."""

    def __init__(
        self,
        *,
        function: str,
        schedule: TimerSchedule,
        zone: Zone,
        run: RunTimer,
        clock: Clock,
        monitor: MonitorStore | None = None,
        lock: ListenerLock | None = None,
        run_on_startup: bool = False,
    ) -> None:
        self._function = function
        self._schedule = schedule
        self._zone = zone
        self._run_function = run
        self._clock = clock
        self._monitor = monitor
        self._lock = lock
        self._run_on_startup = run_on_startup
        self._status: ScheduleStatus | None = None
        self._next: int | None = None
        self._is_open = False
        self._in_trouble = False
        self._stopping = asyncio.Event()

    async def listen(self) -> None:
        """Fire until `stop`. Returns when the current run has ended."""
        lock = self._lock
        keeping = asyncio.create_task(lock.keep()) if lock is not None else None
        try:
            while not self._stopping.is_set():
                if lock is None or await self._first_of(lock.allowed.wait()):
                    await self._serve()
        finally:
            if lock is not None and keeping is not None:
                keeping.cancel()
                await asyncio.gather(keeping, return_exceptions=True)
                await lock.release()

    def stop(self) -> None:
        """Stop firing."""
        self._stopping.set()

    @property
    def _may_fire(self) -> bool:
        return not self._stopping.is_set() and (self._lock is None or self._lock.allowed.is_set())

    async def _serve(self) -> None:
        """Fire on schedule as long as this host is allowed to."""
        self._next = self._schedule.next_after(self._clock.now())
        missed = await self._open()
        _log.info("%s", forecast(self._schedule, self._zone, self._clock.now(), self._function))
        if missed is not None and self._may_fire:
            await self._fire_missed(missed)
        elif self._run_on_startup and self._may_fire:
            await self._fire(unscheduled=RUN_ON_STARTUP_DETAILS)
        self._run_on_startup = False
        while self._may_fire:
            planned = self._next
            if not await self._wait(self._clock.now(), planned):
                continue
            if planned is not None and self._may_fire:
                await self._fire(planned=planned)

    async def _wait(self, now: int, planned: int | None) -> bool:
        """Wait for the planned time. False if something else happens first."""
        if self._monitor is not None and not self._is_open:
            early = now + REOPEN_SECONDS * TICKS_PER_SECOND
            if planned is None or early < planned:
                await self._first_of(self._clock.sleep_until(early))
                missed = await self._open() if self._may_fire else None
                if missed is not None:
                    await self._fire_missed(missed)
                return False
        if planned is None:
            await self._stopping.wait()
            return False
        return await self._first_of(self._clock.sleep_until(planned))

    async def _open(self) -> int | None:
        """Read the saved status. Returns the planned time of a missed occurrence, otherwise None."""
        if self._monitor is None:
            return None
        now = self._clock.now()
        try:
            beginning = begin(await self._monitor.read(), self._schedule, now)
            if beginning.is_changed:
                await self._monitor.write(beginning.status)
        except StorageError as error:
            self._is_open = False
            self._warn(error)
            return None
        self._is_open = True
        self._recovered()
        self._status = beginning.status
        self._next = _time_of(beginning.status.next)
        return beginning.status.next if beginning.is_past_due else None

    async def _fire_missed(self, planned: int) -> None:
        await self._fire(is_past_due=True, unscheduled=past_due_details(planned, self._zone))

    async def _fire(self, *, planned: int = 0, is_past_due: bool = False, unscheduled: str | None = None) -> None:
        began = self._clock.now()
        run = TimerRun(at=began, status=self._status, is_past_due=is_past_due, unscheduled=unscheduled)
        try:
            await self._run_function(run)
        except Exception as error:
            _log.debug("The timer '%s' failed and continues: %s", self._function, error)
        status = after_run(self._schedule, max(began, planned))
        self._next = _time_of(status.next)
        if self._monitor is None or not self._is_open:
            return
        self._status = status
        try:
            await self._monitor.write(self._status)
            self._recovered()
        except StorageError as error:
            self._warn(error)

    def _warn(self, error: StorageError) -> None:
        if self._in_trouble:
            return
        self._in_trouble = True
        _log.warning(
            "The timer '%s' fires on schedule, but its runs cannot be saved to storage now, so a missed run "
            "would not be made up: %s",
            self._function,
            error,
        )

    def _recovered(self) -> None:
        if self._in_trouble:
            self._in_trouble = False
            _log.warning("The runs of the timer '%s' are saved to storage again.", self._function)

    async def _first_of(self, waiting: Awaitable[object]) -> bool:
        """True if `waiting` ended before `stop` was called."""
        wanted = asyncio.ensure_future(waiting)
        stopping = asyncio.create_task(self._stopping.wait())
        try:
            await asyncio.wait((wanted, stopping), return_when=asyncio.FIRST_COMPLETED)
            return wanted.done() and not self._stopping.is_set()
        finally:
            for task in (wanted, stopping):
                task.cancel()
            await asyncio.gather(wanted, stopping, return_exceptions=True)


def _time_of(following: int) -> int | None:
    return None if following == NO_MORE else following
