"""External events that the 1.x SDK loses or duplicates are delivered as in Azure, with one warning."""

import pytest
from engine_world import World, completed, raised

from durable_host.durable.engine import diagnostic as codes

MODES = ["live", "cold", "one_shot"]


def two_waits_after_work(context):
    yield context.call_activity("A")
    first = yield context.wait_for_external_event("E")
    second = yield context.wait_for_external_event("E")
    return [first, second]


def told(world):
    return [(each.code, each.event_name) for each in world.diagnostics]


@pytest.mark.parametrize("mode", MODES)
def test_two_early_events_of_one_name_lose_the_first_and_double_the_last(mode):
    world = World([two_waits_after_work], mode=mode)
    world.deliver(world.start("two_waits_after_work"))
    world.deliver(raised("E", 1), time=1)
    world.deliver(raised("E", 2), time=2)
    world.deliver(completed(0), time=3)
    assert world.result == [2, 2]
    assert told(world) == [(codes.EARLY_EVENT_LOST, "E"), (codes.EARLY_EVENT_DOUBLED, "E")]
    assert world.diagnostics[0].instance_id == "inst1"


@pytest.mark.parametrize("mode", MODES)
def test_one_early_event_serves_two_waits_but_the_instance_ends_with_the_next_one(mode):
    world = World([two_waits_after_work], mode=mode)
    world.deliver(world.start("two_waits_after_work"))
    assert not world.deliver(raised("E", 1), completed(0), time=1).is_terminal
    assert told(world) == [(codes.EARLY_EVENT_DOUBLED, "E"), (codes.HELD_BACK, None)]
    assert world.deliver(raised("E", 2), time=2).is_terminal
    assert world.result == [1, 1]


@pytest.mark.parametrize("mode", MODES)
def test_an_event_after_the_end_of_the_code_is_no_second_early_one(mode):
    def orch(context):
        yield context.task_any([context.call_activity("A"), context.call_activity("B")])

    world = World([orch], mode=mode)
    world.deliver(world.start("orch"))
    world.deliver(raised("E", 1), completed(0), raised("E", 2), raised("E", 3), time=1)
    world.deliver(completed(1), time=2)
    assert told(world) == [(codes.EVENT_NEVER_CONSUMED, "E")]


@pytest.mark.parametrize("mode", MODES)
def test_a_name_that_differs_in_case_is_not_delivered(mode):
    def orch(context):
        return (yield context.wait_for_external_event("Approval"))

    world = World([orch], mode=mode)
    world.deliver(world.start("orch"))
    world.deliver(raised("approval", 1), time=1)
    assert told(world) == [(codes.EVENT_CASE_DIFFERS, "approval")]
    assert "'Approval'" in world.diagnostics[0].text
    world.deliver(raised("Approval", 2), time=2)
    assert world.result == 2
    assert told(world) == [(codes.EVENT_CASE_DIFFERS, "approval"), (codes.EVENT_NEVER_CONSUMED, "approval")]


def test_an_early_event_in_a_different_case_is_reported_when_the_wait_begins():
    def orch(context):
        yield context.call_activity("A")
        yield context.wait_for_external_event("Approval")

    world = World([orch])
    world.deliver(world.start("orch"))
    world.deliver(raised("APPROVAL", 1), time=1)
    assert told(world) == []
    world.deliver(completed(0), time=2)
    assert told(world) == [(codes.EVENT_CASE_DIFFERS, "APPROVAL")]


@pytest.mark.parametrize("mode", MODES)
def test_an_event_in_a_different_case_is_reported_once_for_repeated_waits(mode):
    def orch(context):
        for _ in range(3):
            yield context.wait_for_external_event("Approval")

    world = World([orch], mode=mode)
    world.deliver(world.start("orch"))
    world.deliver(raised("approval", 1), time=1)
    world.deliver(raised("Approval", 2), time=2)
    world.deliver(raised("Approval", 3), time=3)
    assert told(world) == [(codes.EVENT_CASE_DIFFERS, "approval")]


def test_an_event_that_was_never_consumed_is_reported_at_the_end():
    def orch(context):
        yield context.call_activity("A")

    world = World([orch])
    world.deliver(world.start("orch"))
    world.deliver(raised("E", 1), time=1)
    world.deliver(completed(0), time=2)
    assert told(world) == [(codes.EVENT_NEVER_CONSUMED, "E")]


@pytest.mark.parametrize("mode", MODES)
def test_waits_of_one_name_are_served_newest_first(mode):
    def orch(context):
        first, second = context.wait_for_external_event("E"), context.wait_for_external_event("E")
        winner = yield context.task_any([first, second])
        return ["second" if winner == second else "first", winner.result]

    world = World([orch], mode=mode)
    world.deliver(world.start("orch"))
    world.deliver(raised("E", "x"), time=1)
    assert world.result == ["second", "x"]
    assert told(world) == []


def test_a_restart_does_not_warn_again():
    world = World([two_waits_after_work])
    world.deliver(world.start("two_waits_after_work"))
    world.deliver(raised("E", 1), time=1)
    world.deliver(raised("E", 2), time=2)
    world.drop()
    world.deliver(raised("F", 2), time=3)
    assert told(world) == [(codes.EARLY_EVENT_LOST, "E")]
