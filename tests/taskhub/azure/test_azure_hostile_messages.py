"""Invalid messages are set aside when they are read; all others can be processed by the engine and the stores."""

import asyncio
import contextlib
import gzip
import json
import logging
import random
import threading
from typing import Any

import pytest
from hostile_messages import GOLDEN, STRANGE, any_text, changed, nested, paths
from hub_samples import clock, create, raised, receive, receive_activity, time_limit
from hypothesis import HealthCheck, given, settings
from recording_account import RecordingAccount
from test_azure_messages import MESSAGES

from durable_host.durable.engine.episode import start_episode
from durable_host.durable.engine.options import EngineOptions
from durable_host.durable.engine.state import OrchestrationState
from durable_host.durable.model import events as e
from durable_host.durable.model.events import OrchestrationInstance
from durable_host.durable.model.messages import TaskMessage
from durable_host.durable.taskhub import validity
from durable_host.durable.taskhub.azure import envelope, history_rows, large_payloads
from durable_host.durable.taskhub.azure.envelope import UnreadableMessage
from durable_host.durable.taskhub.azure.names import HubNames, escape_key, row_key
from durable_host.durable.taskhub.sqlite import codec
from durable_host.durable.taskhub.validity import InvalidHubMessage
from durable_host.storage import StorageAccount, table_codec
from durable_host.storage.errors import AccessDenied

LARGE = ("Input", "Result", "Reason", "Details", "FailureDetails", "Correlation", "Tags", "Name")


def read(text: str) -> TaskMessage | None:
    """The message as the reader hands it on; None when it sets it aside."""
    try:
        message = envelope.from_text(text).message
        if message is not None:
            validity.check(message, is_work_item=message.is_activity)
    except (UnreadableMessage, InvalidHubMessage):
        return None
    return message


def assert_stores_take(message: TaskMessage) -> None:
    instance_id, event = message.target.instance_id, message.event
    key = escape_key(instance_id)
    table_codec.check_key(key, "PartitionKey")
    row = history_rows.event_row(key, row_key(0), message.target.execution_id or "x", event)
    assert all(not isinstance(text, str) or len(text) <= 32_768 for column, text in row.items() if column not in LARGE)
    table_codec.write_entity(row)
    assert type(history_rows.read_row({k: v for k, v in row.items() if v is not None})) is type(event)
    assert codec.decode_message(event.event_name, codec.encode_message(message)).event.event_name == event.event_name
    again = envelope.from_text(envelope.encode(message, 1)).message
    assert again is not None
    validity.check(again, is_work_item=again.is_activity)
    HubNames.of("hub", 4).queue_of(instance_id)
    envelope.blob_name(message).encode()


def assert_engine_takes(message: TaskMessage) -> None:
    if message.is_activity:
        return
    instance = OrchestrationInstance(message.target.instance_id, "e" * 32)
    start = TaskMessage(e.ExecutionStarted(orchestration_instance=instance, name="F"), instance)
    start_episode(OrchestrationState(instance.instance_id), [message], now=clock.now(), options=EngineOptions())
    begun = OrchestrationState(instance.instance_id)
    start_episode(begun, [start, message], now=clock.now(), options=EngineOptions())


@settings(max_examples=400, deadline=None, suppress_health_check=tuple(HealthCheck))  # pyright: ignore[reportArgumentType]
@given(any_text())
def test_whatever_lies_in_a_queue_is_a_message_for_engine_and_stores_or_none(text: str) -> None:
    message = read(text)
    if message is not None:
        assert_stores_take(message)
        assert_engine_takes(message)


@pytest.mark.parametrize("value", STRANGE, ids=lambda value: repr(value)[:30])
def test_each_member_of_each_kind_may_hold_anything(value: Any) -> None:
    for golden in GOLDEN:
        for path in paths(golden):
            message = read(json.dumps(changed(golden, path, value)))
            if message is not None:
                assert_stores_take(message)


@pytest.mark.parametrize("text", MESSAGES)
def test_valid_messages_of_the_official_backend_are_handed_on(text: str) -> None:
    assert read(text) is not None


def event(kind: str = "EventRaised", **members: Any) -> dict[str, Any]:
    base = {"Name": "go", "Input": "1", "EventId": -1, "Timestamp": "2024-05-01T12:30:45Z"}
    return {"$type": f"DurableTask.Core.History.{kind}Event", **base, **members}


def to(instance_id: Any = "victim", execution_id: Any = None, **members: Any) -> str:
    """The JSON of a message for an instance."""
    return json.dumps(
        {
            "$type": "DurableTask.AzureStorage.MessageData",
            "TaskMessage": {
                "Event": event(**members),
                "OrchestrationInstance": {"InstanceId": instance_id, "ExecutionId": execution_id},
            },
        }
    )


REFUSED = {
    "number of 100 bits": to(EventId=10**30),
    "number of 33 bits": to(EventId=2**31),
    "no number": to(EventId="1"),
    "fraction": to(EventId=1.5),
    "long ID": to("x" * 5_000),
    "ID that is too long when it is escaped": to("/" * 300),
    "half of a surrogate pair in the ID": to("\ud800"),
    "long execution ID": to(execution_id="x" * 5_000),
    "empty ID": to(""),
    "ID that is no text": to(5),
    "time out of range": to(Timestamp="0001-01-01T00:00:00+05:00"),
    "no time": to(Timestamp="soon"),
    "name that is no text": to(Name=[]),
    "name that fits no row": to(Name="x" * 40_000),
    "input that is no text": to(Input={"a": 1}),
    "result without its number": to(kind="TaskCompleted"),
    "timer with a number out of range": to(kind="TimerFired", TimerId=2**40, FireAt="2024-05-01T12:30:45Z"),
    "history event": to(kind="OrchestratorStarted"),
    "activity request": to(kind="TaskScheduled"),
    "unknown event": to(kind="NoSuch"),
    "start of nothing": to(kind="ExecutionStarted"),
    "start of another instance": to(
        kind="ExecutionStarted", OrchestrationInstance={"InstanceId": "other", "ExecutionId": "e"}
    ),
    "tags that are no texts": to(
        kind="ExecutionStarted", OrchestrationInstance={"InstanceId": "victim", "ExecutionId": "e"}, Tags={"a": {}}
    ),
    "NaN": to(kind="TaskFailed", TaskScheduledId=1, FailureDetails={"Properties": {"a": float("nan")}}),
    "deeply nested failure": to(kind="TaskFailed", TaskScheduledId=1, FailureDetails=nested(200)),
    "deeply nested JSON": '{"a":' * 5_000 + "1" + "}" * 5_000,
    "unknown type of envelope": to().replace("MessageData", "Other"),
    "activity ID that is no GUID": json.dumps({**json.loads(to()), "ActivityId": "me"}),
    "sequence number of 65 bits": json.dumps({**json.loads(to()), "SequenceNumber": 2**64}),
    "sender that is no object": json.dumps({**json.loads(to()), "Sender": "me"}),
    "blob name that is none": json.dumps({"CompressedBlobName": "\ud800"}),
    "no JSON": "hello",
    "broken Base64": "eyJh",
    "nothing": "",
}


@pytest.mark.parametrize("text", list(REFUSED.values()), ids=list(REFUSED))
def test_what_cannot_be_a_control_message_is_refused(text: str) -> None:
    with pytest.raises((UnreadableMessage, InvalidHubMessage), match=r"\w"):
        _read_control_message(text)


def _read_control_message(text: str) -> None:
    message = envelope.from_text(text).message
    assert message is not None
    validity.check(message, is_work_item=False)


async def test_hostile_messages_leave_their_queue_and_others_are_processed(
    open_azure, storage: StorageAccount, hub_name: str, caplog: pytest.LogCaptureFixture
) -> None:
    hub = await open_azure()
    names = HubNames.of(hub_name, 4)
    queue = names.queue_of("victim")
    texts = [*REFUSED.values(), envelope.encode_pointer("victim/no-such-blob.json.gz")]
    with caplog.at_level(logging.WARNING):
        for text in texts:
            await storage.queues.put(queue, envelope.to_text(text, as_base64=True))
        for text in (to(kind="EventRaised"), "rubbish"):
            await storage.queues.put(names.work_items, text)
        client = await open_azure(worker=False, on=RecordingAccount(storage))
        await client.send(raised("victim"))
        (message,) = await receive(hub, 1)
        assert message.message.event.name == "Approval"
        await hub.discard([message])
        scheduled = e.TaskScheduled(event_id=0, name="F", timestamp=clock.now())
        await client.send(TaskMessage(scheduled, OrchestrationInstance("victim", "e"), tags={}))
        request = await receive_activity(hub)
        assert request.message.event == scheduled
        await hub.discard([request])
        async with time_limit():
            while await storage.queues.message_count(queue) or await storage.queues.message_count(names.work_items):
                await hub._worker.held.drain(5)
    assert await hub.set_aside() == {queue: len(texts), names.work_items: 2}
    warnings = [record.getMessage() for record in caplog.records if "set aside" in record.getMessage()]
    assert len(warnings) == len(texts) + 2
    assert any(queue in warning and "EventId is out of range" in warning for warning in warnings)
    assert all(warning.isprintable() for warning in warnings)


async def test_a_message_that_is_set_aside_is_kept_with_its_reason(
    open_azure, storage: StorageAccount, hub_name: str
) -> None:
    hub = await open_azure()
    queue = HubNames.of(hub_name, 4).control_queue(0)
    put = await storage.queues.put(queue, to(EventId=10**30))
    async with time_limit():
        while not await hub.set_aside():
            await hub._worker.held.drain(5)
    blob = await storage.blobs.get(f"{hub_name.lower()}-unreadable", f"{queue}/{put.id}.json")
    assert blob is not None
    kept = json.loads(blob.data)
    assert (kept["queue"], kept["messageId"], kept["text"]) == (queue, put.id, to(EventId=10**30))
    assert "EventId" in kept["reason"]


@pytest.mark.parametrize("moment", [None, "0001-01-01T00:00:00", "1600-12-31T00:00:00Z"])
async def test_an_event_without_a_time_that_a_table_can_hold_gets_that_of_its_arrival(
    open_azure, storage: StorageAccount, hub_name: str, moment: str | None
) -> None:
    hub = await open_azure()
    put = await storage.queues.put(HubNames.of(hub_name, 4).queue_of("victim"), to(Timestamp=moment))
    (message,) = await receive(hub, 1)
    assert message.message.event.timestamp == put.insertion_time


async def test_the_container_of_unreadable_messages_goes_with_its_hub(open_azure, storage: StorageAccount) -> None:
    hub = await open_azure(hub_name="Gone")
    await storage.queues.put("gone-control-00", "rubbish")
    async with time_limit():
        while not await hub.set_aside():
            await hub._worker.held.drain(5)
    await hub.stop()
    await hub.delete()
    assert not await storage.blobs.container_exists("gone-unreadable")


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"no gzip", "damaged"),
        (gzip.compress(b"\xff\xfe", mtime=0), "damaged"),
        (gzip.compress(b"[]", mtime=0), "not a JSON object"),
        (gzip.compress(b" " * 2_000 + to().encode(), mtime=0), "more than 1000 bytes"),
        (gzip.compress(envelope.encode_pointer("x").encode(), mtime=0), "another pointer"),
    ],
    ids=["no gzip", "no UTF-8", "no message", "too large when it is unpacked", "pointer"],
)
async def test_blobs_that_hold_no_message_are_set_aside(
    open_azure, storage: StorageAccount, hub_name: str, monkeypatch: pytest.MonkeyPatch, content: bytes, reason: str
) -> None:
    monkeypatch.setattr(large_payloads, "LONGEST_UNPACKED", 1_000)
    hub = await open_azure()
    names = HubNames.of(hub_name, 4)
    queue = names.queue_of("victim")
    await storage.blobs.create_container(names.large_messages)
    await storage.blobs.put(names.large_messages, "victim/message.json.gz", content)
    put = await storage.queues.put(queue, envelope.encode_pointer("victim/message.json.gz"))
    async with time_limit():
        while not await hub.set_aside():
            await hub._worker.held.drain(5)
    blob = await storage.blobs.get(names.unreadable, f"{queue}/{put.id}.json")
    assert blob is not None
    assert reason in json.loads(blob.data)["reason"]


async def test_large_payloads_are_unpacked_one_at_a_time(
    storage: StorageAccount, hub_name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    together = threading.Barrier(2, timeout=0.1)
    met: list[int] = []
    unpack = large_payloads._unpack

    def watched(data: bytes) -> str:
        with contextlib.suppress(threading.BrokenBarrierError):
            met.append(together.wait())
        return unpack(data)

    monkeypatch.setattr(large_payloads, "_unpack", watched)
    payloads = large_payloads.LargePayloads(storage.blobs, HubNames.of(hub_name, 1).large_messages)
    text = random.Random(1).randbytes(large_payloads._UNPACKED_IN_THREAD_FROM).hex()
    await payloads.put("a.json.gz", text)
    try:
        assert await asyncio.gather(payloads.get("a.json.gz"), payloads.get("a.json.gz")) == [text, text]
    finally:
        await payloads.drop()
    assert met == []


async def test_a_message_that_cannot_be_set_aside_stays_and_others_are_processed(
    open_azure, account: RecordingAccount, storage: StorageAccount, hub_name: str, caplog: pytest.LogCaptureFixture
) -> None:
    class NoContainer:
        container = "none"

        async def put(self, *_: object) -> None:
            raise AccessDenied(403, "AuthorizationFailure", "not allowed")

    hub = await open_azure()
    hub._worker._reception.reader._aside = NoContainer()
    queue = HubNames.of(hub_name, 4).queue_of("victim")
    with caplog.at_level(logging.WARNING):
        await storage.queues.put(queue, "rubbish")
        await create(hub, "victim")
        await receive(hub, 1)
        async with time_limit():
            while "stays there" not in caplog.text:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
    assert await storage.queues.message_count(queue) == 2
