"""Which result matches which call: every kind, with every possible mismatch."""

import json
import warnings

import azure.durable_functions as df
import pytest
from engine_world import START, World, at, child_completed, child_failed, completed, failed, fired, raised
from msgspec.structs import replace

from durable_host.durable.engine.activity_results import activity_result
from durable_host.durable.engine.state import OrchestrationState
from durable_host.durable.engine.triage import classify, why_dropped
from durable_host.durable.model import identity
from durable_host.durable.model.events import (
    EventRaised,
    EventSent,
    ExecutionStarted,
    GenericEvent,
    OrchestrationInstance,
    OrchestratorStarted,
    SubOrchestrationInstanceCreated,
    TaskCompleted,
    TaskFailed,
    TaskScheduled,
    TimerFired,
)
from durable_host.durable.model.messages import TaskMessage
from durable_host.durable.user_code import ActivityOutcome

EXECUTION = f"{1:032x}"
OWN = OrchestrationInstance("inst1", EXECUTION)
ACTIVITY, TIMER, CHILD, ENTITY = 0, 1, 2, 3
DUE = at(60)


def calls_everything(context):
    yield context.task_all(
        [
            context.call_activity("Hello", "world"),
            context.create_timer(context.current_utc_datetime.replace(minute=1)),
            context.call_sub_orchestrator("other", None, "child"),
            context.call_entity(df.EntityId("counter", "k"), "get"),
        ]
    )


def other(context):
    return None


class Received:
    def __init__(self, message, count=1):
        self.message = message
        self.dequeue_count = count


@pytest.fixture(params=["warm", "loaded"])
def running(request):
    """An instance in whose first episode an activity, a timer, a child and an entity were called."""
    world = World([calls_everything, other], entities={"counter": lambda context: None})
    world.deliver(world.start("calls_everything"))
    if request.param == "loaded":
        world.drop()
    return world


def answer(world, number):
    """The result that the call `number` waits for."""
    if number == ENTITY:
        name = next(iter(world.state().calls.requests))
        sender = OrchestrationInstance("@counter@k", "c" * 32)
        return TaskMessage(raised(name, {"result": "1"}), OWN, sender, 1)
    if number == ACTIVITY:
        request = next(one for one in world.sent if one.is_activity)
        return activity_result(request, ActivityOutcome(result='"Hello"'), now=START)
    if number == TIMER:
        return next(one for one in world.sent if isinstance(one.event, TimerFired))
    return TaskMessage(child_completed(CHILD), OWN, OrchestrationInstance("child", "d" * 32), 3)


def delivery(world, message):
    return classify(world.state(), Received(message, count=9))


@pytest.mark.parametrize("number", [ACTIVITY, TIMER, CHILD, ENTITY])
def test_each_call_takes_its_answer_once(running, number):
    message = answer(running, number)
    assert delivery(running, message) == "process"
    running.deliver(message, time=61)
    assert delivery(running, message) == "discard"
    assert why_dropped(running.state(), message).is_copy


@pytest.mark.parametrize("number", [ACTIVITY, TIMER, CHILD, ENTITY])
def test_of_two_copies_in_one_batch_one_is_taken(running, number):
    message = answer(running, number)
    key = next(iter(running.state().calls.requests)) if number == ENTITY else number
    assert classify(running.state(), Received(message), taken={key}) == "discard"
    assert why_dropped(running.state(), message, {key}).is_copy


RESULTS = {
    "TaskCompleted": completed,
    "TaskFailed": failed,
    "TimerFired": lambda number: TimerFired(timestamp=START, timer_id=number, fire_at=DUE),
    "SubOrchestrationInstanceCompleted": child_completed,
    "SubOrchestrationInstanceFailed": child_failed,
}
RIGHT = {
    ACTIVITY: {"TaskCompleted", "TaskFailed"},
    TIMER: {"TimerFired"},
    CHILD: {"SubOrchestrationInstanceCompleted", "SubOrchestrationInstanceFailed"},
    ENTITY: set[str](),
}


@pytest.mark.parametrize("number", RIGHT)
@pytest.mark.parametrize("kind", RESULTS)
def test_a_result_never_completes_a_task_of_another_kind(running, kind, number):
    sender = OrchestrationInstance("child") if number == CHILD else OWN
    message = TaskMessage(RESULTS[kind](number), OWN, sender, 1, id=identity.new())
    assert delivery(running, message) == ("process" if kind in RIGHT[number] else "discard")


OTHER_REQUEST = identity.decided(OWN, 1, "TaskScheduled", ACTIVITY, ("Bye",))
MISFITS = {
    "activity of an uncommitted decision": (ACTIVITY, {"id": identity.answer_to(OTHER_REQUEST)}),
    "activity with the identity of its request": (ACTIVITY, {"id": OTHER_REQUEST}),
    "activity of another execution": (ACTIVITY, {"target": OrchestrationInstance("inst1", "f" * 32)}),
    "activity without an execution": (ACTIVITY, {"target": OrchestrationInstance("inst1")}),
    "timer due at another time": (TIMER, {"event": TimerFired(timestamp=START, timer_id=TIMER, fire_at=DUE + 1)}),
    "timer of another execution": (TIMER, {"target": OrchestrationInstance("inst1", "f" * 32)}),
    "timer without an execution": (TIMER, {"target": OrchestrationInstance("inst1")}),
    "child of another ID": (CHILD, {"sender": OrchestrationInstance("stranger", "d" * 32)}),
    "child without a sender": (CHILD, {"sender": OrchestrationInstance("", "")}),
    "child of another execution": (CHILD, {"target": OrchestrationInstance("inst1", "f" * 32)}),
    "child that names no parent's execution": (CHILD, {"target": OrchestrationInstance("inst1")}),
    "entity with another key": (ENTITY, {"sender": OrchestrationInstance("@counter@other", "c" * 32)}),
    "entity of another execution": (ENTITY, {"target": OrchestrationInstance("inst1", "f" * 32)}),
    "client that knows the ID of the request": (ENTITY, {"sender": OrchestrationInstance("", "")}),
}


@pytest.mark.parametrize("case", MISFITS)
def test_a_result_that_differs_in_anything_it_carries_is_dropped(running, case):
    number, changes = MISFITS[case]
    message = answer(running, number)
    assert delivery(running, message) == "process"
    message = replace(message, **changes)
    assert delivery(running, message) == "discard"
    misfit = why_dropped(running.state(), message)
    assert misfit is None if "another execution" in case else not misfit.is_copy


def test_an_answer_without_an_execution_is_taken_from_the_right_entity(running):
    message = replace(answer(running, ENTITY), target=OrchestrationInstance("inst1"))
    assert delivery(running, message) == "process"


def test_an_activity_that_was_called_with_another_input_is_not_the_one_that_was_committed():
    def calls(context):
        yield context.call_activity("Hello", context.get_input())

    first = World([calls])
    stale = first.deliver(first.start("calls", "approved")).outbound[0]
    world = World([calls])
    world.deliver(world.start("calls", "late"))
    result = activity_result(stale, ActivityOutcome(result="1"), now=START)
    assert delivery(world, result) == "discard"
    world.drop()
    assert delivery(world, result) == "process"


def later_activity():
    """An activity that was called in the second episode."""

    def calls(context):
        yield context.wait_for_external_event("Go")
        yield context.call_activity("Hello", "world")

    world = World([calls])
    world.deliver(world.start("calls"))
    world.deliver(raised("Go"))
    return world


FOREIGN = "0e7b3a52-8f4d-4b3e-9c1a-2d5f6a7b8c9d"


@pytest.mark.parametrize(
    ("episode", "expected"), [(2, "process"), (1, "discard"), (3, "discard"), (None, "process"), (-1, "process")]
)
@pytest.mark.parametrize("id", [None, FOREIGN, identity.answer_to(FOREIGN)])
def test_the_result_of_a_foreign_request_is_matched_by_its_episode(id, episode, expected):
    world = later_activity()
    assert delivery(world, TaskMessage(completed(0), OWN, OWN, episode, id=id)) == expected


def test_a_generation_that_begins_may_carry_the_episode_of_the_one_before(running):
    assert delivery(running, TaskMessage(completed(ACTIVITY), OWN, OWN, 7, id=FOREIGN)) == "process"


def test_a_call_that_a_rewind_took_back_waits_for_its_second_request_only():
    world = later_activity()
    request = next(one for one in world.sent if one.is_activity)
    old = activity_result(request, ActivityOutcome(error="ValueError: boom"), now=START)
    world.deliver(old, time=1)
    assert world.names()[-2] == "ExecutionCompleted"
    taken_back = (TaskScheduled, TaskFailed)
    world.committed["inst1"] = [
        GenericEvent(event_id=event.event_id, timestamp=event.timestamp, reason=f"Rewound: {event.event_name}")
        if isinstance(event, taken_back) or event.event_name == "ExecutionCompleted"
        else event
        for event in world.committed["inst1"]
    ]
    world.drop()
    assert classify(world.state(), Received(old)) == "defer"
    outcome = world.deliver(GenericEvent(data="again"), time=2)
    again = outcome.outbound[0]
    assert again.is_activity
    assert delivery(world, old) == "discard"
    result = activity_result(again, ActivityOutcome(result="1"), now=START)
    for _ in ("warm", "loaded"):
        assert delivery(world, result) == "process"
        world.drop()


def test_a_child_whose_failure_was_rewound_is_open_again(running):
    running.deliver(TaskMessage(child_failed(CHILD), OWN, OrchestrationInstance("child")), time=1)
    assert delivery(running, answer(running, CHILD)) == "discard"
    running.committed["inst1"] = [
        GenericEvent(reason="Rewound: SubOrchestrationInstanceFailed")
        if event.event_name == "SubOrchestrationInstanceFailed"
        else event
        for event in running.committed["inst1"]
    ]
    running.drop()
    assert delivery(running, answer(running, CHILD)) == "process"


LOCK = json.dumps(
    {"op": None, "id": FOREIGN, "lockset": [{"name": "counter", "key": "a"}, {"name": "counter", "key": "b"}]}
)


@pytest.mark.parametrize(
    ("sender", "expected"), [("@counter@a", "process"), ("@counter@b", "process"), ("@counter@c", "discard")]
)
def test_a_lock_is_answered_by_an_entity_of_its_set(sender, expected):
    state = state_of(EventSent(event_id=0, instance_id="@counter@a", name="op", input=LOCK))
    message = TaskMessage(raised(FOREIGN), OWN, OrchestrationInstance(sender), 1)
    assert classify(state, Received(message)) == expected


@pytest.mark.parametrize(
    "sent",
    [
        EventSent(event_id=0, instance_id="inst2", name="Note", input='{"id": "Approval"}'),
        EventSent(event_id=0, instance_id="@counter@a", name="release", input='{"id": "Approval"}'),
        EventSent(event_id=0, instance_id="@counter@a", name="op", input='{"id": "Approval", "signal": true}'),
        EventSent(event_id=0, instance_id="@counter@a", name="op", input="no JSON"),
        EventSent(event_id=0, instance_id="@counter@a", name="op", input=None),
    ],
    ids=lambda sent: f"{sent.name} {sent.input}",
)
def test_what_is_sent_and_not_answered_does_not_stand_in_the_way_of_an_event(sent):
    message = TaskMessage(raised("Approval"), OrchestrationInstance("inst1"))
    assert classify(state_of(sent), Received(message)) == "process"


def test_every_result_that_does_not_fit_is_explained(running):
    stranger = replace(answer(running, CHILD), sender=OrchestrationInstance("stranger"))
    early = replace(answer(running, TIMER), event=fired(TIMER))
    assert said(running, TaskMessage(completed(TIMER), OWN, OWN)) == (
        "the timer due at 2026-01-01T00:01:00Z (number 1): it is the result of an activity"
    )
    assert said(running, early) == (
        "the timer due at 2026-01-01T00:01:00Z (number 1): it belongs to a timer due at 2026-01-01T00:00:00Z"
    )
    assert said(running, stranger) == (
        "the sub-orchestration 'child' (number 2): it comes from the instance 'stranger'"
    )
    assert said(running, replace(answer(running, ACTIVITY), id=identity.answer_to(OTHER_REQUEST))) == (
        "the activity 'Hello' (number 0): it answers a call that was decided under this number and never committed"
    )
    assert said(running, TaskMessage(completed(9), OWN, OWN)) == "anything: the history contains no call 9"


def said(world, message):
    misfit = why_dropped(world.state(), message)
    return f"{misfit.what}: {misfit.why}"


def state_of(*events):
    start = ExecutionStarted(orchestration_instance=OWN, name="calls_everything", timestamp=START)
    return OrchestrationState.from_history("inst1", [OrchestratorStarted(timestamp=START), start, *events])


def twice(context):
    first = yield context.call_activity("Hello", 1)
    yield context.create_timer(context.current_utc_datetime.replace(minute=5))
    event = yield context.wait_for_external_event("Go")
    last = yield context.call_activity("Hello", 2)
    return [first, event, last]


@pytest.mark.parametrize("mode", ["live", "cold", "one_shot"])
def test_histories_with_doubled_rows_and_empty_episodes_replay_and_continue(mode):
    """As official workers leave them behind after crashes."""
    world = World([twice], mode=mode)
    world.deliver(world.start("twice"))
    world.deliver(replace(completed(0, "a"), is_played=False), time=1)
    timer = next(one for one in world.sent if isinstance(one.event, TimerFired))
    world.deliver(timer, time=300)
    world.deliver(raised("Go", "x"), time=301)
    doubled = []
    for event in world.committed["inst1"]:
        doubled.append(event)
        if isinstance(event, TaskCompleted | TimerFired | EventRaised):
            doubled.append(event)
        if event.event_name == "OrchestratorCompleted":
            doubled += [OrchestratorStarted(timestamp=event.timestamp), event]
    world.committed["inst1"] = doubled
    world.drop()
    request = next(one for one in world.sent if one.is_activity and one.event.event_id == 2)
    result = activity_result(request, ActivityOutcome(result='"b"'), now=at(302))
    # Official workers count the episodes of doubled rows too; this history was doubled behind their backs.
    result = replace(result, id=FOREIGN, episode=None)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert delivery(world, result) == "process"
        world.deliver(result, time=302)
    assert world.result == ["a", "x", "b"]
    assert [event.event_id for event in world.history() if event.event_id >= 0] == [0, 1, 2, 3]


def test_a_child_that_is_called_again_by_a_rewound_parent_is_a_new_call():
    created = SubOrchestrationInstanceCreated(event_id=0, name="other", instance_id="child", timestamp=START)
    state = state_of(created)
    assert state.calls.knows(TaskMessage(child_completed(0), OWN, OrchestrationInstance("child")))
    assert not state_of(GenericEvent(event_id=0)).calls.knows(TaskMessage(child_completed(0), OWN))


def test_the_failure_of_an_unknown_activity_answers_its_call():
    def calls(context):
        yield context.call_activity("NoSuch")

    world = World([calls], activities={})
    outcome = world.deliver(world.start("calls"))
    for _ in ("warm", "loaded"):
        assert delivery(world, outcome.outbound[0]) == "process"
        world.drop()


@pytest.mark.parametrize("is_signal", [True, False])
def test_a_request_that_a_repeated_episode_makes_under_another_id_is_no_copy_of_the_first(is_signal):
    """An entity that dropped it would answer only the first, or wait forever for the label of the second."""

    def asks(context):
        entity = df.EntityId("counter", "k")
        if is_signal:
            context.signal_entity(entity, "add", 1)
        else:
            yield context.call_entity(entity, "add", 1)
        yield context.wait_for_external_event("Go")

    sent = []
    for time in (0, 1):
        world = World([asks], entities={"counter": lambda context: None})
        world.now = at(time)
        sent.append(world.deliver(world.start("asks")).outbound[0])
    first, second = (json.loads(message.event.input)["id"] for message in sent)
    assert first != second
    assert sent[0].id != sent[1].id
