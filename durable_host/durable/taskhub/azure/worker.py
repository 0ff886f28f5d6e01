"""The worker role of the hub: owned partitions, pollers, held messages, and their end.

Source: spec/task-hub-storage.md, sections 4 and 5.
"""

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, Sequence
from typing import NamedTuple

from durable_host.clock import Clock
from durable_host.durable.model.timestamp import TICKS_PER_SECOND
from durable_host.durable.taskhub.azure.app_lease import AppLease
from durable_host.durable.taskhub.azure.bounded import for_each
from durable_host.durable.taskhub.azure.commits import Commits
from durable_host.durable.taskhub.azure.control_poller import ControlPoller, RowReader
from durable_host.durable.taskhub.azure.deliveries import Deliveries, held_of
from durable_host.durable.taskhub.azure.handover import Handover
from durable_host.durable.taskhub.azure.held import Stage
from durable_host.durable.taskhub.azure.held_messages import HeldMessages
from durable_host.durable.taskhub.azure.large_payloads import LargePayloads
from durable_host.durable.taskhub.azure.marks import Marks
from durable_host.durable.taskhub.azure.names import HubNames
from durable_host.durable.taskhub.azure.neighbours import Neighbours
from durable_host.durable.taskhub.azure.options import AzureTaskHubOptions
from durable_host.durable.taskhub.azure.outage import Outage
from durable_host.durable.taskhub.azure.partition_manager import PartitionManager, PartitionTable
from durable_host.durable.taskhub.azure.pending_starts import PendingStarts
from durable_host.durable.taskhub.azure.poll_backoff import abandon_delay
from durable_host.durable.taskhub.azure.reading import MessageReader
from durable_host.durable.taskhub.azure.set_aside import SetAside
from durable_host.durable.taskhub.azure.standing import Standings
from durable_host.durable.taskhub.azure.work_item_poller import WorkItemPoller
from durable_host.durable.taskhub.azure.worker_id import WorkerSlot, worker_id
from durable_host.durable.taskhub.port import ReceivedMessage, TaskHubRefused
from durable_host.storage import AccessDenied, QueueService, StorageError
from durable_host.storage.errors import diagnosis
from durable_host.supervision import Tasks

_log = logging.getLogger("Host.Triggers.DurableTask")
_POISON_COUNT = 10
_FIRST_PASS_PATIENCE = 3.0
_DRAIN_PATIENCE = 60.0
_STOP_PATIENCE = 2.0
_SETTLE_PATIENCE = 20.0
_RETRY_SECONDS = 0.5
_PARALLEL_ABANDONS = 8


class Outstanding(NamedTuple):
    """What the worker role leaves to nobody: commits, what they owe, and work that lies in no queue."""

    commits: Commits
    marks: Marks
    handover: Handover
    standings: Standings


class Worker:
    """Receives messages for this process; `read_row` reads an instance."""

    def __init__(
        self,
        queues: QueueService,
        names: HubNames,
        options: AzureTaskHubOptions,
        clock: Clock,
        payloads: LargePayloads,
        aside: SetAside,
        partitions: PartitionTable,
        app_lease: AppLease,
        outage: Outage,
        *,
        setting: str,
        scope: str,
        take_all_activities: bool,
        read_row: RowReader,
        find_owed: Callable[[], Awaitable[list[str]]],
    ) -> None:
        self._queues = queues
        self._names = names
        self._options = options
        self._clock = clock
        self._partition_table = partitions
        self._app_lease = app_lease
        self._outage = outage
        self._setting = setting
        self._read_row = read_row
        self._slot = WorkerSlot(scope)
        self._background = Tasks(_log)
        self._pollers: dict[str, tuple[ControlPoller, asyncio.Task[None]]] = {}
        self._pending_starts: PendingStarts | None = None
        self._manager: PartitionManager | None = None
        self._manager_task: asyncio.Task[None] | None = None
        self.outstanding: Outstanding | None = None
        self._find_owed = find_owed
        self._claimed: set[str] = set()
        self._has_claimed = asyncio.Event()
        self._has_looked = asyncio.Event()
        self._has_looked.set()
        self._has_named = False
        self.held = HeldMessages(queues, options.control_hold)
        self._reader = MessageReader(payloads, aside, self.held, outage, clock, names.work_items)
        self.deliveries = Deliveries(
            names,
            options,
            clock,
            self.held,
            take_all_activities=take_all_activities,
            on_due_start=self._look_at_due_start,
        )

    def serve_pending_starts(self, pending_starts: PendingStarts) -> None:
        """Let `pending_starts` know which queues are served, and run it with the pollers."""
        self._pending_starts = pending_starts

    async def start(self) -> None:
        """Begin to receive. Waits a moment for the partitions, not for another app's lease."""
        options = self._options
        me = options.worker_id or worker_id(options.app_name, self._slot.acquire())
        background = self._background = Tasks(_log)
        self.deliveries.control.resume()
        self._outage.on_denied = self._give_up
        self._app_lease.answered.clear()
        self.deliveries.running = True
        manager = self._manager = PartitionManager(
            self._partition_table,
            me,
            self._clock,
            background,
            self._outage,
            open_queue=self._open_queue,
            close_queue=self._close_queue,
            drain_queue=self._drain_queue,
            on_neighbours=self._meet,
        )
        work_items = WorkItemPoller(
            self._names.work_items,
            self._queues,
            options,
            self.deliveries,
            self.held,
            self._reader,
            self._outage,
        )
        background.keep_running("renewal of messages", self.held.renew_forever)
        background.keep_running("timer schedule", self.deliveries.schedule.run)
        background.keep_running("unsettled commits", self._look_for_owed)
        if self.outstanding is not None:
            background.keep_running("marks of commits", self.outstanding.marks.clear_quiet)
        background.keep_running("work item poller", work_items.run)
        if self._pending_starts is not None:
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
        if self._pending_starts is not None:
            self._pending_starts.begin()

    async def stop(self) -> None:
        """Stop receiving, finish deletes, give back what is held, release the partitions."""
        if not self.deliveries.running:
            return
        self.deliveries.running = False
        for poller, _ in self._pollers.values():
            poller.stop()
        tasks = [task for _, task in self._pollers.values()]
        if tasks:
            await asyncio.wait(tasks, timeout=0.5)
        self._pollers.clear()
        await self._background.stop()
        await self._leave_nothing()
        await self.held.drain(_STOP_PATIENCE)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_STOP_PATIENCE):
                await self.held.give_back(self.held.in_stage(Stage.RECEIVED, Stage.HELD))
        for held in self.held.in_stage(Stage.PARKED, Stage.GONE):
            self.held.forget(held)
        self.deliveries.clear()
        if self.outstanding is not None:
            self.outstanding.commits.clear()
        if self._pending_starts is not None:
            self._pending_starts.clear()
        if self._manager is not None:
            with contextlib.suppress(TimeoutError, StorageError):
                async with asyncio.timeout(_STOP_PATIENCE):
                    await self._manager.release_all()
        self._slot.release()

    async def abandon(self, messages: Sequence[ReceivedMessage], delay: float | None) -> None:
        """Give messages back after `delay` seconds, or after the back-off of their dequeue counts."""
        await for_each(messages, lambda message: self._abandon(message, delay), _PARALLEL_ABANDONS)

    async def _abandon(self, message: ReceivedMessage, delay: float | None) -> None:
        held = held_of(message)
        if held.stage is not Stage.HELD:
            return
        seconds = abandon_delay(held.dequeue_count) if delay is None else delay
        if delay is None and held.dequeue_count == _POISON_COUNT:
            _log.warning(
                "Poison message: %s for instance '%s' was given back %d times (message %s in queue '%s').",
                message.message.event.event_name,
                message.message.target.instance_id,
                held.dequeue_count,
                held.id,
                held.queue,
            )
        if not self._keeps(message):
            if held.queue is None and self.outstanding is not None:
                await self.outstanding.handover.put(message)
            await self.held.give_back([held], seconds)
            return
        is_activity = message.message.is_activity
        if seconds > 0 or is_activity:
            try:
                hidden = seconds + self.deliveries.activity_hold if is_activity else seconds
                if not await self.held.hide(held, hidden):
                    self.held.forget(held)
                    return
            except StorageError as error:
                _log.debug("Message %s could not be hidden: %s", held.id, error)
        again = ReceivedMessage(message.id, message.message, held.dequeue_count + 1, self._clock.now(), held)
        held.dequeue_count += 1
        if seconds > 0:
            self.deliveries.put_off(again, self._clock.now() + int(seconds * TICKS_PER_SECOND))
        else:
            self.deliveries.again(again)

    def _keeps(self, message: ReceivedMessage) -> bool:
        """Whether a message given back is delivered again by this process."""
        if not self.deliveries.running:
            return False
        if message.message.is_activity:
            return self.deliveries.takes_all_activities
        return self._names.queue_of(message.message.target.instance_id) in self.deliveries.owned

    async def _serve(self) -> None:
        assert self._manager is not None
        self._manager_task = self._background.keep_running("partition manager", self._manager.run)

    async def _stop_serving(self) -> None:
        if self._manager_task is not None:
            self._manager_task.cancel()
            await asyncio.wait([self._manager_task])
        if self._manager is not None:
            await self._manager.close_all()

    def _open_queue(self, queue: str) -> None:
        self.deliveries.owned[queue] = self._clock.now()
        self._claimed.add(queue)
        self._has_looked.clear()
        self._has_claimed.set()
        if self._pending_starts is not None:
            self._pending_starts.claimed(queue)
        poller = ControlPoller(
            queue,
            self._queues,
            self._options,
            self.deliveries,
            self.held,
            self._reader,
            self._outage,
            self._read_row,
        )
        self._pollers[queue] = (poller, self._background.keep_running(f"poller of '{queue}'", poller.run))

    async def _close_queue(self, queue: str) -> None:
        poller, _task = self._pollers.pop(queue, (None, None))
        if poller is not None:
            poller.stop()
            self._outage.forget(queue)
            self._outage.forget(f"starts of {queue}")
        dropped = self.deliveries.drop_queue(queue)
        await self.held.give_back([held_of(one) for one in dropped if held_of(one).queue is not None])
        if self.outstanding is not None:
            for one in dropped:
                if held_of(one).queue is None:
                    await self.outstanding.handover.put(one)

    async def _drain_queue(self, queue: str) -> None:
        _poller, task = self._pollers.get(queue, (None, None))
        await self._close_queue(queue)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_DRAIN_PATIENCE):
                if task is not None:
                    await asyncio.wait([task])
                await self.held.none_left_of(queue)
        await self._leave_nothing(queue)

    async def _leave_nothing(self, queue: str | None = None) -> None:
        """Put all work of a partition, or of all, where others find it, and leave no mark."""
        outstanding = self.outstanding
        if outstanding is None:
            return

        def is_of_queue(instance_id: str) -> bool:
            return queue is None or self._names.queue_of(instance_id) == queue

        try:
            async with asyncio.timeout(_SETTLE_PATIENCE):
                await outstanding.commits.drain(is_of_queue)
                await outstanding.handover.put_activities(is_of_queue, is_end=queue is None)
                await outstanding.handover.put_results(is_of_queue)
                await outstanding.marks.clear(is_of_queue)
        except (StorageError, TimeoutError) as error:
            _log.warning(
                "Work that this host had begun is not in the queues of the task hub: the next host finds it by its "
                "marks. %s",
                error or f"The storage did not take it within {_SETTLE_PATIENCE:.0f} s.",
            )

    def _meet(self, around: Neighbours) -> None:
        """Who else works on the hub; activities in hand are for others too as soon as there are any."""
        before, self.deliveries.neighbours = self.deliveries.neighbours, around
        if before is Neighbours.NONE and around is not Neighbours.NONE and self.outstanding is not None:
            self._background.run("activities for other workers", self.outstanding.handover.put_activities())

    async def _look_for_owed(self) -> None:
        """Find the instances of partitions that were claimed whose commits still owe something."""
        source = "unsettled commits"
        while True:
            await self._has_claimed.wait()
            self._has_claimed.clear()
            claimed, self._claimed = self._claimed, set()
            try:
                found = await self._find_owed()
            except StorageError as error:
                self._outage.failed(source, error)
                self._claimed |= claimed
                self._has_looked.set()
                await asyncio.sleep(_RETRY_SECONDS)
                self._has_claimed.set()
                continue
            self._outage.recovered(source)
            for instance_id in found:
                queue = self._names.queue_of(instance_id)
                standing = self.outstanding.standings.get(instance_id) if self.outstanding is not None else None
                is_new = standing is None or standing.debt is not None
                if is_new and queue in claimed and queue in self.deliveries.owned:
                    self.deliveries.owed.put_nowait(instance_id)
            if not self._claimed:
                self._has_looked.set()

    async def next_owed(self) -> str:
        """The next instance found; the one before is being loaded."""
        if self._has_named:
            self.deliveries.owed.task_done()
            self._has_named = False
        instance_id = await self.deliveries.owed.get()
        self._has_named = True
        return instance_id

    async def owed_named(self) -> None:
        """Wait until all that was found has been given out; not for storage that does not answer."""
        await self._has_looked.wait()
        await self.deliveries.owed.join()

    def _give_up(self, error: AccessDenied) -> None:
        """The storage denies everything: tell whoever receives messages here."""
        self.deliveries.control.fail(
            TaskHubRefused(diagnosis(error, self._setting), kind=error.code, is_about_access=True, is_final=True)
        )

    def _look_at_due_start(self, message: ReceivedMessage) -> None:
        self._background.run("look at a delayed start", self._due_start(message))

    async def _due_start(self, message: ReceivedMessage) -> None:
        """A delayed start is due here: look at its row first, it may have been terminated or replaced."""
        queue = self._names.queue_of(message.message.target.instance_id)
        running = self._pollers.get(queue)
        held = held_of(message)
        if running is None:
            self.held.forget(held)
            return
        async with self.held.owning([held]):
            try:
                if await running[0].filter_start(held, message.message, self._clock.now()):
                    self.deliveries.again(message)
            except StorageError as error:
                self._outage.failed(f"starts of {queue}", error)
                await self.held.give_back([held], abandon_delay(held.dequeue_count))
            else:
                self._outage.recovered(f"starts of {queue}")
