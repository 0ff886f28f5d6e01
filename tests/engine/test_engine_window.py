"""The number of outstanding activities of an instance is limited; the others keep their numbers and follow."""

import pytest
from engine_world import World, completed, decided, failed

from durable_host.durable.engine.options import EngineOptions

MODES = ["live", "cold", "one_shot"]


def fan(context):
    tasks = [context.call_activity("A", number) for number in range(5)]
    tasks.append(context.create_timer(context.current_utc_datetime))
    yield context.task_all(tasks)
    yield context.call_activity("B")


@pytest.mark.parametrize("mode", MODES)
def test_held_activities_follow_as_answers_come_in(mode):
    world = World([fan], mode=mode, options=EngineOptions(activity_window=2))
    outcome = world.deliver(world.start("fan"))
    assert (decided(outcome), outcome.held_back) == (["#0 A", "#1 A", "#5 timer 0"], 3)
    outcome = world.deliver(completed(1), time=1)
    assert (decided(outcome), outcome.held_back) == (["#2 A"], 2)
    outcome = world.deliver(completed(0), completed(2), time=2)
    assert (decided(outcome), outcome.held_back) == (["#3 A", "#4 A"], 0)
    assert decided(world.deliver(completed(3), completed(4), time=3)) == []


@pytest.mark.parametrize("mode", MODES)
def test_another_host_without_a_window_schedules_the_rest(mode):
    world = World([fan], mode=mode, options=EngineOptions(activity_window=2))
    world.deliver(world.start("fan"))
    world.drop()
    world.options = EngineOptions()
    assert decided(world.deliver(completed(1), time=1)) == ["#2 A", "#3 A", "#4 A"]


def test_a_failed_orchestration_still_runs_what_it_held():
    def orch(context):
        try:
            yield context.task_all([context.call_activity("A", number) for number in range(3)])
        finally:
            raise ValueError("over")

    world = World([orch], options=EngineOptions(activity_window=1))
    world.deliver(world.start("orch"))
    assert decided(world.deliver(failed(0), time=1)) == ["#1 A"]
    assert decided(world.deliver(completed(1), time=2)) == ["#2 A"]
    assert decided(world.deliver(completed(2), time=3)) == ["#3 Failed"]
