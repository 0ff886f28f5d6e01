"""The delay before a released message is delivered again.

Source: docs/protocol/task-hub-storage-queues.md#released-messages
"""

from durable_host.durable.taskhub.azure.unavailable import is_about_data
from durable_host.storage import StorageError

MAX_ABANDON_DELAY = 600.0
MAX_OUTAGE_DELAY = 30.0


def abandon_delay(dequeue_count: int) -> float:
    """Return the delay in seconds for a message that was received `dequeue_count` times."""
    return MAX_ABANDON_DELAY if dequeue_count > 30 else min(2.0**dequeue_count, MAX_ABANDON_DELAY)


def delay_after_error(dequeue_count: int, error: StorageError) -> float:
    """Return the delay in seconds for a message that could not be read or checked because of a storage error.

    Unless storage rejects the content of the message, the message is not the cause, so the delay is short.
    """
    delay = abandon_delay(dequeue_count)
    return delay if is_about_data(error) else min(delay, MAX_OUTAGE_DELAY)
