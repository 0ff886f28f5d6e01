"""One message that this process holds, and its stage."""

from collections.abc import Callable, Sequence
from enum import Enum
from typing import cast

from durable_host.durable.taskhub.azure.pending_put import PendingPut
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

    `put` is set if the message was delivered before it was in its queue. `on_deleted` is called when its delete is
    confirmed, `on_missing` when it never will be, because the put has failed. Owned by `HeldMessages`, which alone
    changes `stage`.
    """

    __slots__ = ("_id", "dequeue_count", "lease", "on_deleted", "on_missing", "put", "stage")

    def __init__(
        self, lease: LeasedMessage | None, dequeue_count: int = 1, *, id: str = "", put: PendingPut | None = None
    ) -> None:
        self.lease = lease
        self.put = put
        self._id = id
        self.dequeue_count = dequeue_count
        self.stage = Stage.HELD
        self.on_deleted: Callable[[], None] | None = None
        self.on_missing: Callable[[], None] | None = None

    @property
    def id(self) -> str:
        return self._id if self.lease is None else self.lease.id

    @property
    def queue(self) -> str | None:
        """The queue that the message is in, or may be in."""
        if self.lease is not None:
            return self.lease.queue
        return None if self.put is None else self.put.queue

    @property
    def is_on_its_way(self) -> bool:
        """True until it is known whether the message is in its queue."""
        return self.lease is None and self.put is not None and not self.put.has_failed


def pending_puts(messages: Sequence[ReceivedMessage]) -> list[PendingPut]:
    """Return the puts of those messages that were delivered before they were in their queue."""
    return [put for message in messages if (put := held_of(message).put) is not None]


def held_of(message: ReceivedMessage) -> HeldHubMessage:
    """Return the adapter's part of a received message."""
    return cast("HeldHubMessage", message.receipt)
