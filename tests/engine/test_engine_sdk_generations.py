"""Instances started with one generation of the SDK and found by code of the other.

Source: docs/protocol/durable-v2.md#instances-of-the-other-generation
"""

import itertools
from collections.abc import Sequence

import msgspec
import pytest
from numbered_world import SECOND, START, AnyCode, Scripted, completed

from durable_host.durable.engine.debt import OwedRows
from durable_host.durable.engine.episode import finish_episode, start_episode
from durable_host.durable.engine.options import EngineOptions
from durable_host.durable.engine.renumbering import as_seen, is_begun_by_v1, numbers_of, renumbering_event
from durable_host.durable.engine.sdk_generations import refusal_of
from durable_host.durable.engine.state import OrchestrationState, TakenOver
from durable_host.durable.engine.taking_over import CannotTakeOver, TakeOver
from durable_host.durable.model import identity
from durable_host.durable.model.events import (
    EventRaised,
    EventSent,
    ExecutionCompleted,
    ExecutionResumed,
    ExecutionStarted,
    ExecutionSuspended,
    FailureDetails,
    GenericEvent,
    HistoryEvent,
    OrchestrationInstance,
    OrchestratorCompleted,
    OrchestratorStarted,
    SubOrchestrationInstanceCompleted,
    SubOrchestrationInstanceCreated,
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
    NumberedAction,
    ScheduleTask,
    StartTimer,
)
from durable_host.durable.model.status import OrchestrationStatus
from durable_host.durable.user_code import NumberedAnswer

INSTANCE = OrchestrationInstance("i1", "e1")
DAY = 86_400 * SECOND


def begun(*events: HistoryEvent, is_played: bool, input: str | None = None) -> list[HistoryEvent]:
    started = ExecutionStarted(orchestration_instance=INSTANCE, name="code", input=input, is_played=is_played)
    return [OrchestratorStarted(), started, *events, OrchestratorCompleted()]


def turn(*messages: HistoryEvent, calls: Sequence[HistoryEvent] = ()) -> list[HistoryEvent]:
    """A later turn of 1.x code: what it was fed, what it has called."""
    played = [msgspec.structs.replace(one, is_played=True) for one in messages]
    return [OrchestratorStarted(), *played, *calls, OrchestratorCompleted()]


FIRST_TASK_OF_V1 = begun(TaskScheduled(event_id=0, name="a"), is_played=True)
FIRST_TASK_OF_V2 = begun(TaskScheduled(event_id=1, name="a"), is_played=False)
GONE_ON = [*FIRST_TASK_OF_V1, OrchestratorStarted(), renumbering_event({0: 1}, 0), OrchestratorCompleted()]


@pytest.mark.parametrize(
    ("history", "is_numbered", "told"),
    [
        (FIRST_TASK_OF_V1, True, "Only an app of 1.x or 2.x can continue it"),
        (FIRST_TASK_OF_V1, False, None),
        (FIRST_TASK_OF_V2, False, "was run with azure-functions-durable 2.x"),
        (FIRST_TASK_OF_V2, True, None),
        (GONE_ON, False, "was run with azure-functions-durable 2.x"),
        (GONE_ON, True, None),
        (begun(is_played=True), True, None),
        (begun(is_played=True), False, None),
        (begun(is_played=False), False, None),
        ([], True, None),
    ],
)
def test_code_that_cannot_continue_leaves_the_instance_unchanged_with_a_reason(
    history: list[HistoryEvent], is_numbered: bool, told: str | None
) -> None:
    state = OrchestrationState.from_history("i1", history, is_numbered=is_numbered)
    text = refusal_of(state)
    assert text is None if told is None else told in (text or "")


@pytest.mark.parametrize(
    ("history", "expected"),
    [
        (FIRST_TASK_OF_V1, True),
        (begun(is_played=True), True),
        (FIRST_TASK_OF_V2, False),
        (GONE_ON, False),
        ([*FIRST_TASK_OF_V1, *turn(ExecutionCompleted(event_id=1))], False),
        ([], False),
    ],
)
def test_history_that_only_1x_has_written_is_known(history: list[HistoryEvent], expected: bool) -> None:
    assert is_begun_by_v1(history) is expected


@pytest.mark.parametrize(
    ("stored", "seen", "is_played"),
    [
        ('"{\\"a\\": 1}"', '{"a": 1}', True),
        ('"5"', "5", True),
        ('"\\"text\\""', '"text"', True),
        ('"not JSON"', '"not JSON"', True),
        ('{"a": 1}', '{"a": 1}', True),
        (None, None, True),
        ('"5"', '"5"', False),
    ],
)
def test_input_of_an_instance_that_1x_has_begun_loses_its_second_encoding(
    stored: str | None, seen: str | None, is_played: bool
) -> None:
    (_, started, *_) = as_seen(begun(is_played=is_played, input=stored)).events
    assert isinstance(started, ExecutionStarted)
    assert started.input == seen


@pytest.mark.parametrize(
    "numbers", [{}, {0: 1}, {0: 1, 1: 2, 2: 1, 3: None, 4: None, 5: 3}, {n: n + 1 for n in range(2000)}]
)
def test_event_encodes_the_new_numbers_compactly(numbers: dict[int, int | None]) -> None:
    sign = renumbering_event(numbers, 5)
    assert numbers_of(sign) == numbers
    assert len(sign.data or "") < 200


@pytest.mark.parametrize("data", [None, "", "retried", "Continued with the 2.x SDK; new numbers of calls: [1]"])
def test_other_generic_events_tell_no_numbers(data: str | None) -> None:
    assert numbers_of(GenericEvent(data=data)) is None


def test_rows_of_2x_code_are_not_marked_as_played() -> None:
    world = Scripted()
    events = [*world.begin([ScheduleTask(id=1, name="a")]).new_events]
    events += world.deliver(TaskCompleted(task_scheduled_id=1), answers=[[completed(2)]]).new_events
    assert not any(event.is_played for event in events)


def numbers_found(events: list[HistoryEvent], *answers: Sequence[NumberedAction]) -> dict[int, int | None]:
    """What a take-over finds when the code answers so, turn by turn."""
    return dict(gone_through(events, *answers).numbers)


def gone_through(events: list[HistoryEvent], *answers: Sequence[NumberedAction]) -> TakeOver:
    past = TakeOver("i1", events)
    script = iter(answers)
    for _, where in past.turns():
        past.match(where, NumberedAnswer(actions=next(script)))
    past.check_end()
    return past


def task(number: int, name: str = "a") -> ScheduleTask:
    return ScheduleTask(id=number, name=name)


def scheduled(number: int, name: str = "a") -> TaskScheduled:
    return TaskScheduled(event_id=number, name=name)


def done(number: int) -> TaskCompleted:
    return TaskCompleted(task_scheduled_id=number)


def failed(number: int) -> TaskFailed:
    return TaskFailed(task_scheduled_id=number, reason="no")


def timer(number: int, fire_at: int, made_at: int = 0) -> TimerCreated:
    return TimerCreated(event_id=number, fire_at=fire_at, timestamp=made_at)


def fired(number: int, fire_at: int = 0) -> TimerFired:
    return TimerFired(timer_id=number, fire_at=fire_at)


RETRY = [
    *begun(scheduled(0), is_played=True),
    *turn(failed(0), calls=[timer(1, 5 * SECOND)]),
    *turn(fired(1), calls=[scheduled(2)]),
]
RETRIED = ([task(1)], [StartTimer(id=2, fire_at=5 * SECOND)], [task(1)])


@pytest.mark.parametrize(
    ("history", "answers", "numbers"),
    [
        pytest.param(
            [*begun(scheduled(0), is_played=True), *turn(done(0), calls=[scheduled(1, "b")])],
            [[task(1)], [task(2, "b")]],
            {0: 1, 1: 2},
            id="chain",
        ),
        pytest.param(
            begun(scheduled(0), scheduled(1), scheduled(2, "b"), is_played=True),
            [[task(1), task(2), task(3, "b")]],
            {0: 1, 1: 2, 2: 3},
            id="fan-out",
        ),
        pytest.param(
            [*begun(scheduled(0), is_played=True), *turn(done(0), calls=[scheduled(1)])],
            [[task(1), task(2, "other"), task(3)], [task(2, "other"), task(3)]],
            {0: 1, 1: 3},
            id="tasks created early, one of them awaited later",
        ),
        pytest.param(RETRY, RETRIED, {0: 1, 1: 2, 2: 1}, id="retry repeats the number of its call"),
        pytest.param(
            [*RETRY, *turn(failed(2), calls=[timer(3, 9 * SECOND)]), *turn(fired(3), calls=[scheduled(4, "b")])],
            [*RETRIED, [task(3, "b")], [task(3, "b")]],
            {0: 1, 1: 2, 2: 1, 3: None, 4: 3},
            id="1.x waits once more behind the last attempt",
        ),
        pytest.param(
            [*RETRY, *turn(failed(2), calls=[timer(3, 9 * SECOND)]), *turn(fired(3), calls=[timer(4, 60 * SECOND)])],
            [*RETRIED, [StartTimer(id=3, fire_at=60 * SECOND)], [StartTimer(id=3, fire_at=60 * SECOND)]],
            {0: 1, 1: 2, 2: 1, 3: None, 4: 3},
            id="that wait is not taken for a timer of the code",
        ),
        pytest.param(
            begun(timer(0, 5 * DAY), timer(1, 60 * SECOND), is_played=True),
            [[StartTimer(id=1, fire_at=3 * DAY), StartTimer(id=2, fire_at=60 * SECOND)]],
            {0: 1, 1: 2},
            id="long timer that is cut elsewhere",
        ),
        pytest.param(
            begun(SubOrchestrationInstanceCreated(event_id=0, name="Kid", instance_id="e1:0"), is_played=True),
            [[CreateSubOrchestration(id=1, name="kid", instance_id="i1:0001")]],
            {0: 1},
            id="child",
        ),
        pytest.param(
            begun(EventSent(event_id=0, instance_id="@c@k", name="op", input='{"op":"add"}'), is_played=True),
            [[EntityCalled(id=1, request_id="r", target="@c@k", operation="add")]],
            {0: 1},
            id="call of an entity",
        ),
        pytest.param(
            [
                *begun(scheduled(0), is_played=True),
                *turn(EventRaised(name="go")),
                *turn(ExecutionSuspended()),
                *turn(done(0), ExecutionResumed(), calls=[scheduled(1, "b")]),
            ],
            [[task(1)], [], [], [task(2, "b")]],
            {0: 1, 1: 2},
            id="buffered event, suspended and resumed",
        ),
    ],
)
def test_calls_of_1x_code_get_the_numbers_of_2x(
    history: list[HistoryEvent], answers: list[list[NumberedAction]], numbers: dict[int, int | None]
) -> None:
    assert numbers_found(history, *answers) == numbers


FAILED = CompleteOrchestration(
    id=1, status=OrchestrationStatus.Failed, failure=FailureDetails("builtins.TypeError", "no such thing")
)


@pytest.mark.parametrize(
    ("history", "answers", "told"),
    [
        (FIRST_TASK_OF_V1, [[task(1, "b")]], "does not make the call TaskScheduled 0 of 'a'"),
        (FIRST_TASK_OF_V1, [[]], "TaskScheduled 0 of 'a'"),
        (FIRST_TASK_OF_V1, [[FAILED]], "it fails with builtins.TypeError: no such thing"),
        (begun(timer(0, SECOND), is_played=True), [[task(1)]], "TimerCreated 0, due at"),
        ([*FIRST_TASK_OF_V1, *turn(done(0))], [[task(1)], [completed(2)]], "does not wait for what 1.x code waits for"),
        (
            [
                *begun(scheduled(0), scheduled(1), is_played=True),
                *turn(done(0)),
                *turn(EventRaised(name="x"), calls=[scheduled(2)]),
            ],
            [[task(1), task(2)], [completed(3)], [completed(3)]],
            "has ended before it makes the call TaskScheduled 2",
        ),
    ],
)
def test_code_that_decides_differently_does_not_continue(
    history: list[HistoryEvent], answers: list[list[NumberedAction]], told: str
) -> None:
    with pytest.raises(CannotTakeOver, match=told):
        numbers_found(history, *answers)


def test_code_that_cannot_run_does_not_continue() -> None:
    past = TakeOver("i1", FIRST_TASK_OF_V1)
    ((_, where),) = past.turns()
    with pytest.raises(CannotTakeOver, match="cannot be run: it is broken"):
        past.match(where, NumberedAnswer(error="it is broken"))


def test_code_is_fed_the_past_of_each_turn_under_the_new_numbers() -> None:
    past = TakeOver("i1", RETRY)
    script = iter(RETRIED)
    seen: list[list[int]] = []
    for asked, where in past.turns():
        assert asked.new_from == len(asked.history)
        seen.append([event.event_id for event in asked.history if event.event_id >= 0])
        past.match(where, NumberedAnswer(actions=next(script)))
    assert seen == [[], [1], [1, 2]]


def test_suspensions_that_change_nothing_are_kept_from_2x_code() -> None:
    history = [
        *FIRST_TASK_OF_V1,
        *turn(ExecutionSuspended(), ExecutionSuspended(), ExecutionResumed(), ExecutionResumed()),
    ]
    names = [event.event_name for event in as_seen(history).events]
    assert names.count("ExecutionSuspended") == names.count("ExecutionResumed") == 1
    assert len(names) == len(history)


class TakenInstance:
    """2.x code has gone on with an instance of 1.x code."""

    def __init__(self, events: list[HistoryEvent], *answers: Sequence[NumberedAction]) -> None:
        past = gone_through(events, *answers)
        seen = past.history
        self.rows = list(events)
        self.state = OrchestrationState.from_history("i1", seen.events, is_numbered=True, older=seen.older)
        self.state.taken_over = TakenOver(past.numbers, past.ending)
        self._ids = itertools.count(1)

    def deliver(self, message: TaskMessage, *actions: NumberedAction) -> list[TaskMessage]:
        start_episode(self.state, [message], now=START)
        outcome = finish_episode(
            self.state,
            NumberedAnswer(actions=actions),
            now=START,
            new_id=lambda: f"e{next(self._ids)}",
            code=AnyCode(),  # pyright: ignore[reportArgumentType]
            options=EngineOptions(),
        )
        self.rows += outcome.new_events
        return list(outcome.outbound)

    def loaded_again(self) -> OrchestrationState:
        seen = as_seen(self.rows)
        return OrchestrationState.from_history("i1", seen.events, is_numbered=True, older=seen.older)


def answer_of_v1(number: int, episode: int = 1, name: str = "a") -> TaskMessage:
    """The result of an activity that 1.x code has requested under this number."""
    request = identity.decided(INSTANCE, episode, TaskScheduled.event_name, number, [name])
    return TaskMessage(done(number), INSTANCE, episode=episode, id=identity.answer_to(request))


def test_answers_that_are_on_their_way_get_the_number_of_their_call() -> None:
    taken = TakenInstance(begun(scheduled(0), scheduled(1), is_played=True), [task(1), task(2)])
    assert taken.state.calls.misfit(answer_of_v1(1), INSTANCE) is None
    taken.deliver(answer_of_v1(1))
    assert [event.task_scheduled_id for event in taken.rows if isinstance(event, TaskCompleted)] == [2]
    again = taken.loaded_again()
    assert again.calls.misfit(answer_of_v1(0), INSTANCE) is None
    assert (misfit := again.calls.misfit(answer_of_v1(1), INSTANCE)) is not None
    assert misfit.is_copy


def test_old_and_new_calls_with_one_number_get_their_own_answers() -> None:
    third = [*RETRY, *turn(failed(2), calls=[timer(3, 9 * SECOND)]), *turn(fired(3), calls=[scheduled(4)])]
    taken = TakenInstance(third, *RETRIED, [StartTimer(id=3, fire_at=9 * SECOND)], [task(1)])
    assert taken.state.taken_over is not None
    assert taken.state.taken_over.numbers[4] == 1
    (request,) = taken.deliver(TaskMessage(EventRaised(name="go"), INSTANCE), ScheduleTask(id=4, name="b"))
    new = TaskMessage(done(4), INSTANCE, episode=6, id=identity.answer_to(request.id))
    old = answer_of_v1(4, episode=5)
    for state in (taken.state, taken.loaded_again()):
        assert (state.calls.as_recorded(new), state.calls.misfit(new, INSTANCE)) == (done(4), None)
        assert (state.calls.as_recorded(old), state.calls.misfit(old, INSTANCE)) == (done(1), None)
        assert state.calls.key_of(old) != state.calls.key_of(new)


def test_timers_of_the_same_number_are_distinguished_by_their_time() -> None:
    history = begun(timer(0, SECOND), timer(1, 2 * SECOND), is_played=True)
    taken = TakenInstance(history, [StartTimer(id=1, fire_at=SECOND), StartTimer(id=2, fire_at=2 * SECOND)])
    taken.deliver(TaskMessage(EventRaised(name="go"), INSTANCE), StartTimer(id=3, fire_at=START + SECOND))
    old = TaskMessage(fired(1, 2 * SECOND), INSTANCE)
    assert taken.state.calls.as_recorded(old) == fired(2, 2 * SECOND)
    new = TaskMessage(fired(3, START + SECOND), INSTANCE)
    assert taken.state.calls.as_recorded(new) == new.event


def test_answers_of_children_and_of_foreign_workers_get_the_new_number() -> None:
    child = SubOrchestrationInstanceCreated(event_id=0, name="kid", instance_id="e1:0")
    taken = TakenInstance(
        begun(child, scheduled(1), is_played=True),
        [CreateSubOrchestration(id=1, name="kid", instance_id="i1:0001"), task(2)],
    )
    answer = TaskMessage(
        SubOrchestrationInstanceCompleted(task_scheduled_id=0), INSTANCE, sender=OrchestrationInstance("e1:0")
    )
    foreign = TaskMessage(done(1), INSTANCE, episode=1, id="00000000-0000-4000-8000-000000000000")
    for message in (answer, foreign):
        assert taken.state.calls.misfit(message, INSTANCE) is None
    assert taken.state.calls.as_recorded(answer) == SubOrchestrationInstanceCompleted(task_scheduled_id=1)
    assert taken.state.calls.as_recorded(foreign) == done(2)


def test_owed_request_of_1x_code_is_sent_under_its_old_number() -> None:
    taken = TakenInstance(begun(scheduled(0), scheduled(1), is_played=True), [task(1), task(2)])
    owed = OwedRows(taken.state, 0, range(0))
    answers = {1: NumberedAnswer(actions=[task(1), ScheduleTask(id=2, name="a", input='"x"')])}
    messages = owed.messages(
        None,
        code=AnyCode(),  # pyright: ignore[reportArgumentType]
        options=EngineOptions(),
        answers=answers,
    )
    assert [message.event.event_id for message in messages] == [0, 1]
    result = TaskMessage(done(1), INSTANCE, episode=1, id=identity.answer_to(messages[1].id))
    assert taken.state.calls.misfit(result, INSTANCE) is None


def test_code_that_has_ended_while_1x_waited_for_open_tasks_ends_at_once() -> None:
    history = [*begun(scheduled(0), scheduled(1), is_played=True), *turn(done(0))]
    taken = TakenInstance(history, [task(1), task(2)], [completed(3)])
    assert taken.state.taken_over is not None
    assert taken.state.taken_over.ending == NumberedAnswer(actions=[completed(3)])
