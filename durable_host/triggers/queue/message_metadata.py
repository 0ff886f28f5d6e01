"""The metadata that a queue-triggered function receives.

Source: docs/protocol/functions-host-queues.md#queue-trigger-metadata
"""

from collections.abc import Mapping
from typing import Any

from durable_host import timestamp
from durable_host.config import binding_data
from durable_host.storage.queues import QueueMessage

_TIMES = ("InsertionTime", "ExpirationTime", "NextVisibleTime")


def message_metadata(message: QueueMessage, content: str) -> dict[str, Any]:
    """Id, DequeueCount, times (in the format of .NET's DateTimeOffset), PopReceipt, QueueTrigger (the text)."""
    return {
        "Id": message.id,
        "DequeueCount": message.dequeue_count,
        "InsertionTime": offset_text(message.insertion_time),
        "ExpirationTime": offset_text(message.expiration_time),
        "NextVisibleTime": offset_text(message.next_visible),
        "PopReceipt": message.pop_receipt,
        "QueueTrigger": content,
    }


def message_data(metadata: Mapping[str, Any], content: str, trigger_name: str) -> dict[str, Any]:
    """The binding data. Properties of a JSON body replace the message's own values. Times have no text form."""
    return binding_data.merged({**metadata, **dict.fromkeys(_TIMES), trigger_name: content}, content)


def offset_text(ticks: int) -> str:
    """`2024-05-01T10:20:30+00:00`."""
    return timestamp.to_text(ticks)[:-1] + "+00:00"


def message_details(message: QueueMessage) -> str:
    """The log line about the message that started the invocation."""
    seconds, fraction = divmod(message.insertion_time, timestamp.TICKS_PER_SECOND)
    inserted = timestamp.to_text(seconds * timestamp.TICKS_PER_SECOND)[:-1] + f".{fraction // 10_000:03d}+00:00"
    return f"MessageId: {message.id}, DequeueCount: {message.dequeue_count}, InsertedOn: {inserted}"
