"""The golden messages, byte for byte, and tolerant reading.

Source: docs/protocol/task-hub-storage-examples.md#message-examples,
    docs/protocol/task-hub-storage-messages.md#tolerant-reading
"""

import base64
import contextlib
import json
import random
from pathlib import Path

import msgspec
import pytest

from durable_host.durable.model import events as e
from durable_host.durable.model.events import OrchestrationInstance
from durable_host.durable.model.messages import NO_SENDER, TaskMessage
from durable_host.durable.taskhub.azure import envelope
from durable_host.durable.taskhub.azure.envelope import UnreadableMessage

GOLDEN = Path(__file__).parent / "golden"
MESSAGES = (GOLDEN / "messages.jsonl").read_text(encoding="utf-8").splitlines()
NAMES = [f"M{number}" for number in range(1, 16)]
ACTIVITY_ID = "11111111-2222-3333-4444-555555555555"


@pytest.mark.parametrize("text", MESSAGES, ids=NAMES)
def test_golden_message_is_read_and_written_back_byte_for_byte(text: str) -> None:
    read = envelope.from_text(text)
    assert read.message is not None
    assert read.activity_id == ACTIVITY_ID
    assert envelope.encode(read.message, read.sequence_number) == text


@pytest.mark.parametrize("text", MESSAGES, ids=NAMES)
def test_base64_of_a_golden_message_reads_the_same(text: str) -> None:
    assert envelope.from_text(envelope.to_text(text, as_base64=True)) == envelope.from_text(text)


def test_start_by_a_client_has_the_values_of_the_protocol() -> None:
    message = envelope.from_text(MESSAGES[0]).message
    assert message is not None
    assert message.sender == NO_SENDER
    assert message.episode is None
    assert message.tags is None
    event = message.event
    assert isinstance(event, e.ExecutionStarted)
    assert (event.name, event.input, event.generation, event.event_id) == ("HelloSequence", '"Tokyo"', 0, -1)
    assert message.target == OrchestrationInstance("abc123", "0123456789abcdef0123456789abcdef")


def test_activity_request_carries_empty_tags() -> None:
    message = envelope.from_text(MESSAGES[1]).message
    assert message is not None
    assert message.is_activity
    assert message.tags == {}
    assert message.episode == 1


def test_pointer_message_has_the_bytes_of_the_protocol() -> None:
    text = (GOLDEN / "pointer.json").read_text(encoding="utf-8").strip()
    name = "abc123/message-11111111222233334444555555555555-ExecutionStarted.json.gz"
    assert envelope.encode_pointer(name) == text
    read = envelope.from_text(text)
    assert read.message is None
    assert read.compressed_blob_name == name
    start = envelope.from_text(MESSAGES[0]).message
    assert start is not None
    assert envelope.blob_name(msgspec.structs.replace(start, id=ACTIVITY_ID)) == name


def test_legacy_message_without_sender_and_generation_is_read() -> None:
    raw = json.loads(MESSAGES[0])
    del raw["Sender"]
    del raw["TaskMessage"]["Event"]["Generation"]
    raw["TaskMessage"]["Event"]["$type"] += ", DurableTask.Core"
    text = base64.b64encode(json.dumps(raw, indent=1).encode()).decode()
    message = envelope.from_text(text).message
    assert message is not None
    assert message.sender == NO_SENDER
    assert isinstance(message.event, e.ExecutionStarted)
    assert message.event.generation is None


def test_members_in_any_order_and_unknown_members_are_read() -> None:
    raw = json.loads(MESSAGES[2])
    raw["Unheard"] = {"of": 1}
    event = raw["TaskMessage"]["Event"]
    raw["TaskMessage"]["Event"] = {"$type": event["$type"], **dict(reversed(event.items())), "More": []}
    read = envelope.from_text(json.dumps(dict(reversed(raw.items()))))
    assert read.message == envelope.from_text(MESSAGES[2]).message


@pytest.mark.parametrize(
    "text",
    [
        "",
        "hello",
        "{",
        "[]",
        "{}",
        "null",
        "%%%",
        '{"TaskMessage":{}}',
        '{"TaskMessage":{"Event":{"$type":"DurableTask.Core.History.NoSuchEvent"},"OrchestrationInstance":'
        '{"InstanceId":"a"}}}',
        '{"TaskMessage":{"Event":{"$type":"DurableTask.Core.History.TaskCompletedEvent"},"OrchestrationInstance":'
        '{"InstanceId":"a"}}}',
        '{"TaskMessage":{"Event":{"$type":"DurableTask.Core.History.TimerFiredEvent","TimerId":1,"FireAt":"soon"},'
        '"OrchestrationInstance":{"InstanceId":"a"}}}',
        '{"TaskMessage":{"Event":{"$type":"DurableTask.Core.History.EventRaisedEvent","Name":"x"},'
        '"OrchestrationInstance":{"InstanceId":""}}}',
        '{"TaskMessage":{"Event":{"$type":"DurableTask.Core.History.EventRaisedEvent","Name":"x"},'
        '"OrchestrationInstance":{"InstanceId":5}}}',
        '{"TaskMessage":{"Event":{"$type":"DurableTask.Core.History.EventRaisedEvent","Name":"x"},'
        '"OrchestrationInstance":{"InstanceId":"a"}},"Sender":{"InstanceId":"b","ExecutionId":[1]}}',
        MESSAGES[0][: len(MESSAGES[0]) // 2],
    ],
)
def test_what_is_no_message_is_refused_with_a_reason(text: str) -> None:
    with pytest.raises(UnreadableMessage, match=r"\w"):
        envelope.from_text(text)


@pytest.mark.parametrize(
    ("text", "literal"),
    [
        ('"\\/', r'"\"\\/"'),
        ("\b\t\n\f\r\x01\x1f", r'"\b\t\n\f\r\u0001\u001f"'),
        ("\x85\u2028\u2029", r'"\u0085\u2028\u2029"'),
        ("\x7f äöü 日本 😀 </x>", '"\x7f äöü 日本 😀 </x>"'),
        ("\ud800x\ufffe\uffff", r'"\ud800x\ufffe\uffff"'),
    ],
)
def test_strings_are_escaped_as_the_reference_does(text: str, literal: str) -> None:
    message = TaskMessage(e.EventRaised(name="n", input=text), OrchestrationInstance("a"), id=ACTIVITY_ID)
    encoded = envelope.encode(message, 1)
    assert f'"Input":{literal},' in encoded
    assert envelope.from_text(encoded).message == message


ONE_OF_EACH = [
    e.ExecutionStarted(
        orchestration_instance=OrchestrationInstance("a", "x"),
        parent_instance=e.ParentInstance("P", OrchestrationInstance("p", "y"), 3, None),
        name="F",
        version=None,
        input=None,
        tags={"k": "v", "FireAndForget": ""},
        correlation="c",
        parent_trace_context=e.TraceContext("00-1-2-01", "s", "i", "sp", "2024-05-01T12:30:45.1+00:00"),
        scheduled_start_time=638501706451234567,
        generation=7,
        generate_new_trace=True,
        timestamp=638501706451234500,
    ),
    e.TaskFailed(
        task_scheduled_id=1,
        reason="r",
        details="d",
        failure_details=e.FailureDetails("T", "m", "st", e.FailureDetails("I"), True, {"a": [1, None]}),
    ),
    e.ExecutionCompleted(event_id=4, result="[]"),
    e.ContinueAsNew(event_id=4, result="[]"),
    e.SubOrchestrationInstanceCreated(event_id=2, name="C", instance_id="c", input="1", tags={}),
    e.SubOrchestrationInstanceFailed(task_scheduled_id=2, reason=None),
    e.TimerCreated(event_id=3, fire_at=638501706450000000),
    e.OrchestratorStarted(timestamp=0, is_played=True),
    e.OrchestratorCompleted(),
    e.EventSent(instance_id="x", name="n", input=None),
    e.GenericEvent(data=None),
    e.ExecutionRewound(reason="r", instance_id="i"),
    e.ExecutionTerminated(input="x", recurse=True),
]


@pytest.mark.parametrize("event", ONE_OF_EACH, ids=lambda event: event.event_name)
def test_every_kind_of_event_survives_the_queue(event: e.HistoryEvent) -> None:
    message = TaskMessage(event, OrchestrationInstance("a", "x"), episode=3, tags={"a": "b"}, id=ACTIVITY_ID)
    encoded = envelope.encode(message, 9)
    json.loads(encoded)
    assert envelope.from_text(encoded).message == message


def test_random_bytes_never_raise_anything_but_unreadable() -> None:
    source = random.Random(7)
    for _ in range(300):
        base = bytearray(MESSAGES[source.randrange(15)].encode())
        for _ in range(source.randrange(1, 6)):
            base[source.randrange(len(base))] = source.randrange(256)
        with contextlib.suppress(UnreadableMessage):
            envelope.from_text(base.decode("utf-8", "replace"))
        with contextlib.suppress(UnreadableMessage):
            envelope.from_json(bytes(base))
