"""Timers that do not do what the code says: the SDK's behaviour is kept and reported at the right moment."""

from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest
from engine_world import DAY, SECOND, START, World, completed, decided, fired, raised

from durable_host.durable.model.status import OrchestrationStatus

pytestmark = pytest.mark.parametrize("mode", ["live", "cold", "one_shot"])
DAYS = DAY // SECOND
EAST = timezone(timedelta(hours=5))
WEST = timezone(timedelta(hours=-5))


def notes(world, code):
    return [found for found in world.diagnostics if found.code == code]


def line_with(text):
    lines = Path(__file__).read_text().splitlines()
    return next(number for number, line in enumerate(lines, 1) if line.strip() == text)


def any_of(context, timer, event):
    return context.task_any([event, timer])


def any_of_all(context, timer, event):
    return context.task_any([context.task_all([timer]), event])


def any_of_any(context, timer, event):
    return context.task_any([event, context.task_any([timer])])


def any_of_all_of_any(context, timer, event):
    other = context.create_timer(context.current_utc_datetime + timedelta(days=1))
    return context.task_any([event, context.task_all([context.task_any([timer, other])])])


def first_alone(context, timer, event):
    context.task_any([timer])
    return context.task_any([timer, event])


def race(shape, days=14, again=0):
    def orch(context):
        timer = context.create_timer(context.current_utc_datetime + timedelta(days=days))
        yield shape(context, timer, context.wait_for_external_event("E"))
        timer.cancel()
        for number in range(again):
            yield context.call_activity("A", number)
            timer.cancel()
        return "decided"

    return orch


@pytest.mark.parametrize("shape", [any_of, any_of_all, any_of_any, any_of_all_of_any, first_alone])
def test_cancelling_a_long_timer_changes_nothing_and_is_said_at_once(mode, shape):
    world = World([race(shape)], mode=mode)
    world.deliver(world.start("orch"), time=0)
    assert not world.diagnostics
    world.deliver(raised("E"), time=60)
    [found] = notes(world, "DH6144")
    assert (found.severity, found.instance_id, found.function) == ("warning", "inst1", "orch")
    assert found.position == f"{__file__}:{line_with('timer.cancel()')} in orch"
    assert "The instance stays Running until 2026-01-04T00:00:00Z" in found.text
    assert "due at 2026-01-15T00:00:00Z" in found.text
    assert "in a loop of timers of at most six days" in found.text
    assert world.state().status is OrchestrationStatus.Running


def test_the_instance_ends_at_the_time_that_was_named(mode):
    world = World([race(any_of)], mode=mode)
    world.deliver(world.start("orch"), time=0)
    world.deliver(raised("E"), time=60)
    assert decided(world.deliver(fired(0), time=3 * DAYS)) == ["#1 Completed"]
    assert world.result == "decided"


def test_the_time_is_that_of_the_part_of_the_timer_that_is_open_then(mode):
    world = World([race(any_of)], mode=mode)
    world.deliver(world.start("orch"), time=0)
    world.deliver(fired(0), time=3 * DAYS)
    world.deliver(raised("E"), time=4 * DAYS)
    [found] = notes(world, "DH6144")
    assert "stays Running until 2026-01-07T00:00:00Z" in found.text
    assert decided(world.deliver(fired(1), time=6 * DAYS)) == ["#2 Completed"]


def test_it_is_said_once_for_each_place_and_not_again_in_a_replay(mode):
    world = World([race(any_of, again=3)], mode=mode)
    world.deliver(world.start("orch"), time=0)
    world.deliver(raised("E"), time=60)
    for number in range(3):
        world.deliver(completed(number + 1), time=61 + number)
        world.drop()
    first, second = (found.position for found in notes(world, "DH6144"))
    assert first != second


def test_each_instance_is_reported(mode):
    world = World([race(any_of)], mode=mode)
    for instance_id in "ab":
        world.deliver(world.start("orch", instance_id=instance_id), instance_id=instance_id)
        world.deliver(raised("E"), instance_id=instance_id, time=60)
    assert [found.instance_id for found in notes(world, "DH6144")] == ["a", "b"]


def test_a_timer_of_six_days_is_cancelled_without_a_word(mode):
    world = World([race(any_of, days=6)], mode=mode)
    world.deliver(world.start("orch"), time=0)
    assert decided(world.deliver(raised("E"), time=60)) == ["#1 Completed"]
    assert not notes(world, "DH6144")


def test_a_long_timer_without_a_wait_delays_nothing(mode):
    def orch(context):
        timer = context.create_timer(context.current_utc_datetime + timedelta(days=14))
        timer.cancel()
        yield context.wait_for_external_event("E")

    world = World([orch], mode=mode)
    world.deliver(world.start("orch"), time=0)
    assert decided(world.deliver(raised("E"), time=60)) == ["#0 Completed"]
    assert not notes(world, "DH6144")


def test_a_long_timer_cancelled_before_the_wait_is_reported_too(mode):
    def orch(context):
        timer = context.create_timer(context.current_utc_datetime + timedelta(days=14))
        timer.cancel()
        yield context.task_any([timer, context.wait_for_external_event("E")])

    world = World([orch], mode=mode)
    world.deliver(world.start("orch"), time=0)
    [found] = notes(world, "DH6144")
    assert "stays Running until 2026-01-04T00:00:00Z" in found.text


def test_cancelling_a_long_timer_that_has_fired_is_refused_as_ever(mode):
    def orch(context):
        timer = context.create_timer(context.current_utc_datetime + timedelta(days=7))
        yield timer
        try:
            timer.cancel()
        except Exception as error:
            return str(error)

    world = World([orch], mode=mode)
    world.messages.append(world.start("orch"))
    world.play()
    assert world.result == "Cannot cancel a completed task."
    assert not world.diagnostics or mode == "one_shot"


def due(time):
    def orch(context):
        yield context.create_timer(time)

    return orch


@pytest.mark.parametrize(
    ("zone", "seconds", "told"),
    [
        (EAST, 5 * 3600, "offset +05:00. The SDK drops the offset, in Azure as well, so the timer fires at "
         "2026-01-01T06:00:00Z instead of 2026-01-01T01:00:00Z: 5 hours too late"),
        (WEST, -5 * 3600, "fires at 2025-12-31T20:00:00Z instead of 2026-01-01T01:00:00Z: 5 hours too early"),
    ],
)  # fmt: skip
def test_the_offset_of_a_due_time_is_dropped_with_a_warning(mode, zone, seconds, told):
    in_one_hour = datetime(2026, 1, 1, 1, tzinfo=timezone.utc).astimezone(zone)
    world = World([due(in_one_hour)], mode=mode)
    world.deliver(world.start("orch"), time=0)
    [created] = [event for event in world.history() if event.event_name == "TimerCreated"]
    assert (created.fire_at - START) // SECOND == 3600 + seconds
    [found] = notes(world, "DH6145")
    assert told in found.text
    assert "due.astimezone(timezone.utc)" in found.text
    assert found.position == f"{__file__}:{line_with('yield context.create_timer(time)')} in orch"
    assert found.once == ("DH6145", found.position)


def test_a_due_time_with_an_offset_is_not_reported_again_in_a_replay(mode):
    def orch(context):
        yield context.create_timer(context.current_utc_datetime.astimezone(EAST))
        yield context.wait_for_external_event("E")

    world = World([orch], mode=mode)
    world.deliver(world.start("orch"), time=0)
    world.drop()
    world.deliver(fired(0), time=5 * 3600)
    world.drop()
    world.deliver(raised("E"), time=5 * 3600 + 1)
    assert len(notes(world, "DH6145")) == 1


def test_a_long_timer_with_an_offset_is_reported_too(mode):
    world = World([due(datetime(2026, 1, 11, tzinfo=EAST))], mode=mode)
    world.deliver(world.start("orch"), time=0)
    world.deliver(fired(0), time=3 * DAYS)
    world.deliver(fired(1), time=6 * DAYS)
    assert decided(world.outcomes[-1]) == [f"#2 timer {10 * DAYS}"]
    assert len(notes(world, "DH6145")) == 1


@pytest.mark.parametrize("zone", [timezone.utc, timezone(timedelta(0), "GMT")])
def test_a_due_time_in_utc_gets_no_warning(mode, zone):
    world = World([due(datetime(2026, 1, 1, 1, tzinfo=zone))], mode=mode)
    world.deliver(world.start("orch"), time=0)
    assert not notes(world, "DH6145")


def test_a_due_time_without_time_zone_fails_as_in_azure(mode):
    world = World([due(datetime(2026, 1, 1, 1))], mode=mode)
    world.deliver(world.start("orch"), time=0)
    assert world.history()[-2].result == (
        "Orchestrator function 'orch' failed: can't compare offset-naive and offset-aware datetimes"
    )
