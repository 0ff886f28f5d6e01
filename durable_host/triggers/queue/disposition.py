"""What becomes of a message: pure rules.

Source: docs/protocol/functions-host-queues.md#outcomes, docs/protocol/functions-host-queues.md#poison-queues
"""

from enum import Enum

POISON_SUFFIX = "-poison"


class Disposition(Enum):
    """`RUN`: still to be run, by the next receiver when this host stops. `POISON`: move to the poison queue.
    `RELEASE`: visible again after `visibilityTimeout`. `HOLD`: there can be no poison queue, so the message stays
    invisible for the rest of its hold.
    """

    RUN = "run"
    DELETE = "delete"
    POISON = "poison"
    RELEASE = "release"
    HOLD = "hold"


def poison_queue_of(queue: str) -> str | None:
    """Name of the poison queue, or None where there is none."""
    name = queue + POISON_SUFFIX
    return None if queue.endswith(POISON_SUFFIX) or len(name) > 63 else name


def before_running(queue: str, dequeue_count: int, max_dequeue_count: int) -> Disposition:
    """A message that was received too often does not run again."""
    if dequeue_count <= max_dequeue_count:
        return Disposition.RUN
    return Disposition.POISON if poison_queue_of(queue) else Disposition.RUN


def after_failure(queue: str, dequeue_count: int, max_dequeue_count: int) -> Disposition:
    if poison_queue_of(queue) is None:
        return Disposition.HOLD
    return Disposition.POISON if dequeue_count >= max_dequeue_count else Disposition.RELEASE
