"""The worker role of the hub: starts it, runs its background tasks, and stops it.

Source: docs/protocol/task-hub-storage-queues.md#control-queues,
    docs/protocol/task-hub-storage-partitions.md#partition-pass,
    docs/protocol/task-hub-storage-partitions.md#app-lease
"""

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable

from durable_host.clock import Clock
from durable_host.durable.taskhub.azure.app_lease import AppLease
from durable_host.durable.taskhub.azure.control_poller import RowReader
from durable_host.durable.taskhub.azure.held_hub_message import Stage
from durable_host.durable.taskhub.azure.outstanding_work import OutstandingWork
from durable_host.durable.taskhub.azure.owed_instances import OwedInstances
from durable_host.durable.taskhub.azure.partition_manager import PartitionManager, PartitionTable
from durable_host.durable.taskhub.azure.pending_starts import PendingStarts
from durable_host.durable.taskhub.azure.reception import Reception
from durable_host.durable.taskhub.azure.served_partitions import ServedPartitions
from durable_host.durable.taskhub.azure.work_item_poller import WorkItemPoller
from durable_host.durable.taskhub.azure.worker_id import HostSlot, worker_id
from durable_host.durable.taskhub.port import TaskHubRefused
from durable_host.storage import AccessDenied, StorageError
from durable_host.storage.errors import diagnosis
from durable_host.supervision import Tasks

_log = logging.getLogger("Host.Triggers.DurableTask")
_FIRST_PASS_PATIENCE = 3.0
_STOP_PATIENCE = 2.0


class HubWorker:
    """Receives messages for this process.

    `read_row` reads an instance; `find_owed` returns the instances whose commits owe something.
    """

    def __init__(
        self,
        reception: Reception,
        partitions: PartitionTable,
        app_lease: AppLease,
        outstanding: OutstandingWork,
        pending_starts: PendingStarts,
        machine: Clock,
        *,
        setting: str,
        scope: str,
        read_row: RowReader,
        find_owed: Callable[[], Awaitable[list[str]]],
    ) -> None:
        self._reception = reception
        self._options = reception.options
        self._partition_table = partitions
        self._app_lease = app_lease
        self._outage = reception.outage
        self.held = reception.held
        self.deliveries = reception.deliveries
        self._outstanding = outstanding
        self._pending_starts = pending_starts
        self._machine = machine
        self._setting = setting
        self._slot = HostSlot(scope)
        self._background = Tasks(_log)
        self._manager: PartitionManager | None = None
        self._manager_task: asyncio.Task[None] | None = None
        self.owed = OwedInstances(reception.names, self.deliveries, outstanding.unsettled, self._outage, find_owed)
        self.served = ServedPartitions(reception, outstanding, self.owed, pending_starts, self._background, read_row)

    async def start(self) -> None:
        """Start receiving. Waits briefly for partitions, but not for another app's lease."""
        options = self._options
        me = options.worker_id or worker_id(options.app_name, self._slot.acquire())
        background = self._background
        self.deliveries.control.resume()
        self._outage.on_denied = self._give_up
        self._app_lease.answered.clear()
        self.deliveries.running = True
        manager = self._manager = PartitionManager(
            self._partition_table,
            me,
            self._machine,
            background,
            self._outage,
            open_queue=self.served.open,
            close_queue=self.served.close,
            drain_queue=self.served.drain,
            on_neighbours=self.served.set_neighbours,
        )
        work_items = WorkItemPoller(self._reception)
        background.keep_running("renewal of messages", self.held.renew_forever)
        background.keep_running("timer schedule", self.deliveries.schedule.run)
        background.keep_running("unsettled commits", self.owed.run)
        background.keep_running("marks of commits", self._outstanding.marks.clear_quiet)
        background.keep_running("work item poller", work_items.run)
        background.keep_running("look for missing start messages", self._pending_starts.run)
        if options.use_app_lease:
            background.keep_running("app lease", lambda: self._app_lease.run(self._serve, self._stop_serving))
        else:
            await self._serve()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_FIRST_PASS_PATIENCE):
                if options.use_app_lease:
                    await self._app_lease.answered.wait()
                if self._app_lease.held or not options.use_app_lease:
                    await manager.first_pass.wait()
        self._pending_starts.begin()

    async def works_alone(self) -> bool:
        """True when no other worker can do the work of this hub, according to the Partitions table now."""
        return self.deliveries.is_alone and self._manager is not None and await self._manager.owns_all()

    async def lose_partition(self, queue: str) -> None:
        """Stop serving a control queue, although nobody else has requested it."""
        if self._manager is not None and self.deliveries.running:
            await self._manager.lose(queue)

    async def stop(self) -> None:
        """Stop receiving, finish deletes, release held messages, then release the partitions."""
        if not self.deliveries.running:
            return
        self.deliveries.running = False
        await self.served.stop()
        await self._background.stop()
        await self._outstanding.hand_over(is_end=True)
        await self.held.drain(_STOP_PATIENCE)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_STOP_PATIENCE):
                await self.held.release(self.held.in_stage(Stage.RECEIVED, Stage.HELD))
        for held in self.held.in_stage(Stage.PARKED, Stage.GONE):
            self.held.forget(held)
        self.deliveries.clear()
        self._outstanding.commits.clear()
        self._pending_starts.clear()
        if self._manager is not None:
            with contextlib.suppress(TimeoutError, StorageError):
                async with asyncio.timeout(_STOP_PATIENCE):
                    await self._manager.release_all()
        self._slot.release()

    async def _serve(self) -> None:
        assert self._manager is not None
        self._manager_task = self._background.keep_running("partition manager", self._manager.run)

    async def _stop_serving(self) -> None:
        if self._manager_task is not None:
            self._manager_task.cancel()
            await asyncio.wait([self._manager_task])
        if self._manager is not None:
            await self._manager.close_all()

    def _give_up(self, error: AccessDenied) -> None:
        """Fail the control inbox, because storage denies every request."""
        self.deliveries.control.fail(
            TaskHubRefused(diagnosis(error, self._setting), kind=error.code, is_about_access=True, is_final=True)
        )
