"""How long a message that is given back stays away.

Source: docs/protocol/task-hub-storage-queues.md#messages-given-back
"""

from durable_host.durable.taskhub.azure.unavailable import is_about_data
from durable_host.storage import StorageError

MAX_ABANDON_DELAY = 600.0
MAX_OUTAGE_DELAY = 30.0


def abandon_delay(dequeue_count: int) -> float:
    """Seconds before a message is delivered again that was received so many times."""
    return MAX_ABANDON_DELAY if dequeue_count > 30 else min(2.0**dequeue_count, MAX_ABANDON_DELAY)


def delay_after_error(dequeue_count: int, error: StorageError) -> float:
    """The same for a message that storage has kept from being read or checked. Unless it refuses what the message
    holds, the message is not the reason: then it does not stay away for long after an outage.
    """
    delay = abandon_delay(dequeue_count)
    return delay if is_about_data(error) else min(delay, MAX_OUTAGE_DELAY)
