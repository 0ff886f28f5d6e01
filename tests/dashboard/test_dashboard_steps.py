"""The steps of an execution, and what is made of them: chart, sequence diagram, waits."""

import dataclasses
from collections.abc import Sequence

import pytest
from recorded_histories import SDKS, recorded

from durable_host import timestamp
from durable_host.dashboard.views.failure import frames_of, shown_failure
from durable_host.dashboard.views.history_step import ExecutionSteps, HistoryStep
from durable_host.dashboard.views.history_table import HistoryTable
from durable_host.dashboard.views.sequence import messages_of
from durable_host.dashboard.views.steps import steps_of
from durable_host.dashboard.views.timeline import TimelineBar, bars_of, suspended_of
from durable_host.dashboard.views.waits import waits_of
from durable_host.durable.engine.entity_messages import request_json
from durable_host.durable.model.events import (
    EventRaised,
    EventSent,
    ExecutionCompleted,
    ExecutionStarted,
    FailureDetails,
    HistoryEvent,
    OrchestrationInstance,
    OrchestratorCompleted,
    OrchestratorStarted,
    SubOrchestrationInstanceCreated,
    TaskCompleted,
    TaskFailed,
    TaskScheduled,
    TimerCreated,
    TimerFired,
)
from durable_host.durable.model.status import OrchestrationStatus
from durable_host.timestamp import TICKS_PER_SECOND

SECOND = TICKS_PER_SECOND
T0 = 638_000_000_000_000_000


@dataclasses.dataclass
class Episodes:
    """Builds a history, one episode per second."""

    events: list[HistoryEvent] = dataclasses.field(default_factory=list)
    now: int = T0

    def episode(self, *events: HistoryEvent) -> "Episodes":
        self.events += [OrchestratorStarted(timestamp=self.now), *events, OrchestratorCompleted(timestamp=self.now)]
        self.now += SECOND
        return self

    @property
    def steps(self) -> ExecutionSteps:
        return steps_of(self.events)


def started() -> ExecutionStarted:
    return ExecutionStarted(orchestration_instance=OrchestrationInstance("i", "e"), name="Order", timestamp=T0)


def activity(number: int, name: str, at: int = 0) -> TaskScheduled:
    return TaskScheduled(event_id=number, name=name, timestamp=T0 + at * SECOND)


def failed(number: int, at: int, reason: str = "boom") -> TaskFailed:
    return TaskFailed(task_scheduled_id=number, reason=reason, timestamp=T0 + at * SECOND)


def timer(number: int, at: int, due: int) -> TimerCreated:
    return TimerCreated(event_id=number, fire_at=T0 + due * SECOND, timestamp=T0 + at * SECOND)


def fired(number: int, due: int) -> TimerFired:
    return TimerFired(timer_id=number, fire_at=T0 + due * SECOND, timestamp=T0)


def outlined(steps: Sequence[HistoryStep]) -> list[tuple[str, str, str, int]]:
    return [(step.kind, step.name, step.outcome, len(step.attempts)) for step in steps]


@pytest.mark.parametrize("sdk", SDKS)
def test_the_steps_of_a_recorded_execution(sdk: str) -> None:
    steps = outlined(steps_of(recorded(sdk, "waits")).steps)
    done = [one for one in steps if one[2] == "Completed"]
    assert done[:5] == [
        ("activity", "reserve", "Completed", 1),
        ("activity", "price", "Completed", 1),
        ("activity", "price", "Completed", 1),
        ("activity", "price", "Completed", 1),
        ("child", "ship", "Completed", 1),
    ]
    assert ("activity", "broken", "Failed", 3) in steps
    assert [one for one in steps if one[0] == "retry"][:2] == [("retry", "broken", "Completed", 0)] * 2
    assert ("entity", "add", "Completed", 1) in steps
    assert steps[-1] == ("timer", "timer", "Running", 0)


@pytest.mark.parametrize("sdk", SDKS)
def test_what_did_not_finish_is_canceled_at_the_end(sdk: str) -> None:
    execution = steps_of(recorded(sdk, "failed"))
    last_timer = [step for step in execution.steps if step.kind == "timer"][-1]
    assert (last_timer.outcome, last_timer.end) == ("Canceled", execution.end)


def test_attempts_with_new_numbers_are_one_step() -> None:
    history = (
        Episodes()
        .episode(started(), activity(0, "Pay"))
        .episode(failed(0, 1), timer(1, 1, 3))
        .episode(fired(1, 3), activity(2, "Pay", 2))
        .episode(TaskCompleted(task_scheduled_id=2, result='"ok"', timestamp=T0 + 3 * SECOND))
    )
    pay, delay = history.steps.steps
    assert (pay.outcome, pay.result, pay.error, pay.number, pay.ordinals) == ("Completed", '"ok"', None, 2, (2, 13))
    assert [attempt.error for attempt in pay.attempts] == ["boom", None]
    assert (delay.kind, delay.name, delay.retry_of) == ("retry", "Pay", pay.ordinals[0])


def test_attempts_that_repeat_the_number_are_one_step() -> None:
    history = (
        Episodes()
        .episode(started(), activity(1, "Pay"))
        .episode(failed(1, 1), timer(2, 1, 3))
        .episode(fired(2, 3), activity(1, "Pay", 2))
        .episode(failed(1, 3, "again"))
    )
    pay, delay = history.steps.steps
    assert (pay.outcome, [attempt.error for attempt in pay.attempts]) == ("Failed", ["boom", "again"])
    assert delay.kind == "retry"


def test_a_call_of_another_name_after_a_failure_and_a_timer_is_not_a_retry() -> None:
    history = (
        Episodes()
        .episode(started(), activity(0, "Pay"))
        .episode(failed(0, 1), timer(1, 1, 3))
        .episode(fired(1, 3), activity(2, "Cancel", 2))
    )
    assert outlined(history.steps.steps) == [
        ("activity", "Pay", "Failed", 1),
        ("timer", "timer", "Completed", 0),
        ("activity", "Cancel", "Running", 1),
    ]


def test_retries_of_several_calls_in_one_episode_are_kept_apart() -> None:
    history = (
        Episodes()
        .episode(started(), activity(0, "A"), activity(1, "B"), activity(2, "A"))
        .episode(failed(0, 1), failed(1, 1), failed(2, 1), timer(3, 1, 3), timer(4, 1, 3), timer(5, 1, 3))
        .episode(fired(3, 3), fired(4, 3), fired(5, 3), activity(6, "A", 2), activity(7, "B", 2), activity(8, "A", 2))
    )
    steps = [step for step in history.steps.steps if step.kind == "activity"]
    assert outlined(steps) == [("activity", name, "Running", 2) for name in "ABA"]
    assert [step.number for step in steps] == [6, 7, 8]


def test_a_call_between_two_attempts_is_running_and_waits_for_its_timer() -> None:
    history = Episodes().episode(started(), activity(0, "Pay")).episode(failed(0, 1), timer(1, 1, 3600))
    execution = history.steps
    assert execution.steps[0].outcome == "Running"
    (wait,) = waits_of(history.events, execution, None)
    assert (wait.kind, wait.name, wait.attempt, wait.task_id) == ("timer", "retry of Pay", 2, 1)


def test_a_timer_of_the_code_beside_a_failure_is_not_a_retry_if_the_code_says_so() -> None:
    history = Episodes().episode(started(), activity(0, "Pay")).episode(failed(0, 1), timer(1, 1, 3600))
    assert outlined(steps_of(history.events, frozenset()).steps) == [
        ("activity", "Pay", "Failed", 1),
        ("timer", "timer", "Running", 0),
    ]
    assert steps_of(history.events, {1}).steps[1].kind == "retry"


def entity_call(number: int, *, is_lock: bool = False) -> EventSent:
    text = request_json(
        operation=None if is_lock else "add",
        request_id=f"r{number}",
        input="3",
        lock_set=[("c", "k")] if is_lock else (),
    )
    return EventSent(event_id=number, instance_id="@c@k", name="op", input=text, timestamp=T0)


def test_an_entity_that_fails_is_a_failed_step() -> None:
    answer = '{"result": "\\"no\\"", "exceptionType": "Error"}'
    history = Episodes().episode(started(), entity_call(0)).episode(EventRaised(name="r0", input=answer))
    (step,) = history.steps.steps
    assert (step.kind, step.target, step.outcome, step.error) == ("entity", "@c@k", "Failed", '"no"')
    assert history.steps.external == []


def test_a_lock_lasts_until_its_release() -> None:
    release = EventSent(event_id=1, instance_id="@c@k", name="release", input='{"parent":"i"}', timestamp=T0 + SECOND)
    history = Episodes().episode(started(), entity_call(0, is_lock=True))
    assert [wait.kind for wait in waits_of(history.events, history.steps, None)] == ["lock"]
    history.episode(EventRaised(name="R0", input="{}"))
    held = history.steps
    assert held.steps[0].outcome == "Running"
    assert waits_of(history.events, held, None) == []
    history.episode(release)
    (lock,) = history.steps.steps
    assert (lock.name, lock.outcome, lock.attempts[0].end) == ("@c@k", "Completed", T0 + SECOND)


def test_a_child_is_a_bar_with_its_id() -> None:
    child = SubOrchestrationInstanceCreated(event_id=0, name="Ship", instance_id="x/<b>", timestamp=T0)
    history = Episodes().episode(started(), child)
    (bar,) = bars_of(history.events, history.steps)
    assert (bar.kind, bar.name, bar.child_id, bar.end, bar.duration_ms) == ("child", "Ship", "x/<b>", None, None)
    (wait,) = waits_of(history.events, history.steps, None)
    assert (wait.kind, wait.instance_id) == ("child", "x/<b>")


@pytest.mark.parametrize("sdk", SDKS)
def test_bars_are_in_order_and_have_names_of_their_own(sdk: str) -> None:
    events = recorded(sdk, "failed")
    bars: list[TimelineBar] = bars_of(events, steps_of(events))
    assert len({bar.id for bar in bars}) == len(bars)
    starts = [timestamp.parse(bar.start) for bar in bars]
    assert starts == sorted(starts)
    assert all(bar.end is not None for bar in bars)


@pytest.mark.parametrize("sdk", SDKS)
def test_a_suspension_is_shown_while_it_lasts(sdk: str) -> None:
    (span,) = suspended_of(steps_of(recorded(sdk, "suspended")))
    assert (span.end, span.reason) == (None, "pause")


@pytest.mark.parametrize("sdk", SDKS)
def test_the_sequence_diagram_is_in_the_order_of_the_history(sdk: str) -> None:
    events = recorded(sdk, "failed")
    messages = messages_of(events, steps_of(events))
    assert (messages[0].sender, messages[0].receiver, messages[0].label) == ("client", "order", "start")
    assert (messages[-1].receiver, messages[-1].label) == ("client", "failed")
    shown = {(one.sender, one.receiver, one.kind) for one in messages}
    assert ("order", "activity reserve", "call") in shown
    assert ("activity reserve", "order", "result") in shown
    assert ("entity @counter@k", "order", "result") in shown
    assert ("order", "entity @counter@k", "signal") in shown
    assert ("client", "order", "event") in shown
    assert [one.ordinal for one in messages] == sorted(one.ordinal for one in messages)


@pytest.mark.parametrize("sdk", SDKS)
def test_a_failure_has_the_frames_of_its_cause(sdk: str) -> None:
    events = recorded(sdk, "failed")
    failure = shown_failure(events, steps_of(events))
    assert failure is not None
    cause = failure.inner or failure
    assert "broken" in cause.message
    assert any(frame.file.endswith("function_app.py") for frame in (*failure.frames, *cause.frames))


def test_an_instance_that_did_not_fail_has_no_failure() -> None:
    events = recorded("v1", "waits")
    assert shown_failure(events, steps_of(events)) is None


def test_inner_errors_are_kept() -> None:
    details = FailureDetails("Outer", "one", inner_failure=FailureDetails("Inner", "two", 'File "/a.py", line 3, in f'))
    end = ExecutionCompleted(orchestration_status=OrchestrationStatus.Failed, failure_details=details, timestamp=T0)
    failure = shown_failure([end], steps_of([end]))
    assert failure is not None
    assert failure.inner is not None
    assert (failure.type, failure.inner.type, failure.inner.frames[0].line) == ("Outer", "Inner", 3)


STACKS = {
    "python": (
        'Traceback:\n  File "/a/b.py", line 3, in f\n    x()\n  File "/a/c.py", line 9, in g\nE: no',
        [("f", 3), ("g", 9)],
    ),
    "node": ("Error: no\n    at inner (/a/b.js:3:7)\n    at /a/c.js:9:1", [("<anonymous>", 9), ("inner", 3)]),
    "dotnet": ("   at A.B(Int32 i) in /a/b.cs:line 3\n   at System.X()", [("A.B(Int32 i)", 3)]),
    "none": ("no frames here", []),
}


@pytest.mark.parametrize(("stack", "frames"), STACKS.values(), ids=STACKS)
def test_frames_are_outermost_first(stack: str, frames: list[tuple[str, int]]) -> None:
    assert [(frame.function, frame.line) for frame in frames_of(stack)] == frames


def test_the_source_line_of_a_python_frame_is_in_its_traceback() -> None:
    assert [frame.text for frame in frames_of(STACKS["python"][0])] == ["x()", None]


def test_the_history_comes_in_pages() -> None:
    events = recorded("v1", "failed")
    table = HistoryTable(events)
    first, following = table.page(-1, 10)
    assert following == 9
    second, _ = table.page(following, 10)
    assert [record["ordinal"] for record in first + second] == list(range(20))
    assert table.page(len(events) - 2, 10)[1] is None
    assert table.page(10_000, 10) == ([], None)


def test_a_completion_has_the_name_of_its_call() -> None:
    records, _ = HistoryTable(recorded("v1", "waits")).page(-1, 1000)
    names = {record["type"]: record["name"] for record in records if record["taskId"] == 0}
    assert names == {"TaskScheduled": "reserve", "TaskCompleted": "reserve"}


def test_long_texts_of_the_history_are_cut_unless_all_is_wanted() -> None:
    event = EventRaised(name="E", input="x" * 1000, timestamp=T0)
    (cut,), _ = HistoryTable([event]).page(-1, 1)
    (whole,), _ = HistoryTable([event]).page(-1, 1, is_full=True)
    assert (len(cut["input"]), cut["inputIsTruncated"], len(whole["input"])) == (256, True, 1000)
