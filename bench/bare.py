"""The upper bounds: only the storage requests that a scenario needs, as fast as Azurite accepts them.

There is no engine, no user code and no worker. Messages are deleted with the pop receipt that the put returned, so
they are not received first. History rows are written in full transactions. Rows and messages have realistic sizes.
"""

import asyncio
import time
import uuid
from collections.abc import Awaitable, Callable
from typing import TypeVar

from durable_host.config.connection import Connection
from durable_host.storage import StorageAccount
from durable_host.storage.table_transactions import Operation

T = TypeVar("T")

WINDOW = 128
ROWS_A_TRANSACTION = 98
MESSAGE = "x" * 900
ROW = {"EventId": 1, "IsPlayed": False, "EventType": "TaskScheduled", "Name": "echo", "Tags": "null", "Version": ""}


class BareHub:
    """A queue and two tables with the requests that an engine makes."""

    def __init__(self, account: StorageAccount) -> None:
        self._account = account
        self._suffix = uuid.uuid4().hex[:8]
        self.control = f"bare{self._suffix}-control-00"
        self._history = f"bare{self._suffix}History"
        self._instances = f"bare{self._suffix}Instances"

    async def create(self) -> None:
        await self._account.queues.create(self.control)
        for table in (self._history, self._instances):
            await self._account.tables.create_table(table)

    async def delete(self) -> None:
        await self._account.queues.delete_queue(self.control)
        for table in (self._history, self._instances):
            await self._account.tables.delete_table(table)

    async def message(self, queue: str) -> None:
        """Put a message on a queue and delete it."""
        put = await self._account.queues.put(queue, MESSAGE, visibility=30)
        await self._account.queues.delete(queue, put.id, put.pop_receipt)

    async def history(self, instance: str, first: int, count: int) -> None:
        """Write `count` history rows and the sentinel in one transaction."""
        rows = [
            Operation("upsert_replace", {"PartitionKey": instance, "RowKey": f"{first + n:016X}", **ROW})
            for n in range(count)
        ]
        rows.append(Operation("upsert_merge", {"PartitionKey": instance, "RowKey": "sentinel", "ExecutionId": "x"}))
        await self._account.tables.transaction(self._history, rows)

    async def instance_row(self, instance: str) -> None:
        row = {"PartitionKey": instance, "RowKey": "", "RuntimeStatus": "Running", "Input": "null", **ROW}
        await self._account.tables.upsert_merge(self._instances, row)


async def fan_out(hub: BareHub, count: int) -> None:
    """One instance with `count` activities: two history rows for each, in full transactions."""
    await hub.instance_row("fan-out")
    await hub.message(hub.control)
    await hub.instance_row("fan-out")
    for first in range(0, 2 * count, ROWS_A_TRANSACTION):
        await hub.history("fan-out", first, min(ROWS_A_TRANSACTION, 2 * count - first))
    await hub.instance_row("fan-out")


async def sequences(hub: BareHub, instances: int, steps: int) -> None:
    """`instances` instances with `steps` sequential activities each: one transaction per episode."""
    window = asyncio.Semaphore(WINDOW)

    async def one(instance: str) -> None:
        async with window:
            await hub.instance_row(instance)
            await hub.message(hub.control)
            await hub.history(instance, 0, 4)
            await hub.instance_row(instance)
            for step in range(steps):
                await hub.history(instance, 4 + 4 * step, 4)
            await hub.instance_row(instance)

    async with asyncio.TaskGroup() as group:
        for number in range(instances):
            group.create_task(one(f"sequence-{number}"))


async def events(hub: BareHub, count: int) -> list[float]:
    """Seconds from each put of an event message to its committed history, sequentially."""
    latencies: list[float] = []
    for number in range(count):
        begun = time.perf_counter()
        await hub.message(hub.control)
        await hub.history(f"event-{number}", 4, 4)
        latencies.append(time.perf_counter() - begun)
    return latencies


async def on_bare_hub(connection: Connection, run: Callable[[BareHub], Awaitable[T]]) -> tuple[T, float]:
    """Run on a new hub. Returns the result and the duration in seconds, without creation and deletion of the hub."""
    account = StorageAccount(connection, max_connections=8)
    hub = BareHub(account)
    try:
        await hub.create()
        begun = time.perf_counter()
        result = await run(hub)
        seconds = time.perf_counter() - begun
        await hub.delete()
        return result, seconds
    finally:
        await account.close()
