"""The table partition manager: reads the Partitions table, decides, writes, and opens and closes control queues.

Source: docs/protocol/task-hub-storage-partitions.md#partition-pass,
    docs/protocol/task-hub-storage-partitions.md#partition-drain
"""

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable

from durable_host.clock import Clock
from durable_host.durable.taskhub.azure.names import HubNames
from durable_host.durable.taskhub.azure.neighbours import Neighbours, neighbours
from durable_host.durable.taskhub.azure.outage import Outage
from durable_host.durable.taskhub.azure.partition_plan import PartitionPlan, PartitionRow, plan_partitions
from durable_host.storage import Conflict, PreconditionFailed, StorageError, TableService
from durable_host.supervision import Tasks

_log = logging.getLogger("Host.Triggers.DurableTask")
_SOURCE = "partitions"
_PASS_TIMEOUT = 8.0
_INTERVAL = 10.0
_SHORT_INTERVAL = 1.0
_PATIENT_FAILURES = 10


class PartitionTable:
    """The rows of the Partitions table."""

    def __init__(self, tables: TableService, names: HubNames) -> None:
        self._tables = tables
        self._names = names

    async def create(self) -> bool:
        """Create the table. Returns False when it already exists."""
        return await self._tables.create_table(self._names.partitions)

    async def add(self, queue: str) -> bool:
        """Insert the row of a control queue; False if there is one."""
        try:
            await self._tables.insert(self._names.partitions, PartitionRow(queue).write())
        except Conflict as conflict:
            if conflict.code != "EntityAlreadyExists":
                raise
            return False
        return True

    async def read(self) -> list[PartitionRow]:
        """Return all rows."""
        return [PartitionRow.read(entity) async for entity in self._tables.query_all(self._names.partitions)]

    async def read_whole(self) -> list[PartitionRow]:
        """Return all rows, after adding missing rows of this hub's queues so that they can be claimed."""
        rows = await self.read()
        missing = sorted(set(self._names.control_queues) - {row.queue for row in rows})
        if not missing:
            return rows
        for queue in missing:
            await self.add(queue)
        return await self.read()

    async def replace(self, row: PartitionRow) -> None:
        """Write a row back with its etag. Raises PreconditionFailed when another worker has changed it."""
        await self._tables.replace(self._names.partitions, row.write(), row.etag)

    async def drop(self) -> None:
        """Delete the table."""
        await self._tables.delete_table(self._names.partitions)


class PartitionManager:
    """Runs passes for one worker.

    `open_queue` starts polling without a request, so that an owned partition is always polled. `close_queue` stops
    polling at once. `drain_queue` stops it and waits until no message of the queue is being processed. `on_neighbours`
    receives the other workers of the hub in each pass: their presence before a partition is given to them, their
    absence once it is certain.
    """

    def __init__(
        self,
        table: PartitionTable,
        worker_id: str,
        clock: Clock,
        background: Tasks,
        outage: Outage,
        *,
        open_queue: Callable[[str], None],
        close_queue: Callable[[str], Awaitable[None]],
        drain_queue: Callable[[str], Awaitable[None]],
        on_neighbours: Callable[[Neighbours], None],
    ) -> None:
        self._table = table
        self._worker_id = worker_id
        self._clock = clock
        self._background = background
        self._outage = outage
        self._open_queue = open_queue
        self._close_queue = close_queue
        self._drain_queue = drain_queue
        self._on_neighbours = on_neighbours
        self._drains: dict[str, bool] = {}
        self._polling: set[str] = set()
        self._wake = asyncio.Event()
        self.first_pass = asyncio.Event()

    async def run(self) -> None:
        """Run passes until cancelled."""
        failures = 0
        while True:
            try:
                async with asyncio.timeout(_PASS_TIMEOUT):
                    is_waiting = await self._pass()
                failures = 0
                self._outage.recovered(_SOURCE)
                self.first_pass.set()
                await self._rest(_SHORT_INTERVAL if is_waiting else _INTERVAL)
            except PreconditionFailed:
                failures += 1
                await self._rest(0.0 if failures < _PATIENT_FAILURES else _INTERVAL)
            except (StorageError, TimeoutError) as error:
                failures += 1
                slow = f"the Partitions table took more than {_PASS_TIMEOUT:.0f} s to answer"
                self._outage.failed(_SOURCE, error if isinstance(error, StorageError) else slow)
                await self._rest(0.5 if failures < _PATIENT_FAILURES else _INTERVAL)

    async def owns_all(self) -> bool:
        """Read the table. True when this worker owns every partition and no other worker requests one."""
        return neighbours(await self._table.read(), self._worker_id) is Neighbours.NONE

    async def close_all(self) -> None:
        """Close all queues, because another app may serve this hub now."""
        for queue in list(self._polling):
            await self._close(queue)

    async def lose(self, queue: str) -> None:
        """Close a queue, as if its lease was lost. The next pass, which runs at once, opens it again."""
        if queue in self._polling:
            await self._close(queue)
            self._wake.set()

    async def release_all(self) -> None:
        """Release all partitions of this worker. Their queues must not be in use any more."""
        for queue in list(self._polling):
            await self._close(queue)
        for _ in range(3):
            rows = await self._table.read()
            self._drains = {row.queue: True for row in rows}
            plan = self._plan(rows, shutting_down=True)
            done = await asyncio.gather(*[self._table.replace(row) for row in plan.replace], return_exceptions=True)
            failures = [failure for failure in done if failure is not None]
            if not failures:
                return
            if not all(isinstance(failure, PreconditionFailed) for failure in failures):
                raise failures[0]

    async def _pass(self) -> bool:
        rows = await self._table.read_whole()
        plan = self._plan(rows, shutting_down=False)
        changed = {row.queue: row for row in plan.replace}
        around = neighbours([changed.get(row.queue, row) for row in rows], self._worker_id)
        if around is not Neighbours.NONE:
            self._on_neighbours(around)
        for queue in plan.drop:
            _log.info("Partition '%s' belongs to another worker now.", queue)
            await self._close(queue)
        for queue in plan.drain:
            if queue not in self._polling:
                self._open_queue(queue)  # An earlier process with this name may have left unfinished work.
            self._drains[queue] = False
            self._background.run(f"drain of '{queue}'", self._drain(queue))
        await self._write(plan)
        withdrawn = [queue for queue in plan.poll if self._drains.get(queue) is False]
        for queue in plan.poll:
            if queue in withdrawn:
                continue  # Nobody asks for it any more. It is opened when its drain has ended.
            self._drains.pop(queue, None)
            if queue not in self._polling:
                self._open_queue(queue)
                self._polling.add(queue)
        if around is Neighbours.NONE and not withdrawn:
            self._on_neighbours(around)
        return plan.is_waiting or bool(withdrawn)

    async def _write(self, plan: PartitionPlan) -> None:
        """Write all rows, and then raise the first failure."""
        done = await asyncio.gather(*[self._table.replace(row) for row in plan.replace], return_exceptions=True)
        failures = [failure for failure in done if failure is not None]
        for row, failure in zip(plan.replace, done, strict=True):
            if failure is None and row.current_owner != self._worker_id and row.queue in self._drains:
                del self._drains[row.queue]
                _log.info("Partition '%s' was handed to worker '%s'.", row.queue, row.next_owner)
        if failures:
            raise failures[0]

    def _plan(self, rows: list[PartitionRow], *, shutting_down: bool) -> PartitionPlan:
        return plan_partitions(
            rows,
            self._worker_id,
            self._clock.now(),
            polling=self._polling,
            drains=self._drains,
            shutting_down=shutting_down,
        )

    async def _close(self, queue: str) -> None:
        self._polling.discard(queue)
        await self._close_queue(queue)

    async def _drain(self, queue: str) -> None:
        self._polling.discard(queue)
        try:
            await self._drain_queue(queue)
        except Exception:
            self._drains.pop(queue, None)  # The next pass drains the queue again, or opens it.
            raise
        else:
            self._drains[queue] = True
        finally:
            self._wake.set()

    async def _rest(self, seconds: float) -> None:
        self._wake.clear()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._wake.wait()
