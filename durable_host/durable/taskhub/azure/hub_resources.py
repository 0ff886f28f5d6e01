"""Creates and deletes the resources of a hub.

Source: docs/protocol/task-hub-storage.md#creation-order,
    docs/protocol/task-hub-storage.md#deletion,
    docs/protocol/task-hub-storage.md#partition-count
"""

import logging
import re
from collections.abc import Awaitable, Callable
from functools import partial

from durable_host.durable.taskhub.azure.app_lease import AppLease
from durable_host.durable.taskhub.azure.large_payloads import LargePayloads
from durable_host.durable.taskhub.azure.names import HubNames
from durable_host.durable.taskhub.azure.partition_manager import PartitionTable
from durable_host.durable.taskhub.azure.set_aside import SetAside
from durable_host.storage import QueueService, TableService
from durable_host.storage.bounded import for_each

_log = logging.getLogger("Host.Triggers.DurableTask")
_PARALLEL = 8
_CONTROL = re.compile(r"-control-\d\d$")


class HubResources:
    """The queues, tables and containers of one hub."""

    def __init__(
        self,
        queues: QueueService,
        tables: TableService,
        names: HubNames,
        partitions: PartitionTable,
        app_lease: AppLease,
        payloads: LargePayloads,
        aside: SetAside,
    ) -> None:
        self._queues = queues
        self._tables = tables
        self._names = names
        self._partitions = partitions
        self._app_lease = app_lease
        self._payloads = payloads
        self._aside = aside

    async def create(self) -> list[str]:
        """Create what is missing and return the names. Warns when the hub was created with another partition count."""
        names = self._names
        makers: dict[str, Callable[[], Awaitable[bool]]] = {
            names.app_lease: self._app_lease.create,
            names.partitions: self._partitions.create,
            names.history: partial(self._tables.create_table, names.history),
            names.instances: partial(self._tables.create_table, names.instances),
            **{queue: partial(self._queues.create, queue) for queue in (names.work_items, *names.control_queues)},
        }
        made: list[str] = []

        async def make(name: str) -> None:
            if await makers[name]():
                made.append(name)

        await for_each(makers, make, _PARALLEL)
        is_new = names.partitions in made
        rows = {row.queue for row in ([] if is_new else await self._partitions.read())}
        wanted = set(self._names.control_queues)
        others: list[str] = []

        async def add(queue: str) -> None:
            if not await self._partitions.add(queue):
                others.append(queue)

        await for_each(sorted(wanted - rows), add, 8)
        if others:  # Another host adds rows at the same time, maybe with another partition count.
            rows = {row.queue for row in await self._partitions.read()}
        if rows and len(rows | wanted) != len(wanted):
            _log.warning(
                "Task hub '%s' was created with %d partitions, but partitionCount is %d now. Messages of running "
                "instances may go to queues that no host reads: set partitionCount in host.json to %d, or "
                "use another hub.",
                self._names.hub,
                len(rows),
                len(wanted),
                len(rows),
            )
        return sorted(made)

    async def delete(self) -> None:
        """Delete everything."""
        names = self._names
        queues = await self._queues.list(f"{names.lower}-control-")
        control = [queue for queue in queues if _CONTROL.fullmatch(queue.removeprefix(names.lower))]
        await for_each([*control, names.work_items], self._queues.delete_queue, 8)
        await for_each([names.history, names.instances], self._tables.delete_table, 2)
        await self._partitions.drop()
        await self._app_lease.drop()
        await self._payloads.drop()
        await self._aside.drop()
