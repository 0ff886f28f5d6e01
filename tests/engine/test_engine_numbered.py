"""Episodes of 2.x code, which numbers its actions itself.

Source: docs/protocol/durable-v2.md#turns
"""

import json
from typing import Any

import pytest
from numbered_world import SECOND, START, AnyCode, Scripted, completed, continued, end_of, failed, only

from durable_host import timestamp
from durable_host.durable.engine.debt import OwedRows, is_in_history_rows
from durable_host.durable.engine.episode import EpisodeOutcome
from durable_host.durable.engine.episode_start import turn_of_episode
from durable_host.durable.engine.options import EngineOptions
from durable_host.durable.engine.state import OrchestrationState
from durable_host.durable.engine.triage import classify, classify_start
from durable_host.durable.model.events import (
    EventRaised,
    EventSent,
    ExecutionResumed,
    ExecutionStarted,
    ExecutionSuspended,
    ExecutionTerminated,
    FailureDetails,
    OrchestrationInstance,
    OrchestratorStarted,
    ParentInstance,
    SubOrchestrationInstanceCompleted,
    SubOrchestrationInstanceCreated,
    SubOrchestrationInstanceFailed,
    TaskCompleted,
    TaskFailed,
    TaskScheduled,
    TimerCreated,
    TimerFired,
)
from durable_host.durable.model.messages import TaskMessage
from durable_host.durable.model.numbered import (
    CompleteOrchestration,
    CreateSubOrchestration,
    EntityCalled,
    EntityLockRequested,
    EntitySignaled,
    EntityUnlockSent,
    NumberedAction,
    RewindOrchestration,
    ScheduleTask,
    SendEvent,
    StartTimer,
    TerminateOrchestration,
    UnknownNumberedAction,
)
from durable_host.durable.model.status import OrchestrationStatus
from durable_host.durable.user_code import NumberedAnswer, OrchestratorAnswer

HELLO = ScheduleTask(id=1, name="hello", input='"Tokyo"')
PARENT = ParentInstance("parent", OrchestrationInstance("p1", "pe1"), 7)


def test_actions_become_events_with_their_own_numbers_and_messages_with_bare_inputs() -> None:
    world = Scripted()
    world.begin([HELLO])
    assert world.kinds() == [("ExecutionStarted", -1), ("TaskScheduled", 1)]
    request = world.sent[0].event
    assert isinstance(request, TaskScheduled)
    assert (request.event_id, request.input) == (1, '"Tokyo"')


def test_result_of_a_task_reaches_the_code_as_new_and_what_was_before_as_past() -> None:
    world = Scripted()
    world.begin([HELLO])
    result = TaskCompleted(task_scheduled_id=1, result='"Hello"')
    world.deliver(result, answers=[[completed(2, '"Hello"')]])
    assert [type(one) for one in world.new_events] == [OrchestratorStarted, TaskCompleted]
    assert end_of(world.state.history).event_id == 2
    assert world.state.status is OrchestrationStatus.Completed


@pytest.mark.parametrize(
    ("step", "earliest"),
    [(0, 10), (7, 10), (10, 10), (15, 10), (SECOND, SECOND), (-SECOND, 10)],
)
def test_time_of_each_episode_is_later_than_the_one_before_in_whole_microseconds(step: int, earliest: int) -> None:
    world = Scripted()
    world.begin([HELLO])
    world.now = START + step
    world.deliver(EventRaised(name="x"))
    first, second = (one.timestamp for one in world.state.history if isinstance(one, OrchestratorStarted))
    assert first == START
    assert (second - first, second % 10) == (earliest, 0)


def test_ticks_below_a_microsecond_are_cut_off() -> None:
    world = Scripted()
    world.now = START + 3
    world.begin([])
    assert world.state.history[0].timestamp == START


# Completion


def test_completion_is_immediate_although_tasks_are_open_and_others_begin() -> None:
    world = Scripted()
    world.begin([HELLO, StartTimer(id=2, fire_at=START + SECOND)])
    last = ScheduleTask(id=3, name="log")
    outcome = world.deliver(EventRaised(name="stop"), answers=[[last, completed(4, "1")]])
    assert outcome.is_terminal
    assert world.kinds()[-2:] == [("TaskScheduled", 3), ("ExecutionCompleted", 4)]
    assert [one.event.event_id for one in outcome.outbound] == [3]


def test_late_results_are_dropped() -> None:
    world = Scripted()
    world.begin([HELLO, completed(2)])
    late = TaskMessage(TaskCompleted(task_scheduled_id=1), world.instance, id=None)
    assert classify(world.state, _received(late)) == "discard"


def test_failure_tree_goes_into_the_history_and_to_the_parent() -> None:
    world = Scripted(parent_instance=PARENT)
    inner = FailureDetails("ValueError", "boom")
    world.begin([failed(1, "durabletask.task.TaskFailedError", "it failed", inner)])
    end = end_of(world.state.history)
    told = world.sent[0].event
    assert isinstance(told, SubOrchestrationInstanceFailed)
    assert end.failure_details == told.failure_details
    assert told.failure_details is not None
    assert told.failure_details.inner_failure == inner
    assert told.task_scheduled_id == 7


def test_output_of_a_failed_instance_has_type_and_message() -> None:
    outcome = Scripted().begin([failed(1, "builtins.RuntimeError", "no")])
    assert outcome.update.output == "builtins.RuntimeError: no"
    assert outcome.update.runtime_status is OrchestrationStatus.Failed


def test_terminated_code_returns_the_reason_as_output() -> None:
    world = Scripted()
    world.begin([HELLO])
    end = CompleteOrchestration(id=2, status=OrchestrationStatus.Terminated, result='"stop it"')
    outcome = world.deliver(ExecutionTerminated(input='"stop it"'), answers=[[end]])
    assert (outcome.update.runtime_status, outcome.update.output) == (OrchestrationStatus.Terminated, '"stop it"')


def test_completion_before_a_termination_in_one_turn_wins() -> None:
    world = Scripted()
    world.begin([HELLO])
    result = TaskCompleted(task_scheduled_id=1)
    outcome = world.deliver(result, ExecutionTerminated(input="x"), answers=[[completed(2, "3")]])
    assert (outcome.update.runtime_status, outcome.update.output) == (OrchestrationStatus.Completed, "3")


def terminated_children(outcome: EpisodeOutcome) -> list[str]:
    found = [one for one in outcome.outbound if isinstance(one.event, ExecutionTerminated)]
    assert all(
        one.event == ExecutionTerminated(timestamp=one.event.timestamp, input='"x"', recurse=True) for one in found
    )
    assert not any(is_in_history_rows(one, OrchestrationInstance("i1")) for one in found)
    assert len({one.id for one in found}) == len(found)
    return [one.target.instance_id for one in found]


@pytest.mark.parametrize("status", [OrchestrationStatus.Terminated, OrchestrationStatus.Completed])
def test_recursive_termination_reaches_all_children_that_run_even_those_of_the_last_turn(
    status: OrchestrationStatus,
) -> None:
    world = Scripted()
    world.begin([CreateSubOrchestration(id=number, instance_id=f"c{number}", name="kid") for number in (1, 2)])
    world.deliver(SubOrchestrationInstanceCompleted(task_scheduled_id=1), answers=[[]])
    last = [
        CreateSubOrchestration(id=3, instance_id="c3", name="kid"),
        CompleteOrchestration(id=4, status=status, result='"x"'),
    ]
    outcome = world.deliver(ExecutionTerminated(input='"x"', recurse=True), answers=[last])
    assert terminated_children(outcome) == ["c2", "c3"]


def test_termination_without_recursion_leaves_children_alone() -> None:
    world = Scripted()
    world.begin([CreateSubOrchestration(id=1, instance_id="c1", name="kid")])
    end = CompleteOrchestration(id=2, status=OrchestrationStatus.Terminated)
    assert terminated_children(world.deliver(ExecutionTerminated(input="x"), answers=[[end]])) == []


def test_termination_works_although_the_code_cannot_run() -> None:
    world = Scripted()
    world.begin([HELLO])
    outcome = world.deliver(ExecutionTerminated(input="x"), answers=[NumberedAnswer(error="E: no worker")])
    assert outcome.update.runtime_status is OrchestrationStatus.Terminated


@pytest.mark.parametrize(
    ("answer", "failure"),
    [
        (
            NumberedAnswer(error="DecodeError: x", failure_details=FailureDetails("DecodeError", "x", "at")),
            FailureDetails("DecodeError", "x", "at"),
        ),
        (
            OrchestratorAnswer(steps=(), is_plain_failure=True, error="WorkerLost: it died"),
            FailureDetails("FunctionInvocationFailed", "WorkerLost: it died"),
        ),
    ],
)
def test_code_that_gives_no_answer_fails_the_instance(answer: Any, failure: FailureDetails) -> None:
    world = Scripted()
    world.begin(answer)
    assert end_of(world.state.history).failure_details == failure


# Bad answers


@pytest.mark.parametrize(
    ("actions", "why"),
    [
        ([ScheduleTask(id=0, name="x")], "number 0"),
        ([ScheduleTask(id=-1, name="x")], "number -1"),
        ([HELLO, HELLO], "two actions have the number 1"),
        ([completed(1), completed(2)], "completes twice"),
        ([CompleteOrchestration(id=1, status=OrchestrationStatus.Canceled)], "status Canceled"),
        ([CompleteOrchestration(id=1, status=OrchestrationStatus.Running)], "status Running"),
        ([RewindOrchestration(id=-1)], "rewinds"),
        ([UnknownNumberedAction(id=1, kind="nothing")], "unknown"),
        ([EntityLockRequested(id=1, critical_section_id="c", lock_set=())], "lock without an entity"),
        ([SendEvent(id=1, instance_id="", name="x")], "no target"),
        ([ScheduleTask(id=n, name="x") for n in range(1, 7)], "6 actions, more than 5"),
    ],
)
def test_answer_that_no_sdk_gives_fails_the_instance(actions: list[NumberedAction], why: str) -> None:
    world = Scripted(options=EngineOptions(max_orchestration_actions=5))
    outcome = world.begin(actions)
    assert outcome.is_terminal
    details = end_of(world.state.history).failure_details
    assert why in str(details.error_message if details else end_of(world.state.history).result)


def test_number_of_a_call_that_is_open_cannot_be_used_again() -> None:
    world = Scripted()
    world.begin([HELLO])
    outcome = world.deliver(EventRaised(name="x"), answers=[[HELLO]])
    assert outcome.is_terminal
    assert not outcome.outbound


def test_code_that_ends_while_it_replays_fails_instead_of_waiting_forever() -> None:
    world = Scripted()
    world.begin([HELLO])
    outcome = world.deliver(TaskCompleted(task_scheduled_id=1), answers=[NumberedAnswer(has_ended_early=True)])
    assert outcome.update.runtime_status is OrchestrationStatus.Failed
    assert [one.code for one in outcome.diagnostics] == ["DH6101"]


def test_non_determinism_is_reported_and_what_the_code_wanted_instead_does_not_happen() -> None:
    world = Scripted()
    world.begin([HELLO])
    wrong = failed(3, "durabletask.task.NonDeterminismError", "Failed to restore: x")
    unlock = EntityUnlockSent(id=2, critical_section_id="c", target="@e@k")
    actions = [ScheduleTask(id=4, name="other"), unlock, wrong]
    answer = NumberedAnswer(actions=actions, is_non_deterministic=True, position="app.py:3 in code")
    outcome = world.deliver(TaskCompleted(task_scheduled_id=1), answers=[answer])
    assert [type(one.event) for one in outcome.outbound] == [EventRaised], "only the lock is released"
    (finding,) = outcome.diagnostics
    assert (finding.code, finding.position) == ("DH6101", "app.py:3 in code")


# Suspension


@pytest.mark.parametrize(
    ("messages", "seen"),
    [
        (["resume"], []),
        (["suspend"], ["suspend"]),
        (["suspend", "suspend"], ["suspend"]),
        (["suspend", "resume", "resume"], ["suspend", "resume"]),
        (["resume", "suspend", "event", "suspend", "resume", "suspend"], ["suspend", "event", "resume", "suspend"]),
    ],
)
def test_suspends_and_resumes_that_change_nothing_never_reach_the_code(messages: list[str], seen: list[str]) -> None:
    made = {"suspend": ExecutionSuspended, "resume": ExecutionResumed, "event": lambda: EventRaised(name="x")}
    world = Scripted()
    world.begin([HELLO])
    events = [made[one]() for one in messages]
    world.deliver(*events)
    names = {ExecutionSuspended: "suspend", ExecutionResumed: "resume", EventRaised: "event"}
    assert [names[type(one)] for one in world.state.history if type(one) in names] == seen


def test_second_suspend_in_a_later_turn_is_dropped_also_after_a_reload() -> None:
    world = Scripted()
    world.begin([HELLO])
    world.deliver(ExecutionSuspended())
    world.state = OrchestrationState.from_history("i1", world.state.history, is_numbered=True)
    turns = len(world.turns)
    assert len(world.deliver(ExecutionSuspended()).new_events) == 0
    assert len(world.turns) == turns, "no turn for a message that changes nothing"


def test_suspended_code_still_sees_its_messages() -> None:
    world = Scripted()
    world.begin([HELLO])
    world.deliver(ExecutionSuspended(reason="why"))
    world.deliver(EventRaised(name="go"))
    assert world.state.status is OrchestrationStatus.Suspended
    assert isinstance(world.new_events[-1], EventRaised)
    outcome = world.deliver(ExecutionResumed(), answers=[[completed(2)]])
    assert outcome.update.runtime_status is OrchestrationStatus.Completed


# Continue as new


def test_next_execution_begins_in_the_same_work_item_with_carried_events() -> None:
    world = Scripted(input="0", tags={"a": "b"}, version="1.0")
    world.begin([HELLO])
    carried = [EventRaised(name="ping", input='"p1"')]
    outcome = world.deliver(
        TaskCompleted(task_scheduled_id=1),
        answers=[[continued(2, "1", carried=carried)], [ScheduleTask(id=1, name="hello", input="1")]],
    )
    start = world.state.started
    assert start is not None
    assert (start.input, start.tags, start.version) == ("1", {"a": "b"}, "1.0")
    assert (outcome.first_ordinal, outcome.execution_id, outcome.replaced_execution_id) == (0, "e2", "e1")
    assert [type(one) for one in world.new_events] == [OrchestratorStarted, ExecutionStarted, EventRaised]
    assert world.new_events[0].timestamp > world.turns[0].history[0].timestamp


def test_execution_that_continues_at_once_gets_a_later_time() -> None:
    world = Scripted()
    world.begin([continued(1, "1")], [continued(1, "2")], [completed(1, "2")])
    times = [turn.history[turn.new_from].timestamp for turn in world.turns]
    assert times == sorted(set(times))


def test_new_version_and_empty_input_of_the_next_execution() -> None:
    world = Scripted(version="1.0", input="5")
    world.begin([continued(1, "", new_version="2.0")], [])
    start = world.state.started
    assert start is not None
    assert (start.version, start.input) == ("2.0", None)


def test_last_messages_of_the_old_execution_are_sent_but_not_derived_from_rows() -> None:
    world = Scripted()
    signal = EntitySignaled(id=1, request_id="r", target="@e@k", operation="add")
    outcome = world.begin([signal, continued(2, "1")], [])
    (message,) = outcome.outbound
    assert message.target.instance_id == "@e@k"
    assert not is_in_history_rows(message, world.state.instance)


def test_termination_that_came_behind_the_end_of_an_execution_reaches_the_next_one() -> None:
    world = Scripted()
    world.begin([HELLO])
    end = CompleteOrchestration(id=1, status=OrchestrationStatus.Terminated, result="x")
    outcome = world.deliver(
        TaskCompleted(task_scheduled_id=1),
        ExecutionSuspended(reason="s"),
        ExecutionTerminated(input="x"),
        answers=[[continued(2, "1")], [end]],
    )
    kinds = [type(one) for one in world.new_events]
    assert kinds == [OrchestratorStarted, ExecutionStarted, ExecutionSuspended, ExecutionTerminated]
    assert outcome.update.runtime_status is OrchestrationStatus.Terminated


def test_answer_without_a_custom_status_clears_it() -> None:
    world = Scripted()
    world.begin(NumberedAnswer(custom_status='"a"', actions=[HELLO]))
    assert world.deliver(EventRaised(name="y"), answers=[[]]).update.custom_status == "null"


def test_next_execution_keeps_the_custom_status_until_its_next_turn() -> None:
    world = Scripted()
    world.begin([HELLO])
    last = NumberedAnswer(custom_status='"a"', actions=[continued(2, "1")])
    assert world.deliver(EventRaised(name="x"), answers=[last, []]).update.custom_status == '"a"'
    assert world.deliver(EventRaised(name="y"), answers=[[]]).update.custom_status == "null"


# Retries


def test_repeated_attempt_has_the_number_of_the_first_and_each_result_goes_to_its_own() -> None:
    world = Scripted()
    world.begin([HELLO])
    first = world.sent[-1]
    failure = TaskFailed(task_scheduled_id=1, failure_details=FailureDetails("ValueError", "boom"))
    world.deliver(failure, answers=[[StartTimer(id=2, fire_at=START + 5 * SECOND)]])
    world.deliver(TimerFired(timer_id=2, fire_at=START + 5 * SECOND), answers=[[HELLO]])
    second = world.sent[-1]
    assert [one for one in world.kinds() if one == ("TaskScheduled", 1)] == [("TaskScheduled", 1)] * 2
    assert first.id != second.id
    from durable_host.durable.model import identity

    stale = TaskMessage(failure, world.instance, world.instance, 1, id=identity.answer_to(first.id))
    fresh = TaskMessage(failure, world.instance, world.instance, 3, id=identity.answer_to(second.id))
    assert classify(world.state, _received(stale)) == "discard"
    assert classify(world.state, _received(fresh)) == "process"
    reloaded = OrchestrationState.from_history("i1", world.state.history, is_numbered=True)
    assert classify(reloaded, _received(stale)) == "discard"
    assert classify(reloaded, _received(fresh)) == "process"


def test_child_is_made_again_under_its_id_and_replaces_the_one_that_failed() -> None:
    world = Scripted()
    child = CreateSubOrchestration(id=1, instance_id="kid", name="child", version="3", input='"x"')
    world.begin([child])
    first = world.sent[-1]
    world.deliver(SubOrchestrationInstanceFailed(task_scheduled_id=1), answers=[[StartTimer(id=2, fire_at=START)]])
    again = CreateSubOrchestration(id=1, instance_id="kid", name="child", input="")
    world.deliver(TimerFired(timer_id=2, fire_at=START), answers=[[again]])
    second = world.sent[-1]
    started = second.event
    assert isinstance(started, ExecutionStarted)
    assert (started.version, started.input) == ("3", None), "the SDK leaves the version out when it repeats a call"
    kid = OrchestrationState.from_history("kid", [OrchestratorStarted(), first.event])
    assert classify_start(kid, second) == "start"
    replaced = OrchestrationState.from_history("kid", [OrchestratorStarted(), second.event])
    assert classify_start(replaced, first) == "duplicate"


# What is sent


def test_start_of_a_child_names_its_parent_and_has_the_tags_of_the_action() -> None:
    world = Scripted(tags={"parent": "1"})
    world.begin([CreateSubOrchestration(id=3, instance_id="kid", name="child", input="5", tags={"t": "1"})])
    start = world.sent[0].event
    assert isinstance(start, ExecutionStarted)
    assert start.parent_instance == ParentInstance("code", world.instance, 3, "")
    assert (start.input, start.tags) == ("5", {"t": "1"})


def test_default_version_applies_to_children_without_one() -> None:
    options = EngineOptions(default_version="2.0", version_match="None")
    world = Scripted(options=options)
    world.begin(
        [
            CreateSubOrchestration(id=1, instance_id="a", name="child"),
            CreateSubOrchestration(id=2, instance_id="b", name="child", version="1.0"),
        ]
    )
    assert [one.event.version for one in world.sent if isinstance(one.event, ExecutionStarted)] == ["2.0", "1.0"]


def test_version_of_an_instance_does_not_matter_without_a_default_version() -> None:
    assert Scripted(version="9.9").begin([completed(1)]).is_terminal


@pytest.mark.parametrize(
    ("action", "kind", "text"),
    [
        (ScheduleTask(id=1, name="missing"), TaskFailed, "isn't|doesn't exist"),
        (CreateSubOrchestration(id=1, instance_id="k", name="missing"), SubOrchestrationInstanceFailed, "doesn't"),
        (CreateSubOrchestration(id=1, instance_id="@k", name="child"), SubOrchestrationInstanceFailed, "start with @"),
        (CreateSubOrchestration(id=1, instance_id="i1", name="child"), SubOrchestrationInstanceFailed, "different"),
    ],
)
def test_call_that_cannot_be_made_fails_as_a_task_does(action: NumberedAction, kind: type, text: str) -> None:
    import re

    world = Scripted()
    outcome = world.begin([action])
    assert not outcome.is_terminal
    (message,) = outcome.outbound
    assert isinstance(message.event, kind)
    details = message.event.failure_details
    assert details is not None
    assert re.search(text, details.error_message or "")
    assert classify(world.state, _received(message)) == "process"


def test_timer_fires_at_exactly_the_requested_time() -> None:
    world = Scripted()
    past = timestamp.parse("2020-01-01T00:00:00.1234560Z")
    world.begin([StartTimer(id=1, fire_at=past)])
    fired = world.sent[0].event
    assert isinstance(fired, TimerFired)
    assert (fired.fire_at, fired.timer_id) == (past, 1)


def test_timer_may_be_as_far_away_as_the_code_wants() -> None:
    world = Scripted()
    due = START + 400 * 24 * 3600 * SECOND
    world.begin([StartTimer(id=1, fire_at=due)])
    assert world.sent[0].due == due


def test_event_for_another_instance_is_recorded_and_sent() -> None:
    world = Scripted()
    world.begin([SendEvent(id=1, instance_id="other", name="Go", input="1")])
    assert world.kinds()[-1] == ("EventSent", 1)
    (message,) = world.sent
    assert message.target == OrchestrationInstance("other")
    assert isinstance(message.event, EventRaised)
    assert (message.event.name, message.event.input) == ("Go", "1")
    assert is_in_history_rows(message, world.state.instance)


def test_termination_of_another_instance_has_no_event() -> None:
    world = Scripted()
    world.begin([TerminateOrchestration(id=1, instance_id="other", reason='"x"')])
    assert world.kinds() == [("ExecutionStarted", -1)]
    assert isinstance(world.sent[0].event, ExecutionTerminated)


@pytest.mark.parametrize(
    ("action", "target", "name", "text"),
    [
        (
            EntitySignaled(id=1, request_id="r1", target="@counter@k", operation="add", input="3"),
            "@counter@k",
            "op",
            {"op": "add", "signal": True, "input": "3", "id": "r1"},
        ),
        (
            EntitySignaled(id=1, request_id="r1", target="@counter@k", operation="add", due=START + SECOND * 300),
            "@counter@k",
            "op@2026-01-02T03:09:05.0000000Z",
            {"op": "add", "signal": True, "id": "r1", "due": "2026-01-02T03:09:05.0000000Z"},
        ),
        (
            EntityCalled(id=1, request_id="r1", target="@counter@k", operation="get"),
            "@counter@k",
            "op",
            {"op": "get", "id": "r1", "parent": "i1", "parentExecution": "e1"},
        ),
        (
            EntityLockRequested(id=1, critical_section_id="c1", lock_set=("@a@1", "@b@x@y"), position=1),
            "@b@x@y",
            "op",
            {
                "op": None,
                "id": "c1",
                "parent": "i1",
                "parentExecution": "e1",
                "lockset": [{"name": "a", "key": "1"}, {"name": "b", "key": "x@y"}],
                "pos": 1,
            },
        ),
        (
            EntityUnlockSent(id=1, critical_section_id="c1", target="@a@1"),
            "@a@1",
            "release",
            {"op": None, "id": "c1", "parent": "i1", "parentExecution": "e1"},
        ),
    ],
)
def test_messages_to_entities_are_those_of_the_extension(
    action: NumberedAction, target: str, name: str, text: dict[str, Any]
) -> None:
    world = Scripted()
    world.begin([action])
    sent = world.state.history[-2]
    assert isinstance(sent, EventSent)
    assert (sent.event_id, sent.instance_id, sent.name) == (1, target, name)
    never = "0001-01-01T00:00:00"
    assert json.loads(sent.input or "") == {**text, "Timestamp": never, "Predecessor": never}
    (message,) = world.sent
    assert isinstance(message.event, EventRaised)
    assert (message.target.instance_id, message.event.name, message.event.input) == (target, name, sent.input)


def test_activities_beyond_the_window_begin_when_the_code_repeats_them() -> None:
    world = Scripted(options=EngineOptions(activity_window=1))
    two = ScheduleTask(id=2, name="hello")
    assert world.begin([HELLO, two]).held_back == 1
    assert [one.event.event_id for one in world.sent] == [1]
    world.deliver(TaskCompleted(task_scheduled_id=1), answers=[[two]])
    assert [one.event.event_id for one in world.sent] == [1, 2]


# What an earlier process owes


def test_inputs_of_owed_calls_come_from_another_run_of_their_episode() -> None:
    world = Scripted()
    calls = [HELLO, CreateSubOrchestration(id=2, instance_id="kid", name="child", input="7")]
    world.begin(calls)
    sent = list(world.sent)
    state = OrchestrationState.from_history("i1", world.state.history, is_numbered=True)
    owed = OwedRows(state, 0, range(len(state.history)))
    assert owed.episodes_to_repeat == [1]
    turn = turn_of_episode(state, 1)
    assert turn is not None
    assert [one.event_name for one in turn.history[turn.new_from :]] == ["OrchestratorStarted", "ExecutionStarted"]
    messages = owed.messages(
        None,
        code=AnyCode(),  # pyright: ignore[reportArgumentType]
        options=world.options,
        answers={1: NumberedAnswer(actions=calls)},
    )
    assert [(one.id, one.event) for one in messages] == [(one.id, one.event) for one in sent]


def test_owed_retry_is_derived_from_the_episode_that_repeated_the_call() -> None:
    world = Scripted()
    world.begin([HELLO])
    world.deliver(TaskFailed(task_scheduled_id=1), answers=[[StartTimer(id=2, fire_at=START)]])
    world.deliver(TimerFired(timer_id=2, fire_at=START), answers=[[HELLO]])
    state = OrchestrationState.from_history("i1", world.state.history, is_numbered=True)
    last = max(n for n, event in enumerate(state.history) if isinstance(event, TaskScheduled))
    owed = OwedRows(state, last, range(last, last + 1))
    assert owed.episodes_to_repeat == [3]
    answers = {3: NumberedAnswer(actions=[HELLO])}
    code: Any = AnyCode()
    messages = owed.messages(None, code=code, options=world.options, answers=answers)
    assert [one.id for one in messages] == [world.sent[-1].id]


def test_owed_call_that_the_code_no_longer_makes_fails() -> None:
    world = Scripted()
    world.begin([HELLO])
    state = OrchestrationState.from_history("i1", world.state.history, is_numbered=True)
    code: Any = AnyCode()
    owed = OwedRows(state, 0, range(len(state.history)))
    (message,) = owed.messages(None, code=code, options=world.options, answers={1: NumberedAnswer()})
    assert isinstance(message.event, TaskFailed)


def test_owed_events_and_timers_need_no_code() -> None:
    world = Scripted()
    actions = [
        SendEvent(id=1, instance_id="other", name="Go", input="1"),
        EntityCalled(id=2, request_id="r", target="@e@k", operation="get"),
        StartTimer(id=3, fire_at=START + SECOND),
    ]
    world.begin(actions)
    state = OrchestrationState.from_history("i1", world.state.history, is_numbered=True)
    owed = OwedRows(state, 0, range(len(state.history)))
    assert not owed.needs_code
    code: Any = AnyCode()
    messages = owed.messages(None, code=code, options=world.options, answers={})
    assert [(one.id, one.event, one.target) for one in messages] == [
        (one.id, one.event, one.target) for one in world.sent
    ]


def test_reply_of_an_entity_is_matched_by_the_request() -> None:
    world = Scripted()
    world.begin([EntityCalled(id=1, request_id="r-1", target="@e@k", operation="get")])
    reply = EventRaised(name="r-1", input='{"result":"3"}')
    entity = OrchestrationInstance("@e@k", "x")
    fits = TaskMessage(reply, world.instance, entity)
    other = TaskMessage(reply, world.instance, OrchestrationInstance("@other@k", "x"))
    assert classify(world.state, _received(fits)) == "process"
    assert classify(world.state, _received(other)) == "discard"
    assert only(world.sent, lambda one: one.target.instance_id == "@e@k")


def test_rows_of_a_timer_and_a_child_are_those_of_the_extension() -> None:
    world = Scripted(options=EngineOptions(store_inputs=True))
    world.begin(
        [
            StartTimer(id=1, fire_at=START + SECOND),
            CreateSubOrchestration(id=2, instance_id="k", name="child", input="1"),
        ]
    )
    timer, child = (one for one in world.state.history if one.event_id > 0)
    assert timer == TimerCreated(event_id=1, timestamp=START, fire_at=START + SECOND)
    assert child == SubOrchestrationInstanceCreated(
        event_id=2, timestamp=START, name="child", version=None, instance_id="k", input="1"
    )


class _Received:
    def __init__(self, message: TaskMessage) -> None:
        self.message = message
        self.dequeue_count = 1


def _received(message: TaskMessage) -> _Received:
    return _Received(message)
