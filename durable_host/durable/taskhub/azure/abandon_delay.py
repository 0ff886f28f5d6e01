"""How long a message that is given back stays away.

Source: docs/protocol/task-hub-storage-queues.md#messages-given-back
"""

MAX_ABANDON_DELAY = 600.0


def abandon_delay(dequeue_count: int) -> float:
    """Seconds before a message is delivered again that was received so many times."""
    return MAX_ABANDON_DELAY if dequeue_count > 30 else min(2.0**dequeue_count, MAX_ABANDON_DELAY)
