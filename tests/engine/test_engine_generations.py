"""Continue-as-new: what the next generation begins with, what is carried over and what is lost."""

import pytest
from engine_world import World, completed, decided, failed, fired, raised

from durable_host.durable.engine import diagnostic as codes
from durable_host.durable.engine.options import EngineOptions
from durable_host.durable.model.events import OrchestrationInstance, ParentInstance, TraceContext

MODES = ["live", "cold", "one_shot"]


def eternal(context):
    number = context.get_input()
    event = yield context.wait_for_external_event("next")
    if event == "stop":
        return number
    context.continue_as_new(number + 1)


@pytest.mark.parametrize("mode", MODES)
def test_a_thousand_generations_do_not_grow(mode):
    world = World([eternal], mode=mode)
    world.deliver(world.start("eternal", 0))
    count = 1000 if mode == "live" else 50
    for number in range(count):
        world.deliver(raised("next", "go"), time=number)
        assert len(world.history()) == 3
    world.deliver(raised("next", "stop"), time=count)
    assert world.result == count


@pytest.mark.parametrize("mode", MODES)
def test_events_behind_the_one_that_continued_are_carried_over(mode):
    world = World([eternal], mode=mode)
    world.deliver(world.start("eternal", 0))
    outcome = world.deliver(*(raised("next", "go") for _ in range(3)), raised("next", "stop"), time=1)
    assert outcome.is_terminal
    assert world.result == 3
    assert not world.diagnostics
    assert world.names()[:4] == ["OrchestratorStarted", "ExecutionStarted", "EventRaised", "OrchestratorCompleted"]


@pytest.mark.parametrize("mode", MODES)
def test_waiting_events_that_are_all_carried_over_are_not_reported(mode):
    world = World([eternal], mode=mode)
    world.deliver(world.start("eternal", 0))
    world.drop()
    world.deliver(*(raised("next", "go") for _ in range(6)), time=1)
    assert world.names() == ["OrchestratorStarted", "ExecutionStarted", "OrchestratorCompleted"]
    assert world.history()[1].input == '"6"'
    assert not world.diagnostics


@pytest.mark.parametrize("mode", MODES)
def test_an_event_that_comes_while_the_next_generation_has_to_wait_is_carried_over(mode):
    def orch(context):
        if context.get_input() == 1:
            return (yield context.wait_for_external_event("E"))
        try:
            yield context.task_all([context.call_activity("Slow"), context.call_activity("Fails")])
        except Exception:
            context.continue_as_new(1)

    world = World([orch], mode=mode)
    world.deliver(world.start("orch", 0))
    world.deliver(failed(1), time=1)
    world.deliver(raised("E", "lost?"), raised("E", "too late"), time=2)
    assert world.deliver(completed(0), time=3).is_terminal
    assert world.result == "lost?"
    assert codes.EARLY_EVENT_LOST not in [each.code for each in world.diagnostics]


@pytest.mark.parametrize("mode", MODES)
def test_early_events_that_nobody_awaited_are_lost_with_a_warning(mode):
    world = World([eternal], mode=mode)
    world.deliver(world.start("eternal", 0))
    world.deliver(raised("other", 1), time=1)
    world.deliver(raised("next", "go"), time=2)
    assert [each.code for each in world.diagnostics] == [codes.EVENT_NEVER_CONSUMED]
    assert world.diagnostics[0].event_name == "other"
    assert "EventRaised" not in world.names()


@pytest.mark.parametrize("mode", MODES)
def test_an_open_task_delays_the_switch_and_later_events_are_carried(mode):
    def orch(context):
        if context.get_input() == 1:
            return (yield context.wait_for_external_event("E"))
        slow = context.call_activity("Slow")
        yield context.task_any([slow, context.wait_for_external_event("E")])
        context.continue_as_new(1)

    world = World([orch], mode=mode)
    world.deliver(world.start("orch", 0))
    assert not world.deliver(raised("E", "first"), time=1).is_terminal
    assert world.state().execution_id == world.history()[1].orchestration_instance.execution_id
    world.deliver(raised("E", "second"), time=2)
    assert world.deliver(completed(0), time=3).is_terminal
    assert world.result == "second"


def test_name_version_tags_parent_and_trace_are_kept():
    def orch(context):
        if context.get_input() == 0:
            context.continue_as_new(1)
            return None
        return "end"

    parent = ParentInstance("P", OrchestrationInstance("p", "e" * 32), 7)
    world = World([orch], options=EngineOptions(version_match="None"))
    start = world.start(
        "orch", 0, version="3", tags={"a": "b"}, parent_instance=parent, generation=4,
        parent_trace_context=TraceContext("00-1-2-01"), scheduled_start_time=world.now,
    )  # fmt: skip
    outcome = world.deliver(start)
    event = world.history()[1]
    assert (event.name, event.version, event.tags, event.parent_instance) == ("orch", "3", {"a": "b"}, parent)
    assert event.parent_trace_context == TraceContext("00-1-2-01")
    assert (event.generation, event.scheduled_start_time, event.input) == (None, None, '"1"')
    assert outcome.replaced_execution_id is None
    assert outcome.update.started == event
    assert [message.event.event_name for message in world.sent] == ["SubOrchestrationInstanceCompleted"]


@pytest.mark.parametrize("mode", MODES)
def test_custom_status_survives_into_the_first_episode_of_the_next_generation(mode):
    def orch(context):
        if context.get_input() == 0:
            context.set_custom_status("old")
            context.continue_as_new(1)
            return
        yield context.call_activity("A")
        yield context.call_activity("B")

    world = World([orch], mode=mode)
    world.deliver(world.start("orch", 0))
    assert world.custom_status["inst1"] == '"old"'
    world.deliver(completed(0), time=1)
    assert world.custom_status["inst1"] == "null"


@pytest.mark.parametrize("mode", MODES)
def test_timers_of_an_old_generation_are_dropped(mode):
    def orch(context):
        yield context.wait_for_external_event("next")
        context.continue_as_new(0)

    world = World([orch], mode=mode)
    start = world.start("orch", 0)
    world.deliver(start)
    world.deliver(raised("next", 1), time=1)
    stale = type(start)(event=fired(0), target=start.target)
    before = list(world.history())
    outcome = world.deliver(stale, time=2)
    assert (decided(outcome), list(outcome.new_events), world.history()) == ([], [], before)


def test_activities_of_each_generation_are_numbered_from_zero():
    def orch(context):
        yield context.call_activity("A", context.get_input())
        context.continue_as_new(context.get_input() + 1)

    world = World([orch])
    world.deliver(world.start("orch", 0))
    for number in range(3):
        assert decided(world.deliver(completed(0), time=number + 1)) == ["#0 A"]
    assert len({message.target.execution_id for message in world.sent}) == 4
