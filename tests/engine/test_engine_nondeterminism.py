"""Code changes while instances run are detected, with a helpful text."""

import azure.durable_functions as df
import pytest
from engine_world import World, completed, raised

from durable_host.durable.engine import diagnostic as codes
from durable_host.durable.model.events import GenericEvent

QUESTION = "Was a change made to the orchestrator code after this instance had already started running?"
PAST = "Non-Deterministic workflow detected: A previous execution of this orchestration scheduled"


def calls_activity(context):
    yield context.call_activity("X")
    yield context.call_activity("Y")


def calls_other(context):
    yield context.call_activity("Other")


def calls_upper(context):
    yield context.call_activity("x", "another input")
    yield context.call_activity("Y")


def makes_timer(context):
    yield context.create_timer(context.current_utc_datetime)


def waits(context):
    yield context.wait_for_external_event("E")


def returns(context):
    return 1


def calls_child(context):
    yield context.call_sub_orchestrator("child", None, "kid", "V")


def calls_entity(context):
    yield context.call_entity(df.EntityId("counter", "k1"), "get")


def child(context):
    return 1


CASES = [
    (calls_activity, waits, f"{PAST} an activity task with sequence ID 0 and name 'X' (version ''), but the current "
     f"replay execution hasn't (yet?) scheduled this task. {QUESTION}"),
    (calls_activity, makes_timer, f"{PAST} an activity task with sequence number 0 named 'X', but the current "
     f"orchestration replay instead produced a CreateTimerOrchestratorAction action with this sequence number. "
     f"{QUESTION}"),
    (calls_activity, calls_other, f"{PAST} an activity task with sequence number 0 named 'X', but the current "
     f"orchestration replay instead scheduled an activity task named 'Other' with this sequence number.  {QUESTION}"),
    (calls_activity, returns, f"{PAST} an activity task with sequence number 0 named 'X', but the current "
     f"orchestration replay instead produced a OrchestrationCompleteOrchestratorAction action with this sequence "
     f"number. {QUESTION}"),
    (makes_timer, waits, f"{PAST} a timer task with sequence number 0 but the current replay execution hasn't (yet?) "
     f"scheduled this task. {QUESTION}"),
    (calls_child, waits, f"{PAST} a sub-orchestration task with sequence ID 0 and name 'child' (version 'V', instance "
     f"ID 'kid'), but the current replay execution hasn't (yet?) scheduled this task. {QUESTION}"),
    (calls_entity, waits, f"{PAST} a send event task with sequence ID 0, type 'EventSent' name 'op', instance ID "
     f"'@counter@k1', but the current replay execution hasn't (yet?) scheduled this task. {QUESTION}"),
]  # fmt: skip


@pytest.mark.parametrize("mode", ["cold", "one_shot"])
@pytest.mark.parametrize(("before", "after", "text"), CASES)
def test_a_changed_orchestrator_fails_with_the_reference_text(mode, before, after, text):
    entities = {"counter": lambda context: None}
    world = World({"orch": before, "child": child}, entities=entities, mode=mode)
    world.deliver(world.start("orch"))
    changed = World({"orch": after, "child": child}, entities=entities, mode=mode)
    changed.committed = world.committed
    changed.deliver(raised("unrelated", 1), time=1)
    assert changed.history()[-2].result == text
    found = changed.diagnostics[-1]
    assert (found.code, found.severity, found.history_index) == (codes.NON_DETERMINISM, "error", 2)
    if mode == "cold" and after is waits:
        assert found.position.startswith(f"{__file__}:")
        assert found.position.endswith(" in waits")


def test_inputs_and_the_case_of_names_may_change():
    world = World({"orch": calls_activity})
    world.deliver(world.start("orch"))
    changed = World({"orch": calls_upper})
    changed.committed = world.committed
    changed.deliver(completed(0), time=1)
    assert changed.names()[-2] == "TaskScheduled"


def test_a_rewound_history_schedules_its_failed_activity_again_under_the_same_number():
    world = World({"orch": calls_activity})
    world.deliver(world.start("orch"))
    world.deliver(completed(0), time=1)
    history = world.history()
    assert history[6].event_id == 1
    history[6] = GenericEvent(event_id=1, timestamp=history[6].timestamp, reason="Rewound: TaskScheduled")
    world.drop()
    outcome = world.deliver(GenericEvent(data="try again"), time=2)
    assert [event.event_name for event in outcome.new_events] == [
        "OrchestratorStarted", "GenericEvent", "TaskScheduled", "OrchestratorCompleted",
    ]  # fmt: skip
    assert outcome.new_events[2].event_id == 1
    assert [message.event.event_id for message in world.sent] == [0, 1, 1]


def test_duplicate_completions_are_ignored():
    world = World({"orch": calls_activity})
    world.deliver(world.start("orch"))
    world.deliver(completed(0), completed(0), time=1)
    world.deliver(completed(0), time=2)
    world.deliver(completed(1), time=3)
    assert world.names()[-2] == "ExecutionCompleted"
