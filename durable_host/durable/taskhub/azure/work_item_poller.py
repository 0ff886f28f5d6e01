"""Receives activity requests from other processes while activity slots of this host are free.

Source: docs/protocol/task-hub-storage-queues.md#work-item-queue
"""

import asyncio

from durable_host.durable.taskhub.azure.reception import Reception
from durable_host.storage import StorageError

_MAX_BATCH = 32


class WorkItemPoller:
    """Polls the work-item queue for as many requests as callers wait for."""

    def __init__(self, reception: Reception) -> None:
        self._queue = reception.names.work_items
        self._queues = reception.queues
        self._new_backoff = reception.poll_backoff
        self._deliveries = reception.deliveries
        self._held = reception.held
        self._reader = reception.reader
        self._outage = reception.outage

    async def run(self) -> None:
        """Poll until cancelled."""
        inbox = self._deliveries.activities
        backoff = self._new_backoff()
        while True:
            wanted = inbox.wanted
            if not wanted:
                inbox.demand.clear()
                await inbox.demand.wait()
                continue
            try:
                if await self._poll(min(wanted, _MAX_BATCH)):
                    backoff.reset()
                    continue
            except StorageError as error:
                self._outage.failed(self._queue, error)
            await asyncio.sleep(backoff.after_empty_poll())

    async def _poll(self, count: int) -> int:
        hold = self._deliveries.activity_hold
        got = await self._queues.get(self._queue, count, hold)
        self._outage.recovered(self._queue)
        new = [one for one in got if self._deliveries.refreshed(self._queue, one, hold) is None]
        async with self._held.receiving(self._queue, new, hold) as received:
            for message, held in received:
                async with self._held.guarding(held):
                    read = await self._reader.read(self._queue, message, held)
                    if read is not None:
                        self._deliveries.deliver(held, read.task)
        return len(got)
