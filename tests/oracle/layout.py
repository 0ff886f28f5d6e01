"""The official layout of a hub that nobody serves: messages, marks, and a message for all open work.

Source: docs/protocol/task-hub-storage-messages.md#envelope,
    docs/protocol/task-hub-storage-history.md#event-row-columns,
    docs/protocol/task-hub-storage-history.md#sentinel-row
"""

import gzip
import json
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from azure.storage.blob import ContainerClient
from azure.storage.queue import QueueClient, QueueServiceClient
from storage_view import StorageView

ENVELOPE = ["$type", "ActivityId", "TaskMessage", "CompressedBlobName", "SequenceNumber"]
SENDER = ["InstanceId", "ExecutionId"]
MARKS = ("Owed", "OwedMessages", "Unfinished")
ANSWERS = {
    "TaskCompleted": "TaskScheduled",
    "TaskFailed": "TaskScheduled",
    "SubOrchestrationInstanceCompleted": "SubOrchestrationInstanceCreated",
    "SubOrchestrationInstanceFailed": "SubOrchestrationInstanceCreated",
    "TimerFired": "TimerCreated",
}


@dataclass(frozen=True)
class QueuedMessage:
    """A message of a queue. `pointer` is its text where the message itself is in a blob."""

    queue: str
    pointer: dict[str, Any] | None
    envelope: dict[str, Any]

    @property
    def kind(self) -> str:
        return self.event["$type"].removeprefix("DurableTask.Core.History.").removesuffix("Event")

    @property
    def event(self) -> dict[str, Any]:
        return self.envelope["TaskMessage"]["Event"]

    @property
    def target(self) -> dict[str, Any]:
        return self.envelope["TaskMessage"]["OrchestrationInstance"]

    @property
    def number(self) -> int | None:
        """Number of the decision that it answers or carries out."""
        if self.kind == "TaskScheduled":
            return self.event["EventId"]
        return self.event.get("TaskScheduledId", self.event.get("TimerId"))

    def __str__(self) -> str:
        return f"{self.kind} {self.number} for {self.target['InstanceId']} in {self.queue}"


@dataclass(frozen=True)
class QueuedMessages:
    """What the queues of a hub hold: what can be seen, and the number of the hidden ones by queue."""

    visible: list[QueuedMessage]
    hidden: dict[str, int]

    @property
    def hidden_work_items(self) -> int:
        return sum(count for queue, count in self.hidden.items() if queue.endswith("-workitems"))

    @property
    def hidden_control_messages(self) -> int:
        return sum(self.hidden.values()) - self.hidden_work_items


def queued_messages(connection: str, hub: str) -> QueuedMessages:
    """All messages; nobody may serve the hub meanwhile."""
    visible: list[QueuedMessage] = []
    hidden: dict[str, int] = {}
    with QueueServiceClient.from_connection_string(connection) as service:
        for properties in service.list_queues(name_starts_with=f"{hub.lower()}-"):
            queue = service.get_queue_client(properties)
            texts = list(_texts(queue))
            hidden[queue.queue_name] = (queue.get_queue_properties().approximate_message_count or 0) - len(texts)
            visible += [_message(connection, hub, queue.queue_name, text) for text in texts]
    return QueuedMessages(visible, hidden)


def shows_messages(connection: str, hub: str) -> bool:
    """A queue of the hub has a message that nobody has taken."""
    with QueueServiceClient.from_connection_string(connection) as service:
        names = [each.name for each in service.list_queues(name_starts_with=f"{hub.lower()}-")]
        return any(service.get_queue_client(name).peek_messages() for name in names)


def problems(view: StorageView, messages: QueuedMessages, *, after_a_crash: bool = False) -> list[str]:
    """What the official backend could not process, or what would never continue.

    After a crash a second copy of a result may be in its queue. Every worker drops it.
    """
    view.refresh(whole=True)
    found = [f"{mark} on the sentinel of {instance}" for instance, mark in _marks(view)]
    for message in messages.visible:
        found += [f"{message}: {problem}" for problem in _problems_of(message)]
        if message.kind in ANSWERS and not _fits(message, view, copies=after_a_crash):
            now = view.sentinels.get(message.target["InstanceId"], {}).get("ExecutionId")
            found.append(f"{message}: it fits no row (execution {message.target['ExecutionId']}, now {now})")
    missing = [name for name in _open(view, "TaskScheduled") if not _is_under_way(name, messages)]
    if len(missing) > messages.hidden_work_items:
        found.append(f"no message for the activities {missing}")
    timers = [name for name in _open(view, "TimerCreated") if not _is_under_way(name, messages)]
    if len(timers) > messages.hidden_control_messages:
        found.append(f"no message for one of the timers {timers}")
    found += [
        f"no message for the child {child} of {instance}"
        for instance, number in _open(view, "SubOrchestrationInstanceCreated")
        if not _is_under_way((instance, number), messages)
        and not _runs(child := _child(view, instance, number), view, messages)
    ]
    return found


def _marks(view: StorageView) -> Iterator[tuple[str, str]]:
    for instance, row in view.sentinels.items():
        yield from ((instance, f"{mark}={row[mark]!r}") for mark in MARKS if row.get(mark))


def _problems_of(message: QueuedMessage) -> Iterator[str]:
    envelope = message.envelope
    if list(envelope)[:5] != ENVELOPE:
        yield f"its members are {list(envelope)}"
    for activity in (envelope["ActivityId"], (message.pointer or envelope)["ActivityId"]):
        if not _is_guid(activity):
            yield f"ActivityId {activity!r} is not a GUID"
    sender = envelope.get("Sender")
    if not isinstance(sender, dict) or list(sender) != SENDER:
        yield f"Sender is {sender!r}"
    if next(iter(message.event)) != "$type":
        yield f"the event begins with {next(iter(message.event))!r}"


def _is_guid(text: Any) -> bool:
    try:
        return str(uuid.UUID(text)) == text
    except (ValueError, TypeError, AttributeError):
        return False


def _fits(message: QueuedMessage, view: StorageView, *, copies: bool) -> bool:
    """The current execution waits for it. With `copies` it may have got it already."""
    instance, kind = message.target["InstanceId"], ANSWERS[message.kind]
    rows = view.history.get(instance, [])
    if not rows or view.sentinels[instance]["ExecutionId"] != message.target["ExecutionId"]:
        return False
    if copies:
        return any(row["EventType"] == kind and row["EventId"] == message.number for row in rows)
    return (instance, message.number) in _open(view, kind)


def _open(view: StorageView, kind: str) -> set[tuple[str, int]]:
    """Instance and number of each decision of running instances that has no answer."""
    found: set[tuple[str, int]] = set()
    for instance, rows in view.history.items():
        if any(row["EventType"] == "ExecutionCompleted" for row in rows):
            continue
        answered = {
            row.get("TaskScheduledId", row.get("TimerId")) for row in rows if ANSWERS.get(row["EventType"]) == kind
        }
        found |= {
            (instance, row["EventId"]) for row in rows if row["EventType"] == kind and row["EventId"] not in answered
        }
    return found


def _is_under_way(name: tuple[str, int], messages: QueuedMessages) -> bool:
    return any((message.target["InstanceId"], message.number) == name for message in messages.visible)


def _child(view: StorageView, instance: str, number: int) -> str:
    return next(row["InstanceId"] for row in view.history[instance] if row["EventId"] == number)


def _runs(child: str, view: StorageView, messages: QueuedMessages) -> bool:
    rows = view.history.get(child, [])
    return (bool(rows) and not any(row["EventType"] == "ExecutionCompleted" for row in rows)) or any(
        message.kind == "ExecutionStarted" and message.target["InstanceId"] == child for message in messages.visible
    )


def _texts(queue: QueueClient) -> Iterator[str]:
    """The texts of all visible messages, which are visible again afterwards."""
    received = list(queue.receive_messages(messages_per_page=32, visibility_timeout=60))
    for message in received:
        queue.update_message(message, visibility_timeout=0)
        yield message.content


def _message(connection: str, hub: str, queue: str, text: str) -> QueuedMessage:
    envelope = json.loads(text)
    if not envelope.get("CompressedBlobName"):
        return QueuedMessage(queue, None, envelope)
    with ContainerClient.from_connection_string(connection, f"{hub.lower()}-largemessages") as container:
        data = container.download_blob(envelope["CompressedBlobName"]).readall()
    return QueuedMessage(queue, envelope, json.loads(gzip.decompress(data)))
