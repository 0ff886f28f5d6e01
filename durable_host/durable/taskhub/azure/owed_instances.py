"""Finds the instances whose commits still owe something, after a start and when a partition is claimed.

Source: docs/protocol/task-hub-storage-additions.md#owed-work
"""

import asyncio
from collections.abc import Awaitable, Callable

from durable_host.durable.taskhub.azure.deliveries import Deliveries
from durable_host.durable.taskhub.azure.names import HubNames
from durable_host.durable.taskhub.azure.outage import Outage
from durable_host.durable.taskhub.azure.unsettled import UnsettledInstances
from durable_host.storage import StorageError

_SOURCE = "unsettled commits"
_RETRY_SECONDS = 0.5


class OwedInstances:
    """Runs alongside the pollers. `find` returns all instances of the hub whose commits owe something."""

    def __init__(
        self,
        names: HubNames,
        deliveries: Deliveries,
        unsettled: UnsettledInstances,
        outage: Outage,
        find: Callable[[], Awaitable[list[str]]],
    ) -> None:
        self._names = names
        self._deliveries = deliveries
        self._unsettled = unsettled
        self._outage = outage
        self._find = find
        self._claimed: set[str] = set()
        self._has_claimed = asyncio.Event()
        self._has_searched = asyncio.Event()
        self._has_searched.set()
        self._has_returned = False
        self._to_settle: set[str] = set()
        self._has_settled = asyncio.Event()

    def claimed(self, queue: str) -> None:
        """Record that this process now serves a control queue."""
        self._claimed.add(queue)
        self._has_searched.clear()
        self._has_claimed.set()

    async def run(self) -> None:
        """Search the claimed partitions, until cancelled."""
        while True:
            await self._has_claimed.wait()
            self._has_claimed.clear()
            claimed, self._claimed = self._claimed, set()
            try:
                found = await self._find()
            except StorageError as error:
                self._outage.failed(_SOURCE, error)
                self._claimed |= claimed
                self._has_searched.set()
                await asyncio.sleep(_RETRY_SECONDS)
                self._has_claimed.set()
                continue
            self._outage.recovered(_SOURCE)
            for instance_id in found:
                queue = self._names.queue_of(instance_id)
                instance = self._unsettled.get(instance_id)
                is_new = instance is None or instance.debt is not None
                if is_new and queue in claimed and queue in self._deliveries.owned:
                    self._to_settle.add(instance_id)
                    self._deliveries.owed.put_nowait(instance_id)
            if not self._claimed:
                self._has_searched.set()

    async def next(self) -> str:
        """Wait for the next instance found. The caller has started to load the previous one."""
        if self._has_returned:
            self._deliveries.owed.task_done()
            self._has_returned = False
        instance_id = await self._deliveries.owed.get()
        self._has_returned = True
        return instance_id

    def settled(self, instance_id: str) -> None:
        """Record that the instance no longer owes anything."""
        self._to_settle.discard(instance_id)
        self._has_settled.set()

    async def all_settled(self, queue: str) -> None:
        """Wait until everything found in a control queue is settled, but not for storage that does not respond."""
        await self._has_searched.wait()
        while any(self._names.queue_of(one) == queue for one in self._to_settle):
            self._has_settled.clear()
            await self._has_settled.wait()

    async def all_listed(self) -> None:
        """Wait until every instance found was returned by `next`, but not for storage that does not respond."""
        await self._has_searched.wait()
        await self._deliveries.owed.join()
