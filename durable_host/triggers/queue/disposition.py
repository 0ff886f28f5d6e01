"""Decides what to do with a message. Pure functions.

Source: docs/protocol/functions-host-queues.md#outcomes, docs/protocol/functions-host-queues.md#poison-queues
"""

from enum import Enum

POISON_SUFFIX = "-poison"


class Disposition(Enum):
    """What to do with a message.

    `RUN`: run the function; if this host stops first, the next receiver does. `POISON`: move it to the poison queue.
    `RELEASE`: make it visible again after `visibilityTimeout`. `HOLD`: there is no poison queue, so the message stays
    hidden until its current timeout.
    """

    RUN = "run"
    DELETE = "delete"
    POISON = "poison"
    RELEASE = "release"
    HOLD = "hold"


def poison_queue_of(queue: str) -> str | None:
    """The name of the poison queue; None if the queue cannot have one."""
    name = queue + POISON_SUFFIX
    return None if queue.endswith(POISON_SUFFIX) or len(name) > 63 else name


def before_running(queue: str, dequeue_count: int, max_dequeue_count: int) -> Disposition:
    """The disposition of a received message: one that was received too often does not run again."""
    if dequeue_count <= max_dequeue_count:
        return Disposition.RUN
    return Disposition.POISON if poison_queue_of(queue) else Disposition.RUN


def after_failure(queue: str, dequeue_count: int, max_dequeue_count: int) -> Disposition:
    if poison_queue_of(queue) is None:
        return Disposition.HOLD
    return Disposition.POISON if dequeue_count >= max_dequeue_count else Disposition.RELEASE
