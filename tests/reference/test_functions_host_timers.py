"""Timers: row 2 of the page functions-host.

Source: docs/protocol/functions-host-timers.md#timer-runs
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from datetime import timedelta

from durable_host import timestamp
from durable_host.testing import VirtualClock
from durable_host.triggers.timer.listener import TimerListener
from durable_host.triggers.timer.monitor import ScheduleStatus
from durable_host.triggers.timer.schedule import parse_schedule
from durable_host.triggers.timer.timer_info import TimerRun
from durable_host.triggers.timer.zone import UTC_ZONE

NOON = timestamp.parse("2024-05-01T12:00:00Z")


class Status:
    """The status of a timer, in memory."""

    def __init__(self, status: ScheduleStatus | None = None) -> None:
        self.status = status

    async def read(self) -> ScheduleStatus | None:
        return self.status

    async def write(self, status: ScheduleStatus) -> None:
        self.status = status


@contextlib.asynccontextmanager
async def running(
    schedule: str, *, seconds: float, store: Status | None = None, run_on_startup: bool = False
) -> AsyncIterator[tuple[VirtualClock, list[TimerRun]]]:
    """A timer from noon on, each run of which takes `seconds`: the clock, and the runs as they begin."""
    clock = VirtualClock(NOON)
    runs: list[TimerRun] = []

    async def run(run: TimerRun) -> None:
        runs.append(run)
        await clock.sleep(seconds)

    listener = TimerListener(
        function="tick", schedule=parse_schedule(schedule, UTC_ZONE), zone=UTC_ZONE, run=run, clock=clock,
        monitor=store, run_on_startup=run_on_startup,
    )  # fmt: skip
    task = asyncio.create_task(listener.listen())
    yield clock, runs
    listener.stop()
    await clock.advance(timedelta(seconds=seconds))
    await task


def seconds_of(runs: list[TimerRun]) -> list[int]:
    return [(run.at - NOON) // timestamp.TICKS_PER_SECOND for run in runs]


async def test_a_run_longer_than_the_period_is_followed_by_the_next_one_at_once() -> None:
    """functions-host 2: a timer of 15 seconds whose runs take 22 seconds runs every 22 seconds."""
    async with running("*/15 * * * * *", seconds=22) as (clock, runs):
        await clock.advance(timedelta(seconds=90))
        assert seconds_of(runs) == [15, 37, 59, 81]
        assert not any(run.is_past_due or run.unscheduled for run in runs)


async def test_missed_occurrences_make_one_catch_up() -> None:
    """functions-host 2: one catch-up, however many occurrences a run has covered, and then the schedule again."""
    async with running("*/15 * * * * *", seconds=70) as (clock, runs):
        await clock.advance(timedelta(seconds=86))
        assert seconds_of(runs) == [15, 85]


async def test_the_next_occurrence_counts_from_the_start_of_the_run() -> None:
    """functions-host 2: the status after the catch-up has its start, and the occurrence after that."""
    store = Status()
    async with running("0 * * * * *", seconds=90, store=store) as (clock, runs):
        await clock.advance(timedelta(seconds=60 + 90))
        assert seconds_of(runs) == [60, 150]
        assert store.status is not None
        assert (store.status.last - NOON) // timestamp.TICKS_PER_SECOND == 60
        caught_up = runs[1].status
        assert caught_up is not None
        assert (caught_up.next - NOON) // timestamp.TICKS_PER_SECOND == 120
        await clock.advance(timedelta(seconds=90))
        assert seconds_of(runs) == [60, 150, 240]


async def test_a_time_span_counts_from_the_start_of_the_run() -> None:
    """functions-host 2: a time span of 30 seconds means every 30 seconds, though a run takes five."""
    async with running("00:00:30", seconds=5) as (clock, runs):
        await clock.advance(timedelta(seconds=100))
        assert seconds_of(runs) == [30, 60, 90]


async def test_a_time_span_continues_from_its_last_run_when_the_host_starts_again() -> None:
    """functions-host 2: the next occurrence is the stored one."""
    last = NOON - 4 * 60 * timestamp.TICKS_PER_SECOND
    status = ScheduleStatus(last, last + 600 * timestamp.TICKS_PER_SECOND, last)
    async with running("00:10:00", seconds=0, store=Status(status)) as (clock, runs):
        await clock.advance(timedelta(minutes=17))
        assert seconds_of(runs) == [360, 960]


async def test_a_long_run_on_startup_is_followed_by_the_occurrence_that_it_covered() -> None:
    """functions-host 2: runs outside the schedule count, too."""
    async with running("*/15 * * * * *", seconds=20, run_on_startup=True) as (clock, runs):
        await clock.advance(timedelta(seconds=39))
        assert seconds_of(runs) == [0, 20]
        assert [run.unscheduled is None for run in runs] == [False, True]
