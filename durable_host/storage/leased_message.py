"""One queue message that this process has taken: nobody else can see it, and its receipt allows changes.

Each change gives a new receipt. Storage answers 404 or 400 to a receipt that is no longer valid.
"""

import asyncio
import time

from durable_host.storage.errors import InvalidRequest, NotFound
from durable_host.storage.queue_xml import PutMessage, QueueMessage
from durable_host.storage.queues import QueueService


class LeasedMessage:
    """Where the message lies, its latest receipt, and until when it is hidden (monotonic seconds).

    `is_lost` is true when the receipt is no longer valid: the message is gone, or its queue delivers it again. `hold`
    is for how many seconds it was hidden last, `renew_at` when it is hidden again; both belong to `MessageLeases`.
    """

    __slots__ = ("hidden_until", "hold", "id", "is_lost", "queue", "receipt", "renew_at", "renewal")

    def __init__(self, queue: str, message: QueueMessage | PutMessage, hidden: float) -> None:
        """`hidden` is for how many seconds from now the message was received or put invisible."""
        self.queue = queue
        self.id = message.id
        self.receipt = message.pop_receipt
        self.hidden_until = time.monotonic() + hidden
        self.is_lost = False
        self.hold = 0.0
        self.renew_at = 0.0
        self.renewal: asyncio.Task[None] | None = None

    def received_again(self, receipt: str, hidden: float) -> None:
        """The queue has delivered the message once more, hidden for so many seconds."""
        self.receipt = receipt
        self.hidden_until = time.monotonic() + hidden
        self.is_lost = False

    async def renewed(self) -> None:
        """Wait until a renewal that is under way is over: it changes the receipt."""
        if self.renewal is not None and not self.renewal.done():
            await asyncio.wait([self.renewal])


async def hide(queues: QueueService, message: LeasedMessage, seconds: float) -> bool:
    """Set until when a message is invisible (0: visible at once); False when it is lost. Raises StorageError."""
    while True:
        receipt = message.receipt
        try:
            message.receipt, _visible = await queues.update(message.queue, message.id, receipt, seconds)
        except (NotFound, InvalidRequest):
            if message.receipt != receipt:
                continue
            message.is_lost = True
            return False
        message.hidden_until = time.monotonic() + seconds
        return True


async def delete(queues: QueueService, message: LeasedMessage) -> bool:
    """Delete a message; False when it is lost. Raises StorageError."""
    while True:
        await message.renewed()
        receipt = message.receipt
        try:
            await queues.delete(message.queue, message.id, receipt)
        except (NotFound, InvalidRequest):
            await message.renewed()
            if message.receipt != receipt:
                continue
            message.is_lost = True
            return False
        return True
