"""The worked traces, through the real SDK. Source: docs/protocol/durable-traces.md#worked-traces"""

import json
from datetime import datetime, timedelta, timezone

import azure.durable_functions as df
import pytest
from engine_world import (
    DAY,
    SECOND,
    START,
    World,
    at,
    child_completed,
    child_failed,
    completed,
    decided,
    failed,
    fired,
    raised,
    shapes,
)

from durable_host.durable.model.status import OrchestrationStatus

MODES = ["live", "cold", "one_shot"]
pytestmark = pytest.mark.parametrize("mode", MODES)


def actions(world):
    return shapes([step.action for step in world.answers[-1].steps][-1:])


def test_trace_1_sequential(mode):
    def orch(context):
        a = yield context.call_activity("Hello", "Tokyo")
        b = yield context.call_activity("Hello", {"city": "Seattle"})
        return [a, b]

    world = World([orch], mode=mode)
    assert decided(world.deliver(world.start("orch"), time=0)) == ["#0 Hello"]
    assert world.sent[0].event.input == '["\\"Tokyo\\""]'
    assert decided(world.deliver(completed(0, "Hello Tokyo"), time=1)) == ["#1 Hello"]
    assert world.sent[1].event.input == '["{\\"city\\": \\"Seattle\\"}"]'
    assert decided(world.deliver(completed(1, "Hello Seattle"), time=2)) == ["#2 Completed"]
    assert world.result == ["Hello Tokyo", "Hello Seattle"]
    assert world.names() == [
        "OrchestratorStarted", "ExecutionStarted", "TaskScheduled", "OrchestratorCompleted",
        "OrchestratorStarted", "TaskCompleted", "TaskScheduled", "OrchestratorCompleted",
        "OrchestratorStarted", "TaskCompleted", "ExecutionCompleted", "OrchestratorCompleted",
    ]  # fmt: skip
    assert [event.is_played for event in world.history()] == [
        False, True, False, False, False, True, False, False, False, True, False, False,
    ]  # fmt: skip


def test_trace_2_fan_out_and_in(mode):
    def orch(context):
        results = yield context.task_all([context.call_activity("A", i) for i in range(3)])
        return (yield context.call_activity("Sum", results))

    world = World([orch], mode=mode)
    assert decided(world.deliver(world.start("orch"), time=0)) == ["#0 A", "#1 A", "#2 A"]
    assert decided(world.deliver(completed(2, 20), time=1)) == []
    assert decided(world.deliver(completed(1, 10), time=2)) == []
    assert decided(world.deliver(completed(0, 0), time=3)) == ["#3 Sum"]
    assert world.sent[-1].event.input == '["[0, 10, 20]"]'
    assert decided(world.deliver(completed(3, 30), time=4)) == ["#4 Completed"]
    assert world.result == 30


def flaky(retries, interval=5000):
    def orch(context):
        try:
            yield context.call_activity_with_retry("Flaky", df.RetryOptions(interval, retries), "x")
            outcome = "ok"
        except Exception as error:
            outcome = f"caught {error}"
        yield context.call_activity("B", outcome)

    return orch


def test_trace_3_third_attempt_succeeds(mode):
    world = World([flaky(3)], mode=mode)
    assert decided(world.deliver(world.start("orch"), time=0)) == ["#0 Flaky"]
    assert decided(world.deliver(failed(0), time=1)) == ["#1 timer 6"]
    assert decided(world.deliver(fired(1), time=6)) == ["#2 Flaky"]
    assert decided(world.deliver(failed(2), time=7)) == ["#3 timer 12"]
    assert decided(world.deliver(fired(3), time=12)) == ["#4 Flaky"]
    assert decided(world.deliver(completed(4, 1), time=13)) == ["#5 B"]


def test_trace_4_retry_exhausted(mode):
    world = World([flaky(2)], mode=mode)
    world.deliver(world.start("orch"), time=0)
    assert decided(world.deliver(failed(0), time=1)) == ["#1 timer 6"]
    assert decided(world.deliver(fired(1), time=6)) == ["#2 Flaky"]
    assert decided(world.deliver(failed(2), time=7)) == ["#3 timer 7"]
    assert decided(world.deliver(fired(3), time=7)) == ["#4 B"]
    told = json.loads(world.sent[-1].event.input)[0]
    assert json.loads(told) == "caught Activity function 'Flaky' failed: ValueError: boom \n {}"


def test_trace_5_two_retried_activities_in_parallel(mode):
    def orch(context):
        return (
            yield context.task_all(
                [
                    context.call_activity_with_retry("F", df.RetryOptions(1000, 3), 0),
                    context.call_activity_with_retry("F", df.RetryOptions(2000, 3), 1),
                ]
            )
        )

    world = World([orch], mode=mode)
    assert decided(world.deliver(world.start("orch"), time=0)) == ["#0 F", "#1 F"]
    assert actions(world) == ["WhenAll[WhenAll[CallActivity], WhenAll[CallActivity]]"]
    assert decided(world.deliver(failed(0), failed(1), time=1)) == ["#2 timer 2", "#3 timer 3"]
    assert decided(world.deliver(fired(2), time=2)) == ["#4 F"]
    assert decided(world.deliver(fired(3), completed(4, 0), time=3)) == ["#5 F"]
    assert decided(world.deliver(completed(5, 1), time=4)) == ["#6 Completed"]
    assert world.result == [0, 1]


def race(cancel):
    def orch(context):
        timer = context.create_timer(context.current_utc_datetime + timedelta(seconds=30))
        event = context.wait_for_external_event("Approval")
        winner = yield context.task_any([timer, event])
        if cancel and winner == event:
            timer.cancel()
            yield context.call_activity("Done", True)
        return "done"

    return orch


def test_trace_6_event_wins_and_the_timer_is_cancelled(mode):
    world = World([race(cancel=True)], mode=mode)
    assert decided(world.deliver(world.start("orch"), time=0)) == ["#0 timer 30"]
    assert actions(world) == ["WhenAny[CreateTimer, WaitForExternalEvent]"]
    outcome = world.deliver(raised("Approval", True), time=5)
    assert decided(outcome) == ["#1 Done"]
    assert decided(world.deliver(completed(1), time=6)) == ["#2 Completed"]


def test_trace_7_uncancelled_timer_keeps_the_instance_running(mode):
    world = World([race(cancel=False)], mode=mode)
    world.deliver(world.start("orch"), time=0)
    assert decided(world.deliver(raised("Approval", True), time=5)) == []
    assert world.state().status is OrchestrationStatus.Running
    assert decided(world.deliver(fired(0), time=30)) == ["#1 Completed"]
    assert world.result == "done"


def test_trace_7_timeout_variant(mode):
    world = World([race(cancel=True)], mode=mode)
    world.deliver(world.start("orch"), time=0)
    assert decided(world.deliver(fired(0), time=30)) == ["#1 Completed"]


def test_trace_8_entity(mode):
    def orch(context):
        counter = df.EntityId("Counter", "k1")
        context.signal_entity(counter, "add", 1)
        value = yield context.call_entity(counter, "get")
        yield context.call_activity("A", value)
        return value

    world = World([orch], entities={"counter": lambda context: None}, mode=mode)
    outcome = world.deliver(world.start("orch"), time=0)
    assert decided(outcome) == ["#0 sent @counter@k1", "#1 sent @counter@k1"]
    signal, call = (json.loads(event.input) for event in outcome.new_events if event.event_name == "EventSent")
    assert signal["signal"] is True
    assert signal["op"] == "add"
    assert json.loads(signal["input"]) == "1"
    assert "signal" not in call
    assert call["parent"] == "inst1"
    assert call["parentExecution"] == world.state().execution_id
    assert (signal["Timestamp"], signal["Predecessor"]) == ("2026-01-01T00:00:00Z", "0001-01-01T00:00:00")
    assert (call["Timestamp"], call["Predecessor"]) == ("2026-01-01T00:00:00.0000001", "2026-01-01T00:00:00Z")
    assert signal["requestTime"] == call["requestTime"] == "2026-01-01T00:00:00+00:00"
    assert decided(world.deliver(raised(call["id"], {"result": "7"}), time=1)) == ["#2 A"]
    assert decided(world.deliver(completed(2), time=2)) == ["#3 Completed"]
    assert world.result == 7


def test_trace_8_failing_operation(mode):
    def orch(context):
        try:
            yield context.call_entity(df.EntityId("Counter", "k1"), "get")
        except Exception as error:
            return str(error)

    world = World([orch], entities={"counter": lambda context: None}, mode=mode)
    call = json.loads(world.deliver(world.start("orch"), time=0).new_events[2].input)
    world.deliver(raised(call["id"], {"result": '"bad thing"', "exceptionType": "Error"}), time=1)
    assert world.result == "bad thing"


def test_trace_9_sub_orchestrations(mode):
    def Child(context):  # noqa: N802
        return context.get_input()

    def orch(context):
        yield context.call_sub_orchestrator("Child", {"n": 1})
        yield context.call_sub_orchestrator("Child", {"n": 2}, "fixed-id", "2.0")

    world = World([orch, Child], mode=mode)
    execution = world.start("orch")
    own = execution.target.execution_id
    assert decided(world.deliver(execution, time=0)) == [f"#0 child {own}:0"]
    started = world.sent[-1].event
    assert started.input == '"{\\"n\\": 1}"'
    assert started.parent_instance.task_schedule_id == 0
    assert started.parent_instance.orchestration_instance.execution_id == own
    assert decided(world.deliver(child_completed(0, 1), time=1)) == ["#1 child fixed-id"]
    assert world.sent[-1].event.version == "2.0"
    assert decided(world.deliver(child_completed(1, 2), time=2)) == ["#2 Completed"]


def test_trace_9_with_retry(mode):
    def Child(context):  # noqa: N802
        return 1

    def orch(context):
        yield context.call_sub_orchestrator_with_retry("Child", df.RetryOptions(1000, 3), {"n": 1})

    world = World([orch, Child], mode=mode)
    start = world.start("orch")
    own = start.target.execution_id
    assert decided(world.deliver(start, time=0)) == [f"#0 child {own}:0"]
    assert decided(world.deliver(child_failed(0), time=1)) == ["#1 timer 2"]
    assert decided(world.deliver(fired(1), time=2)) == [f"#2 child {own}:2"]
    assert decided(world.deliver(child_completed(2), time=3)) == ["#3 Completed"]


def test_trace_10_continue_as_new(mode):
    def orch(context):
        number = context.get_input()
        yield context.call_activity("A", number)
        context.continue_as_new(number + 1)

    world = World([orch], mode=mode)
    start = world.start("orch", 0)
    assert decided(world.deliver(start, time=0)) == ["#0 A"]
    outcome = world.deliver(completed(0), time=1)
    assert decided(outcome) == ["#0 A"]
    assert outcome.first_ordinal == 0
    assert outcome.replaced_execution_id == start.target.execution_id
    assert outcome.execution_id != start.target.execution_id
    assert world.names() == [
        "OrchestratorStarted", "ExecutionStarted", "OrchestratorCompleted", "TaskScheduled", "OrchestratorCompleted",
    ]  # fmt: skip
    assert [event.is_played for event in world.history()] == [False, True, True, False, False]
    assert world.history()[1].input == '"1"'
    assert world.sent[-1].event.input == '["1"]'


def test_trace_10_signal_before_continue_as_new_is_sent(mode):
    def orch(context):
        if context.get_input() == 0:
            context.signal_entity(df.EntityId("counter", "k"), "add", 1)
            context.continue_as_new(1)
            yield context.call_activity("Dropped")
        return "end"

    world = World([orch], entities={"counter": lambda context: None}, mode=mode)
    world.deliver(world.start("orch", 0), time=0)
    assert [message.event.event_name for message in world.sent] == ["EventRaised"]
    assert world.result == "end"


def test_trace_11_long_timer(mode):
    def orch(context):
        yield context.create_timer(datetime(2026, 1, 11, tzinfo=timezone.utc))
        yield context.call_activity("A")

    world = World([orch], mode=mode)
    day = DAY // SECOND
    assert decided(world.deliver(world.start("orch"), time=0)) == [f"#0 timer {3 * day}"]
    assert decided(world.deliver(fired(0), time=3 * day)) == [f"#1 timer {6 * day}"]
    assert decided(world.deliver(fired(1), time=6 * day)) == [f"#2 timer {10 * day}"]
    assert decided(world.deliver(fired(2), time=10 * day)) == ["#3 A"]


def test_trace_12_long_timer_in_a_race_delays_what_follows(mode):
    def orch(context):
        timer = context.create_timer(datetime(2026, 1, 11, tzinfo=timezone.utc))
        winner = yield context.task_any([timer, context.wait_for_external_event("E")])
        yield context.call_activity("A", "event" if winner != timer else "timer")

    world = World([orch], mode=mode)
    day = DAY // SECOND
    assert decided(world.deliver(world.start("orch"), time=0)) == [f"#0 timer {3 * day}"]
    assert decided(world.deliver(fired(0), time=3 * day)) == [f"#1 timer {6 * day}"]
    assert decided(world.deliver(raised("E", 1), time=4 * day)) == []
    assert decided(world.deliver(fired(1), time=6 * day)) == ["#2 A"]
    assert decided(world.deliver(completed(2), time=6 * day + 1)) == [f"#3 timer {10 * day}"]
    assert world.state().status is OrchestrationStatus.Running
    assert decided(world.deliver(fired(3), time=10 * day)) == ["#4 Completed"]


def test_trace_13_early_event(mode):
    def orch(context):
        yield context.call_activity("Slow", 1)
        return (yield context.wait_for_external_event("E"))

    world = World([orch], mode=mode)
    assert decided(world.deliver(world.start("orch"), time=0)) == ["#0 Slow"]
    assert decided(world.deliver(raised("E", text='"1"'), time=5)) == []
    assert decided(world.deliver(completed(0), time=10)) == ["#1 Completed"]
    assert world.result == "1"


def test_trace_14_fan_out_with_one_failure_continues_when_all_have_answered(mode):
    def orch(context):
        try:
            yield context.task_all([context.call_activity("A", i) for i in range(3)])
        except Exception as error:
            yield context.call_activity("B", str(error))

    world = World([orch], mode=mode)
    assert decided(world.deliver(world.start("orch"), time=0)) == ["#0 A", "#1 A", "#2 A"]
    assert decided(world.deliver(completed(0), failed(1), time=1)) == []
    assert decided(world.deliver(completed(2), time=2)) == ["#3 B"]
    assert decided(world.deliver(completed(3), time=3)) == ["#4 Completed"]


def test_trace_15_nested(mode):
    def orch(context):
        both = context.task_all([context.call_activity("A", 1), context.call_activity("A", 2)])
        timer = context.create_timer(context.current_utc_datetime + timedelta(seconds=9))
        yield context.task_any([both, timer])

    world = World([orch], mode=mode)
    assert decided(world.deliver(world.start("orch"), time=0)) == ["#0 A", "#1 A", "#2 timer 9"]
    assert actions(world) == ["WhenAny[WhenAll[CallActivity, CallActivity], CreateTimer]"]


def test_trace_15_out_of_order_yields(mode):
    def orch(context):
        first, second = context.call_activity("A"), context.call_activity("B")
        yield second
        yield first

    world = World([orch], mode=mode)
    assert decided(world.deliver(world.start("orch"), time=0)) == ["#0 B"]
    assert decided(world.deliver(completed(0), time=1)) == ["#1 A"]


def test_trace_15_any_then_all_of_the_same_tasks(mode):
    def orch(context):
        tasks = [context.call_activity("A"), context.call_activity("B")]
        yield context.task_any(tasks)
        yield context.call_activity("C")
        yield context.task_all(tasks)

    world = World([orch], mode=mode)
    assert decided(world.deliver(world.start("orch"), time=0)) == ["#0 A", "#1 B"]
    assert decided(world.deliver(completed(0), time=1)) == ["#2 C"]
    assert decided(world.deliver(completed(2), time=2)) == []
    assert decided(world.deliver(completed(1), time=3)) == ["#3 Completed"]


def test_a_step_behind_a_retried_call_has_the_number_of_the_sdk(mode):
    """The extension would give that number to the retry; the code would take its timer for the answer of the step."""

    def orch(context):
        try:
            yield context.task_all(
                [
                    context.call_activity("A"),
                    context.call_activity_with_retry("F", df.RetryOptions(1000, 3)),
                ]
            )
        except Exception:
            return (yield context.call_activity("B"))

    for order, timer, step in (((0, 1), 3, 2), ((1, 0), 2, 3)):
        world = World([orch], mode=mode)
        world.deliver(world.start("orch"), time=0)
        assert decided(world.deliver(*(failed(number) for number in order), time=1)) == [f"#{timer} timer 2"]
        assert decided(world.deliver(fired(timer), time=2)) == ["#4 F"]
        assert decided(world.deliver(completed(4, "late"), time=3)) == [f"#{step} B"]
        world.deliver(completed(step, "from B"), time=4)
        assert world.result == "from B"


def test_a_retried_call_that_wins_over_a_cancelled_timer_keeps_its_numbers(mode):
    def orch(context):
        timer = context.create_timer(context.current_utc_datetime + timedelta(seconds=60))
        call = context.call_activity_with_retry("F", df.RetryOptions(1000, 3))
        winner = yield context.task_any([timer, call])
        assert winner == call
        timer.cancel()
        yield context.call_activity("After")
        yield context.call_activity("End")

    world = World([orch], mode=mode)
    assert decided(world.deliver(world.start("orch"), time=0)) == ["#0 timer 60", "#1 F"]
    assert decided(world.deliver(failed(1), time=1)) == ["#2 timer 2"]
    assert decided(world.deliver(fired(2), time=2)) == ["#3 F"]
    assert decided(world.deliver(completed(3), time=3)) == ["#4 After"]
    assert decided(world.deliver(completed(4), time=4)) == ["#5 End"]
    assert decided(world.deliver(completed(5), time=5)) == ["#6 Completed"]
    assert world.now == at(5)
    assert world.now > START
