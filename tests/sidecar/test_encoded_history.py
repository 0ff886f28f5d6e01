"""A history encoded event by event for workers is the same as the codec's encoding of the whole."""

from typing import Any

import pytest

from durable_host.durable.model.events import (
    EventRaised,
    EventSent,
    ExecutionStarted,
    HistoryEvent,
    OrchestrationInstance,
    OrchestratorCompleted,
    OrchestratorStarted,
    TaskCompleted,
    TaskScheduled,
)
from durable_host.durable.proto import pb
from durable_host.durable.sdk.v2_turns import turn_request
from durable_host.durable.sidecar.workers import encoded_fields, encoded_history
from durable_host.durable.sidecar.workers.encoded_history import EncodedHistories, past_events

_CALL = '{"op":"get","id":"a6fb41fc-7ee1-5908-bc3e-bea372f425f1","parent":"i1"}'
HISTORY: list[Any] = [
    OrchestratorStarted(),
    ExecutionStarted(name="chain", input='"é"', orchestration_instance=OrchestrationInstance("i1", "e1")),
    TaskScheduled(event_id=1, name="act", input="x" * 300),
    EventSent(event_id=2, instance_id="@counter@k", name="op", input=_CALL),
    OrchestratorCompleted(),
    OrchestratorStarted(),
    TaskCompleted(task_scheduled_id=1, result="1"),
    EventRaised(name="a6fb41fc-7ee1-5908-bc3e-bea372f425f1", input='{"result":"3"}'),
]


def encoded(histories: EncodedHistories, history: list[HistoryEvent], new_from: int) -> pb.OrchestratorRequest:
    found = histories.of("i1", "e1", history)
    return pb.OrchestratorRequest.FromString(
        encoded_fields.field(1, b"i1") + found.past(new_from) + found.new(new_from),
    )


def whole(history: list[HistoryEvent], new_from: int) -> pb.OrchestratorRequest:
    return turn_request("i1", history, new_from, native_entities=True)


def test_a_history_that_grows_is_encoded_as_if_it_were_new() -> None:
    histories = EncodedHistories()
    for count, new_from in ((2, 0), (5, 2), (8, 5), (8, 2), (8, 8)):
        assert encoded(histories, HISTORY[:count], new_from) == whole(HISTORY[:count], new_from)


def test_each_event_is_encoded_once(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[HistoryEvent] = []
    event_message = encoded_history.event_message
    monkeypatch.setattr(encoded_history, "event_message", lambda event: made.append(event) or event_message(event))
    histories = EncodedHistories()
    for count in range(1, 4):
        encoded(histories, HISTORY[:count], 0)
    assert made == HISTORY[:3]


def test_a_history_that_was_rewritten_is_encoded_anew() -> None:
    histories = EncodedHistories()
    encoded(histories, HISTORY, 5)
    rewritten = [*HISTORY[:6], TaskCompleted(task_scheduled_id=1, result="2")]
    assert encoded(histories, rewritten, 5) == whole(rewritten, 5)


def test_histories_that_are_not_used_are_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(encoded_history, "MAX_HISTORIES", 2)
    histories = EncodedHistories()
    for number in range(3):
        histories.of(f"i{number}", "e", HISTORY)
    histories.forget("i1", "e")
    assert list(histories._histories) == [("i2", "e")]


def test_past_events_are_read_back() -> None:
    past = EncodedHistories().of("i1", "e1", HISTORY).past(5)
    assert list(past_events(past)) == list(whole(HISTORY, 5).pastEvents)
    assert list(past_events(b"")) == []


@pytest.mark.parametrize("size", [0, 1, 127, 128, 300, 70_000])
def test_fields_are_as_protobuf_encodes_them(size: int) -> None:
    text = "x" * size
    item = pb.WorkItem.FromString(encoded_fields.field(10, text.encode()))
    assert item == pb.WorkItem(completionToken=text)
    assert pb.OrchestratorRequest.FromString(encoded_fields.flag(6)).requiresHistoryStreaming
