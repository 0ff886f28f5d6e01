"""The queue message: envelope `MessageData` around a `TaskMessage`.

Source: spec/task-hub-storage.md, sections 3.1 to 3.6.
"""

import base64
import binascii
import uuid
from typing import Any, cast

import msgspec

from durable_host.durable.model.events import OrchestrationInstance
from durable_host.durable.model.messages import NO_SENDER, TaskMessage
from durable_host.durable.taskhub.azure import json_text, nested_json
from durable_host.durable.taskhub.azure.event_json import encode_event
from durable_host.durable.taskhub.azure.event_reader import read_event
from durable_host.durable.taskhub.azure.json_text import nullable, quote

LARGE_MESSAGE_BYTES = 46_080
_EMPTY_GUID = "00000000-0000-0000-0000-000000000000"


class UnreadableMessage(Exception):
    """The text is no message of a task hub; the exception's text says why."""


class Envelope(msgspec.Struct, frozen=True):
    """A decoded message. `message` is None in a pointer, which names the blob that holds the real envelope."""

    message: TaskMessage | None
    sequence_number: int = 0
    activity_id: str = _EMPTY_GUID
    compressed_blob_name: str | None = None


def new_activity_id() -> str:
    return str(uuid.uuid4())


def encode(message: TaskMessage, sequence_number: int, activity_id: str) -> str:
    """The inline JSON of a message."""
    episode = "" if message.episode is None else f'"Episode":{message.episode},'
    sender = message.sender
    return (
        f'{{"$type":"DurableTask.AzureStorage.MessageData","ActivityId":"{activity_id}",'
        f'"TaskMessage":{{"$type":"DurableTask.Core.TaskMessage","Event":{encode_event(message.event)},'
        f'"SequenceNumber":0,"OrchestrationInstance":{nested_json.instance(message.target, typed=True)},'
        f'"OrchestrationExecutionContext":{nested_json.execution_context(message.tags)}}},'
        f'"CompressedBlobName":null,"SequenceNumber":{sequence_number},{episode}'
        f'"Sender":{{"InstanceId":{quote(sender.instance_id)},"ExecutionId":{nullable(sender.execution_id)}}},'
        '"SerializableTraceContext":null}'
    )


def encode_pointer(blob_name: str) -> str:
    """The message that stands in for one in a blob."""
    return (
        f'{{"$type":"DurableTask.AzureStorage.MessageData","ActivityId":"{_EMPTY_GUID}","TaskMessage":null,'
        f'"CompressedBlobName":{quote(blob_name)},"SequenceNumber":0,"Sender":null,"SerializableTraceContext":null}}'
    )


def blob_name(message: TaskMessage, activity_id: str) -> str:
    """Name of a large message's blob; the instance ID is not escaped in it."""
    return f"{message.target.instance_id}/message-{activity_id.replace('-', '')}-{message.event.event_name}.json.gz"


def to_text(json_message: str, *, as_base64: bool) -> str:
    """Queue message text of the JSON."""
    return base64.b64encode(json_message.encode()).decode("ascii") if as_base64 else json_message


def from_text(text: str) -> Envelope:
    """Decode the text of a queue message, plain or Base64. Raises `UnreadableMessage`."""
    stripped = text.lstrip("\ufeff \t\r\n")
    if stripped.startswith("{"):
        return from_json(stripped)
    try:
        raw = base64.b64decode(stripped, validate=False)
    except (binascii.Error, ValueError):
        raise UnreadableMessage("it is neither JSON nor Base64") from None
    return from_json(raw.removeprefix(b"\xef\xbb\xbf"))


def from_json(text: str | bytes) -> Envelope:
    """Decode the JSON of an envelope. Raises `UnreadableMessage`."""
    try:
        return _read_envelope(json_text.parse(text))
    except UnreadableMessage:
        raise
    except (ValueError, TypeError, AttributeError, RecursionError) as problem:
        raise UnreadableMessage(f"its JSON cannot be read: {problem}") from None


def _read_envelope(raw: Any) -> Envelope:
    if not isinstance(raw, dict):
        raise UnreadableMessage("its JSON is no object")
    members = cast("dict[str, Any]", raw)
    number = members.get("SequenceNumber")
    sequence_number = number if isinstance(number, int) else 0
    activity_id = members.get("ActivityId") or _EMPTY_GUID
    pointer = members.get("CompressedBlobName")
    if pointer:
        return Envelope(None, sequence_number, activity_id, str(pointer))
    task_message = members.get("TaskMessage")
    if not isinstance(task_message, dict):
        raise UnreadableMessage("it has no TaskMessage")
    message = _read_task_message(cast("dict[str, Any]", task_message), members)
    return Envelope(message, sequence_number, activity_id)


def _read_task_message(raw: dict[str, Any], envelope: dict[str, Any]) -> TaskMessage:
    event = raw.get("Event")
    if not isinstance(event, dict):
        raise UnreadableMessage("it has no Event")
    target = nested_json.read_instance(raw.get("OrchestrationInstance"))
    if target is None or not target.instance_id:
        raise UnreadableMessage("it names no target instance")
    context = raw.get("OrchestrationExecutionContext")
    tags = None
    if isinstance(context, dict):
        tags = nested_json.read_tags(cast("dict[str, Any]", context).get("OrchestrationTags")) or {}
    episode = envelope.get("Episode")
    sender = nested_json.read_instance(envelope.get("Sender"))
    return TaskMessage(
        event=read_event(cast("dict[str, Any]", event)),
        target=OrchestrationInstance(target.instance_id, target.execution_id or None),
        sender=sender or NO_SENDER,
        episode=episode if isinstance(episode, int) else None,
        tags=tags,
    )
