"""How orchestrations end: output, errors, termination, suspension, the instance's row."""

import json
from datetime import datetime, timedelta

import azure.durable_functions as df
import pytest
from engine_world import World, completed, decided, fired, raised
from msgspec.structs import replace

from durable_host.durable.engine.options import EngineOptions
from durable_host.durable.model.events import (
    ExecutionResumed,
    ExecutionSuspended,
    ExecutionTerminated,
    OrchestrationInstance,
    ParentInstance,
    SubOrchestrationInstanceCompleted,
)
from durable_host.durable.model.status import OrchestrationStatus

MODES = ["live", "cold", "one_shot"]


def ending(world):
    event = world.history()[-2]
    assert event.event_name == "ExecutionCompleted"
    return event.orchestration_status.name, event.result


def plain_raise(context):
    raise ValueError("plain")


def raises_after_call(context):
    yield context.call_activity("A", 1)
    raise RuntimeError("user bug")


def raises_nothing(context):
    yield context.call_activity("A", 1)
    raise KeyError


def not_serialisable(context):
    return datetime(2026, 1, 1)


def yields_number(context):
    yield 5


async def asynchronous(context):
    return 1


def plain_value(context):
    return {"a": [1, "é"]}


def not_a_number(context):
    return float("nan")


def returns_a_set(context):
    yield context.call_activity("A")
    return {1, 2}


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(
    ("orchestrator", "status", "result"),
    [
        (plain_raise, "Failed", "Orchestrator function 'plain_raise' failed: ValueError: plain"),
        (raises_after_call, "Failed", "Orchestrator function 'raises_after_call' failed: user bug"),
        (raises_nothing, "Failed", "Orchestrator function 'raises_nothing' failed: <class 'KeyError'>"),
        (
            not_serialisable,
            "Failed",
            "Orchestrator function 'not_serialisable' failed: Object of type datetime is not JSON serializable",
        ),
        (
            returns_a_set,
            "Failed",
            "Orchestrator function 'returns_a_set' failed: Object of type set is not JSON serializable",
        ),
        (
            yields_number,
            "Failed",
            "Orchestrator function 'yields_number' failed: AttributeError: 'int' object has no attribute "
            "'_is_scheduled'",
        ),
        (
            asynchronous,
            "Failed",
            "Orchestrator function 'asynchronous' failed: Object of type coroutine is not JSON serializable",
        ),
        (plain_value, "Completed", '{"a":[1,"\\u00e9"]}'),
        (not_a_number, "Completed", "NaN"),
    ],
)
@pytest.mark.filterwarnings("ignore:coroutine")
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_the_text_of_an_ending(mode, orchestrator, status, result):
    world = World([orchestrator], mode=mode)
    outcome = world.deliver(world.start(orchestrator.__name__))
    if outcome.outbound:
        outcome = world.deliver(completed(0), time=1)
    assert ending(world) == (status, result)
    assert outcome.is_terminal
    assert outcome.update.runtime_status is OrchestrationStatus[status]
    assert outcome.update.output == result


def test_an_async_orchestrator_is_explained():
    world = World([asynchronous])
    world.deliver(world.start("asynchronous"))
    assert "'async def'" in world.diagnostics[0].text


def test_an_error_after_continue_as_new_fails_the_instance():
    def orch(context):
        yield context.call_activity("A")
        context.continue_as_new(1)
        raise ValueError("late")

    world = World([orch])
    world.deliver(world.start("orch"))
    world.deliver(completed(0), time=1)
    assert ending(world) == ("Failed", "Orchestrator function 'orch' failed: late")


@pytest.mark.parametrize("mode", MODES)
def test_a_failed_orchestration_waits_for_what_is_open(mode):
    def orch(context):
        yield context.task_any([context.call_activity("A"), context.call_activity("B")])
        raise ValueError("boom")

    world = World([orch], mode=mode)
    world.deliver(world.start("orch"))
    assert decided(world.deliver(completed(1), time=1)) == []
    assert decided(world.deliver(completed(0), time=2)) == ["#2 Failed"]


def test_a_child_reports_its_failure_with_details():
    world = World([raises_after_call])
    parent = ParentInstance("Parent", OrchestrationInstance("p", "e" * 32), 4)
    world.deliver(world.start("raises_after_call", parent_instance=parent))
    world.deliver(completed(0), time=1)
    told = world.sent[-1]
    assert told.target == OrchestrationInstance("p", "e" * 32)
    assert told.event.event_name == "SubOrchestrationInstanceFailed"
    assert told.event.task_scheduled_id == 4
    assert told.event.reason == "Orchestrator function 'raises_after_call' failed: user bug"
    assert told.event.details.startswith("Message: user bug, StackTrace: ")
    assert "raises_after_call" in told.event.details


def waits(context):
    value = yield context.wait_for_external_event("E")
    context.set_custom_status("after")
    yield context.call_activity("A", value)
    return value


@pytest.mark.parametrize("mode", MODES)
def test_termination_ends_at_once_with_open_tasks(mode):
    parent = ParentInstance("Parent", OrchestrationInstance("p", "e" * 32), 4)
    world = World([waits], mode=mode)
    world.deliver(world.start("waits", parent_instance=parent))
    world.deliver(raised("E", 1), time=1)
    outcome = world.deliver(ExecutionTerminated(input="enough"), time=2)
    assert world.names()[-4:] == [
        "OrchestratorStarted", "ExecutionTerminated", "ExecutionCompleted", "OrchestratorCompleted",
    ]  # fmt: skip
    assert ending(world) == ("Terminated", "enough")
    assert world.history()[-2].event_id == 1
    assert (outcome.update.runtime_status, outcome.update.output) == (OrchestrationStatus.Terminated, "enough")
    assert (world.sent[-1].event.event_name, world.sent[-1].event.reason) == (
        "SubOrchestrationInstanceFailed", "enough",
    )  # fmt: skip


def test_recursive_termination_ends_the_children_that_run():
    def orch(context):
        yield context.call_sub_orchestrator("waits", None, "done")
        yield context.task_all([context.call_sub_orchestrator("waits", None, "c1"), context.call_activity("A", 1)])

    world = World([orch, waits])
    world.deliver(world.start("orch"))
    world.deliver(SubOrchestrationInstanceCompleted(task_scheduled_id=0, result="1"), time=1)
    outcome = world.deliver(ExecutionTerminated(input="enough", recurse=True), time=2)
    assert ending(world) == ("Terminated", "enough")
    assert [(one.target.instance_id, one.event.input, one.event.recurse) for one in outcome.outbound] == [
        ("c1", "enough", True)
    ]


def test_termination_in_the_first_batch_runs_no_code():
    world = World([waits])
    world.deliver(world.start("waits"), ExecutionTerminated(input="no"))
    assert ending(world) == ("Terminated", "no")
    assert not world.answers


def test_termination_wins_over_continue_as_new():
    def orch(context):
        yield context.wait_for_external_event("E")
        context.continue_as_new(None)

    world = World([orch])
    world.deliver(world.start("orch"))
    world.deliver(raised("E", 1), ExecutionTerminated(input="stop"), time=1)
    assert ending(world) == ("Terminated", "stop")


@pytest.mark.parametrize("mode", MODES)
def test_a_suspended_instance_does_nothing_until_it_is_resumed(mode):
    world = World([waits], mode=mode)
    world.deliver(world.start("waits"))
    outcome = world.deliver(ExecutionSuspended(reason="pause"), time=1)
    assert (outcome.update.runtime_status, outcome.update.output) == (OrchestrationStatus.Suspended, "pause")
    answers = len(world.answers)
    outcome = world.deliver(raised("E", 1), time=2)
    assert (outcome.row_changed, decided(outcome), len(world.answers)) == (False, [], answers)
    assert world.state().is_suspended
    outcome = world.deliver(ExecutionResumed(reason="go"), time=3)
    assert (outcome.update.runtime_status, outcome.update.output) == (OrchestrationStatus.Running, "go")
    assert decided(outcome) == ["#0 A"]
    assert decided(world.deliver(completed(0), time=4)) == ["#1 Completed"]
    assert all(event.is_played for event in world.history() if event.event_name in {"EventRaised", "TaskCompleted"})


@pytest.mark.parametrize("mode", ["live", "cold"])
def test_code_run_after_a_suspension_is_not_replaying(mode):
    seen = []

    def orch(context):
        yield context.wait_for_external_event("E")
        seen.append(context.is_replaying)
        yield context.call_activity("A")

    world = World([orch], mode=mode)
    world.deliver(world.start("orch"))
    world.deliver(ExecutionSuspended(), time=1)
    world.deliver(raised("E", 1), time=2)
    world.deliver(ExecutionResumed(), time=3)
    assert seen == [False]
    world.drop()
    world.deliver(completed(0), time=4)
    assert seen == [False, True]


def test_suspend_and_resume_in_one_batch_change_nothing():
    world = World([waits])
    world.deliver(world.start("waits"))
    outcome = world.deliver(ExecutionSuspended(), raised("E", 1), ExecutionResumed(), time=1)
    assert decided(outcome) == ["#0 A"]


def test_termination_works_while_suspended():
    world = World([waits])
    world.deliver(world.start("waits"))
    world.deliver(ExecutionSuspended(), time=1)
    world.deliver(ExecutionTerminated(input="x"), time=2)
    assert ending(world) == ("Terminated", "x")


@pytest.mark.parametrize("mode", MODES)
def test_custom_status_vanishes_when_the_code_no_longer_sets_it(mode):
    def orch(context):
        context.set_custom_status({"stage": 1})
        yield context.call_activity("A")
        context.set_custom_status(None)
        yield context.call_activity("B")

    world = World([orch], mode=mode)
    outcome = world.deliver(world.start("orch"))
    assert (outcome.update.custom_status, outcome.row_changed) == ('{"stage":1}', True)
    outcome = world.deliver(completed(0), time=1)
    assert (outcome.update.custom_status, outcome.row_changed) == ("null", True)


def test_a_row_with_nothing_new_but_its_time_is_not_changed():
    def orch(context):
        yield context.call_activity("A")
        yield context.call_activity("B")

    world = World([orch])
    assert world.deliver(world.start("orch")).row_changed
    outcome = world.deliver(completed(0), time=1)
    assert not outcome.row_changed
    assert outcome.update.last_updated_time == world.history()[-1].timestamp


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(("length", "size"), [(8_190, None), (9_000, 17), (20_000, 39)])
def test_custom_status_over_16_kb_fails_the_instance(mode, length, size):
    def orch(context):
        context.set_custom_status("x" * length)
        yield context.call_activity("A")

    world = World([orch], mode=mode)
    outcome = world.deliver(world.start("orch"))
    if size is None:
        assert decided(outcome) == ["#0 A"]
        return
    assert ending(world) == (
        "Failed",
        "Orchestrator function 'orch' failed: The UTF-16 size of the JSON-serialized payload must not exceed 16 KB. "
        f"The current payload size is {size} KB.",
    )


def test_times_of_the_orchestration_never_run_backwards():
    def orch(context):
        first = context.current_utc_datetime
        yield context.call_activity("A")
        yield context.create_timer(context.current_utc_datetime + timedelta(seconds=1))
        return context.current_utc_datetime >= first

    world = World([orch])
    world.deliver(world.start("orch"), time=10)
    assert decided(world.deliver(completed(0), time=5)) == ["#1 timer 11"]
    world.deliver(fired(1), time=11)
    assert ending(world) == ("Completed", "true")


def test_input_reaches_the_code_as_the_protocol_has_it():
    def orch(context):
        return context.get_input()

    for stored, expected in (('"{\\"a\\": 1}"', {"a": 1}), ('{"a": 1}', {"a": 1}), (None, None)):
        world = World([orch])
        message = world.start("orch")
        world.deliver(replace(message, event=replace(message.event, input=stored)))
        assert json.loads(ending(world)[1] or "null") == expected


def test_a_timer_with_an_uncancelled_wait_does_not_hold_the_instance():
    def orch(context):
        yield context.task_any([context.wait_for_external_event("E"), context.call_activity("A")])
        return "done"

    world = World([orch])
    world.deliver(world.start("orch"))
    world.deliver(completed(0), time=1)
    assert ending(world) == ("Completed", '"done"')


def test_decorated_orchestrators_run_live():
    app = df.DFApp()

    @app.orchestration_trigger(context_name="context")
    def decorated(context: df.DurableOrchestrationContext):
        yield context.call_activity("A")
        return context.version

    handle = app.get_functions()[0].get_user_function()
    world = World([], handles={"decorated": handle}, options=EngineOptions(version_match="None"))
    world.deliver(world.start("decorated", version="1.0"))
    world.deliver(completed(0), time=1)
    assert ending(world) == ("Completed", '"1.0"')
    assert [("payload" in request) for request in world.calls.requests] == [True, False]
