"""A queue message that this process holds: it is hidden from others, and its receipt allows changes.

Each change returns a new receipt. For a receipt that is no longer valid, storage returns 404 or 400.
"""

import asyncio
import time

from durable_host.storage.errors import InvalidRequest, NotFound
from durable_host.storage.queue_xml import PutMessage, QueueMessage
from durable_host.storage.queues import QueueService


class LeasedMessage:
    """The queue of the message, its latest receipt, and the time until which it is hidden (monotonic seconds).

    `is_lost` is true if the receipt is no longer valid: the message is gone, or will be redelivered. `hold` is the last
    visibility timeout in seconds, `renew_at` the time of the next renewal; `MessageLeases` sets both.
    """

    __slots__ = ("hidden_until", "hold", "id", "is_lost", "queue", "receipt", "renew_at", "renewal")

    def __init__(self, queue: str, message: QueueMessage | PutMessage, hidden: float) -> None:
        """`hidden` is the visibility timeout in seconds, starting now."""
        self.queue = queue
        self.id = message.id
        self.receipt = message.pop_receipt
        self.hidden_until = time.monotonic() + hidden
        self.is_lost = False
        self.hold = 0.0
        self.renew_at = 0.0
        self.renewal: asyncio.Task[None] | None = None

    def received_again(self, receipt: str, hidden: float) -> None:
        """The queue has redelivered the message, with this visibility timeout in seconds."""
        self.receipt = receipt
        self.hidden_until = time.monotonic() + hidden
        self.is_lost = False

    async def renewed(self) -> None:
        """Wait for a running renewal, because it changes the receipt."""
        if self.renewal is not None and not self.renewal.done():
            await asyncio.wait([self.renewal])


async def hide(queues: QueueService, message: LeasedMessage, seconds: float) -> bool:
    """Hide a message for `seconds` (0: make it visible); False if it is lost. Raises StorageError."""
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
    """Delete a message; False if it is lost. Raises StorageError."""
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
