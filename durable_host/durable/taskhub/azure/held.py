"""One message in the hands of this process, and what it does with it."""

import asyncio
from collections.abc import Callable
from enum import Enum


class Stage(Enum):
    """What this process does with a message it holds. The first three are hidden again and again."""

    RECEIVED = "received"
    HELD = "held"
    DELETING = "deleting"
    PARKED = "parked"
    GONE = "gone"


RENEWED = frozenset((Stage.RECEIVED, Stage.HELD, Stage.DELETING))
"""The stages in which a message is hidden again and again."""


class HeldHubMessage:
    """One message: where it lies, the receipt that allows changes, until when it is hidden (monotonic seconds).

    `queue` is None for a message that lies in no queue. `hold` is for how many seconds it was hidden last, `renew_at`
    when it is hidden again. `on_deleted` is called when its delete is confirmed. Owned by `HeldMessages`, which alone
    changes `stage`.
    """

    __slots__ = (
        "dequeue_count",
        "hidden_until",
        "hold",
        "id",
        "on_deleted",
        "queue",
        "receipt",
        "renew_at",
        "renewal",
        "stage",
    )

    def __init__(self, queue: str | None, id: str, receipt: str, hidden_until: float, dequeue_count: int) -> None:
        self.queue = queue
        self.id = id
        self.receipt = receipt
        self.hidden_until = hidden_until
        self.hold = 0.0
        self.renew_at = 0.0
        self.dequeue_count = dequeue_count
        self.stage = Stage.HELD
        self.renewal: asyncio.Task[None] | None = None
        self.on_deleted: Callable[[], None] | None = None

    async def renewed(self) -> None:
        """Wait until a renewal that is under way is over: it changes the receipt."""
        if self.renewal is not None and not self.renewal.done():
            await asyncio.wait([self.renewal])
