"""Messages of a hub that this process holds: renewed until they are lost, and again when they are redelivered."""

import asyncio
from typing import cast

import pytest

from durable_host.durable.taskhub.azure.held_hub_message import HeldHubMessage, Stage
from durable_host.durable.taskhub.azure.held_messages import HeldMessages
from durable_host.storage import LeasedMessage, NotFound, PutMessage, QueueService


class Queues:
    """Knows one valid receipt; `renewed` gets the receipts of the renewals that came with it."""

    def __init__(self, receipt: str) -> None:
        self.receipt = receipt
        self.refused = asyncio.Event()
        self.renewed: asyncio.Queue[str] = asyncio.Queue()

    async def update(self, queue: str, id: str, receipt: str, seconds: float) -> tuple[str, int]:
        if receipt != self.receipt:
            self.refused.set()
            raise NotFound(404, "MessageNotFound", "no such receipt")
        self.renewed.put_nowait(receipt)
        return receipt, 0


async def test_a_message_that_was_lost_and_delivered_again_is_renewed_with_its_new_receipt() -> None:
    queues = Queues("second")
    held_messages = HeldMessages(cast("QueueService", queues), hold_time=30.0)
    held = HeldHubMessage(LeasedMessage("q", PutMessage("m", "first", 0, 0), 0.6))
    held_messages.take(held)
    renewing = asyncio.create_task(held_messages.renew_forever())
    async with asyncio.timeout(30):
        await queues.refused.wait()
        assert held_messages.refresh("m", "second", 0.6) is held
        assert await queues.renewed.get() == "second"
    renewing.cancel()
    await asyncio.gather(renewing, return_exceptions=True)


@pytest.mark.parametrize("stage", [Stage.HELD, Stage.PARKED])
async def test_a_message_in_no_queue_needs_no_lease(stage: Stage) -> None:
    held_messages = HeldMessages(cast("QueueService", Queues("none")), hold_time=30.0)
    held = HeldHubMessage(None, id="direct-1")
    held_messages.take(held)
    if stage is Stage.PARKED:
        held_messages.park(held)
    assert await held_messages.hide(held, 5.0)
    held_messages.delete_later(held)
    assert held.stage is Stage.GONE
