"""The queue message: the envelope `MessageData` around a `TaskMessage`.

Source: docs/protocol/task-hub-storage-messages.md#envelope,
    docs/protocol/task-hub-storage-messages.md#task-message,
    docs/protocol/task-hub-storage-messages.md#tolerant-reading,
    docs/protocol/task-hub-storage-messages.md#text-encoding
"""

import base64
import binascii
import uuid
from typing import Any, cast

import msgspec

from durable_host.durable.model.events import OrchestrationInstance
from durable_host.durable.model.ids import is_well_formed
from durable_host.durable.model.messages import NO_SENDER, TaskMessage
from durable_host.durable.taskhub.azure import json_net, nested_json
from durable_host.durable.taskhub.azure.event_json import encode_event
from durable_host.durable.taskhub.azure.event_reader import read_event
from durable_host.durable.taskhub.azure.json_net import nullable, quote

LARGE_MESSAGE_BYTES = 46_080
_LONGEST_BLOB_NAME = 1024
_EMPTY_GUID = "00000000-0000-0000-0000-000000000000"


class UnreadableMessage(Exception):
    """The text is not a message of a task hub. The exception text says why."""


class Envelope(msgspec.Struct, frozen=True):
    """A decoded message. In a pointer, `message` is None and `compressed_blob_name` names the blob with the real
    envelope.
    """

    message: TaskMessage | None
    sequence_number: int = 0
    activity_id: str = _EMPTY_GUID
    compressed_blob_name: str | None = None


def encode(message: TaskMessage, sequence_number: int) -> str:
    """Return the inline JSON of a message. Its identity is the `ActivityId`."""
    activity_id = message.id or _EMPTY_GUID
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
    """Return the JSON of a message that points to a blob."""
    return (
        f'{{"$type":"DurableTask.AzureStorage.MessageData","ActivityId":"{_EMPTY_GUID}","TaskMessage":null,'
        f'"CompressedBlobName":{quote(blob_name)},"SequenceNumber":0,"Sender":null,"SerializableTraceContext":null}}'
    )


def blob_name(message: TaskMessage) -> str:
    """Return the name of a large message's blob. The instance ID is not escaped."""
    instance_id = message.target.instance_id
    if not is_well_formed(instance_id):
        instance_id = instance_id.encode("utf-8", "replace").decode()
    return f"{instance_id}/message-{(message.id or _EMPTY_GUID).replace('-', '')}-{message.event.event_name}.json.gz"


def to_text(json_message: str, *, as_base64: bool) -> str:
    """Return the queue message text for the JSON."""
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
        return _read_envelope(json_net.parse(text))
    except UnreadableMessage:
        raise
    except (ValueError, RecursionError) as problem:
        raise UnreadableMessage(f"its JSON cannot be read: {problem}") from None


def _read_envelope(raw: Any) -> Envelope:
    members = _object(raw, "envelope")
    _check_type(members, "DurableTask.AzureStorage.MessageData")
    sequence_number = _integer(members, "SequenceNumber", 64) or 0
    activity_id = _activity_id(members.get("ActivityId"))
    pointer = members.get("CompressedBlobName")
    if pointer:
        return Envelope(None, sequence_number, activity_id, _blob_name(pointer))
    task_message = _object(members.get("TaskMessage"), "TaskMessage")
    _check_type(task_message, "DurableTask.Core.TaskMessage")
    return Envelope(_read_task_message(task_message, members, activity_id), sequence_number, activity_id)


def _read_task_message(raw: dict[str, Any], envelope: dict[str, Any], activity_id: str) -> TaskMessage:
    event = read_event(_object(raw.get("Event"), "Event"))
    target = nested_json.read_instance(raw.get("OrchestrationInstance"))
    if target is None or not target.instance_id:
        raise UnreadableMessage("it has no target instance")
    tags = None
    context = raw.get("OrchestrationExecutionContext")
    if context is not None:
        context = _object(context, "OrchestrationExecutionContext")
        tags = nested_json.read_tags(context.get("OrchestrationTags")) or {}
    return TaskMessage(
        event=event,
        target=OrchestrationInstance(target.instance_id, target.execution_id or None),
        sender=nested_json.read_instance(envelope.get("Sender")) or NO_SENDER,
        episode=_integer(envelope, "Episode", 32),
        tags=tags,
        id=None if activity_id == _EMPTY_GUID else activity_id,
    )


def _object(raw: Any, name: str) -> dict[str, Any]:
    if isinstance(raw, dict):
        return cast("dict[str, Any]", raw)
    raise UnreadableMessage(f"it has no {name}" if raw is None else f"its {name} is not a JSON object")


def _check_type(members: dict[str, Any], expected: str) -> None:
    """Check `$type`, which may be missing and may name its assembly after a comma."""
    given = members.get("$type")
    if given is None:
        return
    if not isinstance(given, str) or given.split(",", 1)[0].strip() != expected:
        raise UnreadableMessage(f"its $type is {given!r:.100}, expected '{expected}'")


def _integer(members: dict[str, Any], name: str, bits: int) -> int | None:
    number = members.get(name)
    if number is None:
        return None
    if type(number) is not int or not -(1 << bits - 1) <= number < 1 << bits - 1:
        raise UnreadableMessage(f"its {name} is not a {bits}-bit integer")
    return number


def _activity_id(raw: Any) -> str:
    if raw is None:
        return _EMPTY_GUID
    try:
        return str(uuid.UUID(raw))
    except (ValueError, AttributeError, TypeError):
        raise UnreadableMessage("its ActivityId is not a GUID") from None


def _blob_name(raw: Any) -> str:
    if isinstance(raw, str) and is_well_formed(raw) and len(raw) <= _LONGEST_BLOB_NAME:
        return raw
    raise UnreadableMessage("its CompressedBlobName is not the name of a blob")
