"""Keeps the messages that are being worked on invisible for other receivers.

One task renews all messages of a listener when half of their hold is over.

Source: docs/protocol/functions-host-queues.md#visibility
"""

import asyncio
import logging

from durable_host.storage.errors import InvalidRequest, NotFound, StorageError
from durable_host.storage.queue_xml import QueueMessage
from durable_host.storage.queues import QueueService

_log = logging.getLogger("Host.Triggers.Queue")


class HeldMessage:
    """A received message and the pop receipt that is valid now. Owned by the listener; `VisibilityRenewal` replaces
    the receipt while it watches.
    """

    __slots__ = ("is_lost", "message", "pop_receipt", "renew_at", "renewing")

    def __init__(self, message: QueueMessage, renew_at: float) -> None:
        self.message = message
        self.pop_receipt = message.pop_receipt
        self.renew_at = renew_at
        self.renewing = asyncio.Lock()
        self.is_lost = False


class VisibilityRenewal:
    """Watches held messages; `hold` is their invisibility in seconds."""

    def __init__(self, service: QueueService, queue: str, hold: float) -> None:
        self._service = service
        self._queue = queue
        self._hold = hold
        self._held: set[HeldMessage] = set()
        self._some = asyncio.Event()

    def watch(self, message: QueueMessage) -> HeldMessage:
        held = HeldMessage(message, asyncio.get_running_loop().time() + self._hold / 2)
        self._held.add(held)
        self._some.set()
        return held

    async def let_go(self, held: HeldMessage) -> None:
        """Stop renewing. Afterwards the message's pop receipt does not change any more."""
        self._held.discard(held)
        if held.renewing.locked():
            async with held.renewing:
                pass

    async def run(self) -> None:
        """Renew until cancelled."""
        clock = asyncio.get_running_loop()
        while True:
            await self._some.wait()
            if not self._held:
                self._some.clear()
                continue
            await asyncio.sleep(max(0.05, min(held.renew_at for held in self._held) - clock.time()))
            due = [held for held in self._held if held.renew_at <= clock.time()]
            for start in range(0, len(due), 8):
                await asyncio.gather(*(self._renew(held) for held in due[start : start + 8]))

    async def _renew(self, held: HeldMessage) -> None:
        clock = asyncio.get_running_loop()
        async with held.renewing:
            if held not in self._held:
                return
            try:
                held.pop_receipt, _ = await self._service.update(
                    self._queue, held.message.id, held.pop_receipt, self._hold
                )
                held.renew_at = clock.time() + self._hold / 2
            except (NotFound, InvalidRequest) as error:
                self._held.discard(held)
                held.is_lost = True
                _log.debug(
                    "Message '%s' of queue '%s' is no longer held by this host: %s", held.message.id, self._queue, error
                )
            except StorageError as error:
                held.renew_at = clock.time() + 1.0
                _log.debug("Message '%s' of queue '%s' could not be renewed: %s", held.message.id, self._queue, error)
