"""The JSON of the scheduler state."""

import json

import pytest
from entity_samples import CALLER, EXECUTION, NOW, Entity, request, signal
from msgspec.structs import replace

from durable_host.durable.engine.entity_request import UnreadableEntityMessage, read_request, request_record
from durable_host.durable.engine.scheduler_state import SchedulerState

BUSY = (
    '{"exists":true,"state":"5","queue":[{"op":"add","input":"1","id":"a3f5c1de-0b7e-4c55-9d3a-1f2e3d4c5b6a",'
    '"parent":"abc123","parentExecution":"0123456789abcdef0123456789abcdef",'
    '"Timestamp":"2024-05-01T12:30:45.1234567Z","Predecessor":"0001-01-01T00:00:00"}],"lockedBy":"abc123",'
    '"suspended":true,"sorter":{"LastSentToInstance":{"@counter@b":"2024-05-01T12:30:45.1234567Z"},'
    '"ReceivedFromInstance":{"abc123":{"Last":"2024-05-01T12:30:45.1234567Z",'
    '"ExecutionId":"0123456789abcdef0123456789abcdef"}},"ReceiveHorizon":"2024-05-01T12:00:45.1234567Z",'
    '"SendHorizon":"2024-05-01T12:00:45.1234567Z"}}'
)
"""The golden state of a busy entity: docs/protocol/task-hub-storage-examples.md#entity-state-example."""


def test_the_golden_state_is_read_and_written_byte_for_byte():
    scheduler = SchedulerState.from_json(BUSY)
    assert scheduler.exists
    assert scheduler.state == "5"
    assert scheduler.locked_by == "abc123"
    assert scheduler.suspended
    assert [each.operation for each in scheduler.queue] == ["add"]
    assert scheduler.to_json() == BUSY


def test_buffered_requests_are_keyed_by_their_timestamp_text():
    state = json.loads(BUSY)
    later = dict(state["queue"][0], Timestamp="2024-05-01T12:30:46.0000001")
    state["sorter"]["ReceivedFromInstance"]["abc123"]["Buffered"] = {"2024-05-01T12:30:46.0000001": later}
    text = json.dumps(state, separators=(",", ":"))
    assert SchedulerState.from_json(text).to_json() == text


def test_a_fresh_state_is_almost_nothing():
    assert SchedulerState.from_json(None).to_json() == '{"sorter":{}}'
    assert SchedulerState().custom_status() == "{}"


def test_custom_status_leaves_out_defaults():
    assert SchedulerState.from_json(BUSY).custom_status() == '{"entityExists":true,"queueSize":1,"lockedBy":"abc123"}'


def test_a_state_of_the_other_dialect_exists_when_there_is_state():
    scheduler = SchedulerState.from_json('{"state":"7","sorter":{}}')
    assert scheduler.exists
    assert scheduler.to_json() == '{"exists":true,"state":"7","sorter":{}}'
    assert not SchedulerState.from_json('{"exists":false,"state":"7"}').exists


def test_null_without_exists_is_no_state():
    """What the reference keeps of an entity that was deleted, or whose first operation failed."""
    entity = Entity()
    entity.run(signal("del"))
    entity.history[1] = replace(entity.history[1], input='{"state":"null","sorter":{}}')
    (outcome,) = entity.run(signal("boom"))
    assert (entity.batches[-1].exists, entity.batches[-1].state) == (False, "null")
    assert entity.scheduler == {"state": "null", "sorter": {}}
    assert outcome.update.custom_status == "{}"
    assert SchedulerState.from_json('{"exists":true,"state":"null","sorter":{}}').exists


@pytest.mark.parametrize("text", ["", "[]", "5", "{", '{"queue":[5]}', '{"sorter":{"SendHorizon":"yesterday"}}'])
def test_a_state_that_is_none_is_refused(text: str):
    with pytest.raises(UnreadableEntityMessage):
        SchedulerState.from_json(text)


def test_the_time_of_a_request_is_kept_while_it_waits():
    state = json.loads(BUSY)
    state["queue"][0]["requestTime"] = "2024-05-01T12:30:46.0012345+00:00"
    text = json.dumps(state, separators=(",", ":"))
    assert SchedulerState.from_json(text).to_json() == text


def test_the_golden_entity_after_one_call():
    """Row R7 of docs/protocol/task-hub-storage-examples.md#row-examples."""
    entity = Entity()
    call = request("add", "1", timestamp_label="2024-05-01T12:30:45.9876543Z")
    (outcome,) = entity.run(call)
    assert entity.history[1].input == (
        '{"exists":true,"state":"1","sorter":{"ReceivedFromInstance":{"abc123":{"Last":"2024-05-01T12:30:45.9876543Z",'
        '"ExecutionId":"0123456789abcdef0123456789abcdef"}},"ReceiveHorizon":"2024-05-01T12:00:45.9876543Z"}}'
    )
    assert outcome.update.custom_status == '{"entityExists":true}'
    assert outcome.update.started is outcome.new_events[1]
    assert ("abc123", "0123456789abcdef0123456789abcdef", outcome.update.last_updated_time) == (CALLER, EXECUTION, NOW)


GOLDEN_REQUESTS = [
    '{"$type":"Microsoft.Azure.WebJobs.Extensions.DurableTask.RequestMessage, '
    'Microsoft.Azure.WebJobs.Extensions.DurableTask","op":"add","input":"1",'
    '"id":"4702cb47-3da5-5c85-bb9e-138a3635692a","parent":"abc123",'
    '"parentExecution":"0123456789abcdef0123456789abcdef","Timestamp":"2024-05-01T12:30:45.9876543Z",'
    '"Predecessor":"0001-01-01T00:00:00","requestTime":"2024-05-01T12:30:46.0012345+00:00"}',
    '{"op":"add","signal":true,"input":"1","id":"a3f5c1de-0b7e-4c55-9d3a-1f2e3d4c5b6a",'
    '"Timestamp":"0001-01-01T00:00:00","Predecessor":"0001-01-01T00:00:00"}',
]


@pytest.mark.parametrize("text", GOLDEN_REQUESTS)
def test_golden_requests_are_read_and_written_byte_for_byte(text: str):
    record = request_record(read_request(text), with_type="$type" in text)
    assert json.dumps(record, separators=(",", ":")) == text


def test_a_request_of_the_other_dialect_is_read():
    lock = read_request('{"id":"x","IsLockRequest":true,"createTrace":false,"parent":"p","lockset":[{"name":"a"}]}')
    assert lock.is_lock
    assert lock.lock_set == (("a", ""),)
    call = read_request('{"op":"get","id":"x","IsLockRequest":false,"requestTime":"2024-05-01T12:30:45+00:00"}')
    assert not call.is_lock


@pytest.mark.parametrize(
    "text", [None, "", "null", "[]", '"op"', "{}", '{"op":"x"}', '{"op":"x","id":"1","Timestamp":"soon"}', "{"]
)
def test_a_request_that_is_none_is_refused(text: str | None):
    with pytest.raises(UnreadableEntityMessage):
        read_request(text)
