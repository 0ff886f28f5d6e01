"""The timer listener in virtual time, and its pure functions.

Source: docs/protocol/functions-host-timers.md#schedule-status,
    docs/protocol/functions-host-timers.md#timer-runs,
    docs/protocol/functions-host-timers.md#timer-payload
"""

import asyncio
import json
import logging
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from durable_host import timestamp
from durable_host.storage import StorageUnavailable
from durable_host.testing import VirtualClock
from durable_host.triggers.timer.listener import TimerListener
from durable_host.triggers.timer.monitor import NEVER, ScheduleStatus, after_run, begin, parse_status
from durable_host.triggers.timer.schedule import parse_schedule
from durable_host.triggers.timer.timer_info import TimerRun, timer_info
from durable_host.triggers.timer.zone import UTC_ZONE, zone_named

EVERY_FIVE = parse_schedule("0 */5 * * * *", UTC_ZONE)


def at(text: str) -> int:
    return timestamp.parse(f"2024-05-01T{text}Z")


class Memory:
    """A monitor store in memory that does not answer while `down`."""

    def __init__(self, status: ScheduleStatus | None = None) -> None:
        self.status = status
        self.down = False

    async def read(self) -> ScheduleStatus | None:
        self._check()
        return self.status

    async def write(self, status: ScheduleStatus) -> None:
        self._check()
        self.status = status

    def _check(self) -> None:
        if self.down:
            raise StorageUnavailable(0, "ConnectionRefused", "nobody there")


class Timer:
    """A listener on virtual time and what it ran."""

    def __init__(self, schedule: str, start: str, store: Memory | None = None, *, seconds: float = 0, **more: Any):
        self.clock = VirtualClock(at(start))
        self.runs: list[TimerRun] = []
        self.most_at_a_time = self._now = 0
        self.seconds = seconds
        self.error: Exception | None = None
        self.listener = TimerListener(
            function="tick", schedule=parse_schedule(schedule, UTC_ZONE), zone=UTC_ZONE, run=self._run,
            clock=self.clock, monitor=store, **more,
        )  # fmt: skip
        self.task = asyncio.create_task(self.listener.listen())

    async def _run(self, run: TimerRun) -> None:
        self.runs.append(run)
        self._now += 1
        self.most_at_a_time = max(self.most_at_a_time, self._now)
        await self.clock.sleep(self.seconds)
        self._now -= 1
        if self.error is not None:
            raise self.error

    @property
    def times(self) -> list[str]:
        return [timestamp.to_text(run.at)[11:-1] for run in self.runs]

    async def stop(self) -> None:
        self.listener.stop()
        await self.task


async def test_a_fresh_timer_writes_its_status_and_waits_for_its_time() -> None:
    store = Memory()
    timer = Timer("0 */5 * * * *", "10:20:30", store)
    await timer.clock.settle()
    assert store.status == ScheduleStatus(NEVER, at("10:25:00"), at("10:20:30"))
    assert timer.runs == []
    await timer.clock.advance(timedelta(minutes=10))
    assert timer.times == ["10:25:00", "10:30:00"]
    assert [run.is_past_due for run in timer.runs] == [False, False]
    assert timer.runs[0].status == ScheduleStatus(NEVER, at("10:25:00"), at("10:20:30"))
    assert store.status == ScheduleStatus(at("10:30:00"), at("10:35:00"), at("10:30:00"))
    await timer.stop()


async def test_missed_occurrences_make_one_past_due_run_at_once() -> None:
    store = Memory(ScheduleStatus(at("10:20:00"), at("10:25:00"), at("10:20:00")))
    timer = Timer("0 */5 * * * *", "10:41:00", store)
    await timer.clock.settle()
    assert timer.times == ["10:41:00"]
    assert timer.runs[0].is_past_due
    unscheduled = "UnscheduledInvocationReason: IsPastDue, OriginalSchedule: 2024-05-01T10:25:00.0000000+00:00"
    assert timer.runs[0].unscheduled == unscheduled
    await timer.clock.advance(timedelta(minutes=5))
    assert timer.times == ["10:41:00", "10:45:00"]
    await timer.stop()


async def test_a_timer_that_never_ran_can_be_past_due() -> None:
    store = Memory(ScheduleStatus(NEVER, at("10:25:00"), at("10:20:30")))
    timer = Timer("0 */5 * * * *", "10:31:00", store)
    await timer.clock.settle()
    assert [run.is_past_due for run in timer.runs] == [True]
    await timer.stop()


async def test_a_changed_schedule_is_not_past_due() -> None:
    store = Memory(ScheduleStatus(at("10:20:00"), at("10:25:00"), at("10:20:00")))
    timer = Timer("0 */7 * * * *", "10:41:00", store)
    await timer.clock.settle()
    assert timer.runs == []
    assert store.status == ScheduleStatus(NEVER, at("10:42:00"), at("10:41:00"))
    await timer.stop()


def test_a_changed_schedule_whose_time_is_still_to_come_counts_from_the_last_run() -> None:
    stored = ScheduleStatus(at("10:20:00"), at("10:25:00"), at("10:20:00"))
    beginning = begin(stored, parse_schedule("0 0 * * * *", UTC_ZONE), at("10:41:00"))
    assert beginning.status == ScheduleStatus(NEVER, at("11:00:00"), at("10:20:00"))
    assert not beginning.is_past_due


def test_an_unchanged_status_is_not_written_again() -> None:
    stored = ScheduleStatus(at("10:20:00"), at("10:25:00"), at("10:20:00"))
    assert begin(stored, EVERY_FIVE, at("10:21:00")).is_changed is False


async def test_run_on_startup_runs_once_at_start() -> None:
    timer = Timer("0 */5 * * * *", "10:20:30", Memory(), run_on_startup=True)
    await timer.clock.advance(timedelta(minutes=5))
    assert timer.times == ["10:20:30", "10:25:00"]
    assert [run.unscheduled for run in timer.runs] == ["UnscheduledInvocationReason: RunOnStartup", None]
    await timer.stop()


async def test_a_past_due_run_takes_the_place_of_the_run_on_startup() -> None:
    store = Memory(ScheduleStatus(at("10:20:00"), at("10:25:00"), at("10:20:00")))
    timer = Timer("0 */5 * * * *", "10:41:00", store, run_on_startup=True)
    await timer.clock.settle()
    assert [run.is_past_due for run in timer.runs] == [True]
    await timer.stop()


async def test_a_long_run_is_never_joined_by_a_second_one() -> None:
    timer = Timer("*/10 * * * * *", "10:20:00", seconds=25)
    await timer.clock.advance(timedelta(seconds=100))
    assert timer.most_at_a_time == 1
    assert timer.times == ["10:20:10", "10:20:35", "10:21:00", "10:21:25"]
    timer.listener.stop()
    await timer.clock.advance(60)
    await timer.task


async def test_a_time_span_counts_from_the_start_of_the_run() -> None:
    timer = Timer("00:00:30", "10:20:00", seconds=5)
    await timer.clock.advance(timedelta(seconds=100))
    assert timer.times == ["10:20:30", "10:21:00", "10:21:30"]
    timer.listener.stop()
    await timer.clock.advance(60)
    await timer.task


async def test_failures_do_not_stop_the_schedule() -> None:
    store = Memory()
    timer = Timer("0 */5 * * * *", "10:20:30", store)
    timer.error = ValueError("boom")
    await timer.clock.advance(timedelta(minutes=15))
    assert timer.times == ["10:25:00", "10:30:00", "10:35:00"]
    assert store.status is not None
    assert store.status.last == at("10:35:00")
    await timer.stop()


async def test_an_outage_at_start_is_warned_of_once_and_the_monitor_comes_later(
    caplog: pytest.LogCaptureFixture,
) -> None:
    store = Memory(ScheduleStatus(at("10:20:00"), at("10:25:00"), at("10:20:00")))
    store.down = True
    timer = Timer("0 */5 * * * *", "10:41:00", store)
    await timer.clock.advance(timedelta(minutes=5))
    assert timer.times == ["10:45:00"]
    store.down = False
    await timer.clock.advance(timedelta(seconds=10))
    assert [run.is_past_due for run in timer.runs] == [False, True]
    assert len([record for record in caplog.records if record.levelno == logging.WARNING]) == 2
    assert "are saved to storage again" in caplog.text
    await timer.stop()


async def test_an_outage_under_way_is_warned_of_once(caplog: pytest.LogCaptureFixture) -> None:
    store = Memory()
    timer = Timer("0 */5 * * * *", "10:20:30", store)
    await timer.clock.settle()
    store.down = True
    await timer.clock.advance(timedelta(minutes=15))
    assert len(timer.runs) == 3
    assert len([record for record in caplog.records if record.levelno == logging.WARNING]) == 1
    store.down = False
    await timer.clock.advance(timedelta(minutes=5))
    assert store.status == after_run(EVERY_FIVE, at("10:40:00"))
    await timer.stop()


async def test_years_of_a_yearly_timer_pass() -> None:
    timer = Timer("0 0 12 1 J *", "10:20:30", Memory())
    await timer.clock.advance_to(timestamp.from_datetime(datetime(2030, 1, 2, tzinfo=UTC)))
    assert [timestamp.to_text(run.at)[:13] for run in timer.runs] == [f"{year}-01-01T12" for year in range(2025, 2031)]
    await timer.stop()


async def test_a_schedule_without_any_occurrence_waits_for_the_end(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "Host.Triggers.Timer")
    store = Memory()
    timer = Timer("0 0 0 30 2 *", "10:20:30", store)
    await timer.clock.settle()
    assert "none: no such day comes" in caplog.text
    assert store.status is not None
    assert json.loads(store.status.to_json(UTC_ZONE))["Next"].startswith("9999-12-31")
    await timer.stop()


async def test_stopping_lets_the_run_finish() -> None:
    timer = Timer("0 */5 * * * *", "10:24:59", Memory(), seconds=3)
    await timer.clock.advance(2)
    timer.listener.stop()
    assert not timer.task.done()
    await timer.clock.advance(10)
    await timer.task
    assert len(timer.runs) == 1


def test_the_status_blob_has_local_times_with_offset() -> None:
    status = ScheduleStatus(at("10:20:00.0012345"), at("10:25:00"), at("10:20:00.0012345"))
    assert status.to_json(UTC_ZONE) == (
        '{"Last":"2024-05-01T10:20:00.0012345+00:00","Next":"2024-05-01T10:25:00+00:00",'
        '"LastUpdated":"2024-05-01T10:20:00.0012345+00:00"}'
    )
    berlin = status.to_json(zone_named("Europe/Berlin"))
    assert '"Next":"2024-05-01T12:25:00+02:00"' in berlin
    assert parse_status(berlin) == status


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "Expecting value"),
        ("nonsense", "Expecting value"),
        ("[]", "it has no"),
        ("{}", "it has no 'Last'"),
        ('{"Last": 5, "Next": 6}', "it has no"),
        ('{"Last": "x", "Next": "y"}', "isoformat"),
    ],
)
def test_what_is_not_a_status_is_recognized(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        parse_status(text)


def test_a_status_without_offsets_and_without_its_update_is_read() -> None:
    status = parse_status('{"Last":"0001-01-01T00:00:00","Next":"2024-05-01T10:25:00Z"}')
    assert status == ScheduleStatus(NEVER, at("10:25:00"), NEVER)


def test_the_payload_of_the_first_run_has_no_times_of_a_last_one() -> None:
    info = json.loads(
        timer_info(EVERY_FIVE, UTC_ZONE, ScheduleStatus(NEVER, at("10:25:00"), at("10:20:30")), is_past_due=False)
    )
    assert info == {
        "Schedule": {"AdjustForDST": True},
        "ScheduleStatus": {
            "Last": "0001-01-01T00:00:00+00:00",
            "Next": "2024-05-01T10:25:00+00:00",
            "LastUpdated": "0001-01-01T00:00:00+00:00",
        },
        "IsPastDue": False,
    }


def test_the_payload_without_monitor_has_no_status() -> None:
    info = json.loads(timer_info(parse_schedule("00:00:30", UTC_ZONE), UTC_ZONE, None, is_past_due=False))
    assert info == {"Schedule": {"AdjustForDST": False}, "ScheduleStatus": None, "IsPastDue": False}
