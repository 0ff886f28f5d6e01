"""The codec of the 2.x protocol: worked examples in both directions, and what protobuf cannot express."""

import base64
from pathlib import Path

import pytest
from v2_encoding import response_message

from durable_host.durable.model.events import (
    EventRaised,
    EventSent,
    ExecutionCompleted,
    ExecutionStarted,
    FailureDetails,
    OrchestrationInstance,
    TaskFailed,
    TimerFired,
)
from durable_host.durable.model.numbered import (
    CompleteOrchestration,
    CreateSubOrchestration,
    EntityCalled,
    EntityLockRequested,
    EntitySignaled,
    EntityUnlockSent,
    ScheduleTask,
    StartTimer,
)
from durable_host.durable.model.status import OrchestrationStatus
from durable_host.durable.proto import pb
from durable_host.durable.sdk.v2_entities import batch_request, read_batch_result
from durable_host.durable.sdk.v2_events import UnknownHistoryEvent, event_message, read_event, read_events
from durable_host.durable.sdk.v2_turns import BadResponse, read_response, turn_request
from durable_host.durable.user_code import EntityBatch, EntityOperation
from durable_host.timestamp import TICKS_PER_SECOND, parse

_LINES = Path(__file__).with_name("v2_vectors.txt").read_text("ascii").splitlines()
VECTORS = {name: base64.b64decode(text) for name, _, text in (line.rpartition(" ") for line in _LINES)}
REQUESTS = [name for name in VECTORS if name.endswith("REQ") and not name.startswith("P ")]
RESPONSES = [name for name in VECTORS if name.endswith("RSP") and not name.startswith("P ")]
FIRST_TURN = parse("2026-01-02T03:04:05Z")


@pytest.mark.parametrize("name", REQUESTS)
def test_request_of_the_protocol_is_what_its_events_make(name: str) -> None:
    vector = VECTORS[name]
    message = pb.OrchestratorRequest.FromString(vector)
    past, new = read_events(message.pastEvents), read_events(message.newEvents)
    trace = (
        message.orchestrationTraceContext.SerializeToString() if message.HasField("orchestrationTraceContext") else None
    )
    made = turn_request(
        message.instanceId,
        [*past, *new],
        len(past),
        worker_trace=trace,
        native_entities=name.startswith("F-native"),
    )
    assert made.SerializeToString(deterministic=True) == vector


@pytest.mark.parametrize("name", RESPONSES)
def test_response_of_the_protocol_is_read_in_full(name: str) -> None:
    vector = VECTORS[name]
    instance_id = pb.OrchestratorResponse.FromString(vector).instanceId
    assert response_message(instance_id, read_response(vector)).SerializeToString(deterministic=True) == vector


@pytest.mark.parametrize(
    ("name", "actions", "custom_status"),
    [
        ("A 1 RSP", [ScheduleTask(id=1, name="hello", input='"Tokyo"')], None),
        (
            "A 3 RSP",
            [
                CompleteOrchestration(
                    id=3, status=OrchestrationStatus.Completed, result='["Hello Tokyo!", "Hello Paris!"]', carried=[]
                )
            ],
            '{"done": 2}',
        ),
        ("B 1 RSP", [StartTimer(id=1, fire_at=FIRST_TURN + 30 * TICKS_PER_SECOND)], None),
        ("D 1 RSP", [CreateSubOrchestration(id=1, instance_id="i1:0001", name="child")], None),
        ("D 2 RSP", [CreateSubOrchestration(id=2, instance_id="kid-2", name="child", input='{"k": 1}')], None),
        (
            "E 2 RSP",
            [
                CompleteOrchestration(
                    id=2,
                    status=OrchestrationStatus.ContinuedAsNew,
                    result="1",
                    carried=[EventRaised(name="ping", input='"p1"', timestamp=parse("1970-01-01T00:00:00Z"))],
                )
            ],
            None,
        ),
        (
            "F 1 RSP",
            [
                EntitySignaled(
                    id=1,
                    request_id="85c73ce0-4cc2-5d93-a012-a9bd1ffc905e",
                    target="@counter@k1",
                    operation="add",
                    input="3",
                ),
                EntityCalled(
                    id=2,
                    request_id="a6fb41fc-7ee1-5908-bc3e-bea372f425f1",
                    target="@counter@k1",
                    operation="get",
                    parent="i4",
                ),
            ],
            None,
        ),
        (
            "G 1 RSP",
            [
                EntityLockRequested(
                    id=1,
                    critical_section_id="c18959d1-a7ad-5d6d-97ce-aec2aefaca18",
                    lock_set=("@counter@a", "@counter@b"),
                    parent="i5",
                )
            ],
            None,
        ),
        (
            "G 3 RSP",
            [
                EntityUnlockSent(
                    id=number,
                    critical_section_id="c18959d1-a7ad-5d6d-97ce-aec2aefaca18",
                    target=target,
                    parent="i5",
                )
                for number, target in ((3, "@counter@a"), (4, "@counter@b"))
            ]
            + [CompleteOrchestration(id=5, status=OrchestrationStatus.Completed, result="2", carried=[])],
            None,
        ),
        (
            "I 2 RSP",
            [
                CompleteOrchestration(
                    id=2,
                    status=OrchestrationStatus.Failed,
                    carried=[],
                    failure=FailureDetails(
                        error_type="durabletask.task.TaskFailedError",
                        error_message="i1: Activity task #1 failed: boom\nsecond line",
                        inner_failure=FailureDetails(error_type="ValueError", error_message="boom\nsecond line"),
                    ),
                )
            ],
            None,
        ),
        (
            "L 2 RSP",
            [CompleteOrchestration(id=2, status=OrchestrationStatus.Terminated, result='"stop it"', carried=[])],
            None,
        ),
    ],
)
def test_actions_of_a_response(name: str, actions: list[object], custom_status: str | None) -> None:
    answer = read_response(VECTORS[name])
    assert list(answer.actions) == actions
    assert answer.custom_status == custom_status


def test_native_history_has_the_texts_of_the_legacy_one() -> None:
    history = read_events(pb.OrchestratorRequest.FromString(VECTORS["F-native 2 REQ"]).pastEvents)
    sent = [event for event in history if isinstance(event, EventSent)]
    assert [event.input for event in sent] == [
        '{"op":"add","signal":true,"input":"3","id":"85c73ce0-4cc2-5d93-a012-a9bd1ffc905e",'
        '"Timestamp":"0001-01-01T00:00:00","Predecessor":"0001-01-01T00:00:00"}',
        '{"op":"get","id":"a6fb41fc-7ee1-5908-bc3e-bea372f425f1","parent":"i4",'
        '"Timestamp":"0001-01-01T00:00:00","Predecessor":"0001-01-01T00:00:00"}',
    ]


def test_entity_batch_of_the_protocol() -> None:
    batch = EntityBatch(
        name="v1",
        key="k1",
        exists=True,
        state="2",
        operations=[
            EntityOperation(name, text, False, id=f"00000000-0000-0000-0000-00000000000{number}")
            for number, (name, text) in enumerate([("add", "3"), ("fail", None), ("none", None)])
        ],
    )
    assert batch_request(batch).SerializeToString(deterministic=True) == VECTORS["P batch REQ"]


def test_entity_result_of_the_protocol() -> None:
    answer = read_batch_result(VECTORS["P batch RSP"])
    assert (answer.exists, answer.state) == (True, "5")
    assert [(one.is_error, one.result) for one in answer.results] == [(False, "5"), (True, None), (False, None)]
    assert answer.results[1].failure == FailureDetails(error_type="builtins.ValueError", error_message="bad")


@pytest.mark.parametrize(("exists", "state"), [(True, "null"), (False, "null"), (True, None), (True, ""), (False, "1")])
def test_entity_without_state_sends_none(exists: bool, state: str | None) -> None:
    request = batch_request(EntityBatch(name="e", key="k", exists=exists, state=state, operations=[]))
    assert not request.HasField("entityState")


@pytest.mark.parametrize("state", ["0", '""', "false", "[]"])
def test_falsy_entity_state_is_a_state(state: str) -> None:
    request = batch_request(EntityBatch(name="e", key="k", exists=True, state=state, operations=[]))
    assert request.entityState.value == state


def test_empty_version_and_missing_parent_are_absent() -> None:
    event = ExecutionStarted(orchestration_instance=OrchestrationInstance("i", "e"), name="f", version="")
    message = event_message(event)
    assert not message.executionStarted.HasField("version")
    assert not message.executionStarted.HasField("parentInstance")
    assert not message.executionStarted.HasField("input")


def test_failure_that_is_stored_as_text_only_has_no_known_type() -> None:
    message = event_message(TaskFailed(task_scheduled_id=3, reason="it broke", details="at line 1"))
    failure = message.taskFailed.failureDetails
    assert (failure.errorType, failure.errorMessage, failure.stackTrace.value) == (
        "(unknown)",
        "it broke",
        "at line 1",
    )


def test_failure_keeps_its_tree_and_properties() -> None:
    failure = FailureDetails(
        error_type="a.B",
        error_message="m",
        stack_trace="s",
        is_non_retriable=True,
        inner_failure=FailureDetails(error_type="c", error_message="d"),
        properties={"code": 3.0, "tags": ["x", None], "more": {"y": True}},
    )
    event = ExecutionCompleted(
        event_id=2, timestamp=FIRST_TURN, orchestration_status=OrchestrationStatus.Failed, failure_details=failure
    )
    assert read_event(event_message(event)) == event


def test_times_keep_all_their_digits() -> None:
    """Identifiers of .NET code are derived from times."""
    event = TimerFired(timestamp=FIRST_TURN + 1234567, timer_id=1, fire_at=FIRST_TURN + 7)
    read = read_event(event_message(event))
    assert isinstance(read, TimerFired)
    assert (read.timestamp, read.fire_at) == (FIRST_TURN + 1234567, FIRST_TURN + 7)


def test_half_of_a_surrogate_pair_becomes_a_question_mark() -> None:
    message = event_message(EventRaised(name="n", input='"\ud800é"'))
    assert message.eventRaised.input.value == '"?é"'


def test_event_without_a_kind_cannot_be_read() -> None:
    with pytest.raises(UnknownHistoryEvent, match="nothing"):
        read_event(pb.HistoryEvent(eventId=1))


@pytest.mark.parametrize("data", [b"\xff\xff\xff", b"\x0a\x05ab"])
def test_garbage_is_no_answer(data: bytes) -> None:
    with pytest.raises(BadResponse):
        read_response(data)
    with pytest.raises(BadResponse):
        read_batch_result(data)


@pytest.mark.parametrize("status", ["", None])
def test_absent_and_empty_custom_status_mean_none(status: str | None) -> None:
    message = pb.OrchestratorResponse(instanceId="i")
    if status is not None:
        message.customStatus.value = status
    assert read_response(message.SerializeToString()).custom_status is None
