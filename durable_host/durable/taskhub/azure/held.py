"""One message that this process holds, and its stage."""

from collections.abc import Callable
from enum import Enum
from typing import cast

from durable_host.durable.taskhub.port import ReceivedMessage
from durable_host.storage import LeasedMessage


class Stage(Enum):
    """What this process does with a message it holds. In the stages of `RENEWED` it is kept hidden."""

    RECEIVED = "received"
    HELD = "held"
    DELETING = "deleting"
    PARKED = "parked"
    GONE = "gone"


RENEWED = frozenset((Stage.RECEIVED, Stage.HELD, Stage.DELETING))
"""The stages in which a message is hidden again before its time is over."""


class HeldHubMessage:
    """A message with its lease (None if it is in no queue) and the number of its deliveries.

    `on_deleted` is called when its delete is confirmed. Owned by `HeldMessages`, which alone changes `stage`.
    """

    __slots__ = ("_id", "dequeue_count", "lease", "on_deleted", "stage")

    def __init__(self, lease: LeasedMessage | None, dequeue_count: int = 1, *, id: str = "") -> None:
        self.lease = lease
        self._id = id
        self.dequeue_count = dequeue_count
        self.stage = Stage.HELD
        self.on_deleted: Callable[[], None] | None = None

    @property
    def id(self) -> str:
        return self._id if self.lease is None else self.lease.id

    @property
    def queue(self) -> str | None:
        return None if self.lease is None else self.lease.queue


def held_of(message: ReceivedMessage) -> HeldHubMessage:
    """Return the adapter's part of a received message."""
    return cast("HeldHubMessage", message.receipt)
