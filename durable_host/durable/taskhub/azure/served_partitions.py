"""The partitions that this process serves, and their pollers from claim to drain.

Source: docs/protocol/task-hub-storage-partitions.md#partition-drain,
    docs/protocol/task-hub-storage-queues.md#control-queues
"""

import asyncio
import contextlib
import time

from durable_host.durable.taskhub.azure.abandon_delay import delay_after_error
from durable_host.durable.taskhub.azure.control_poller import ControlPoller, RowReader
from durable_host.durable.taskhub.azure.held_hub_message import held_of
from durable_host.durable.taskhub.azure.neighbours import Neighbours
from durable_host.durable.taskhub.azure.outstanding_work import OutstandingWork
from durable_host.durable.taskhub.azure.owed_instances import OwedInstances
from durable_host.durable.taskhub.azure.pending_starts import PendingStarts
from durable_host.durable.taskhub.azure.reception import Reception
from durable_host.durable.taskhub.port import ReceivedMessage
from durable_host.storage import StorageError
from durable_host.supervision import Tasks

_OWED_PATIENCE = 10.0
_DRAIN_PATIENCE = 60.0
_STOP_PATIENCE = 0.5
_COPIES_PATIENCE = 5.0
"""How many seconds longer than messages are hidden a handover waits for copies."""
_STOP_COPIES_PATIENCE = 4.0
_POLL_PAUSE = 0.1


class ServedPartitions:
    """Owns the pollers of control queues, which run in `background`. `read_row` reads an instance."""

    def __init__(
        self,
        reception: Reception,
        outstanding: OutstandingWork,
        owed: OwedInstances,
        pending_starts: PendingStarts,
        background: Tasks,
        read_row: RowReader,
    ) -> None:
        self._reception = reception
        self._names = reception.names
        self._clock = reception.clock
        self._deliveries = reception.deliveries
        self._held = reception.held
        self._outage = reception.outage
        self._outstanding = outstanding
        self._owed = owed
        self._pending_starts = pending_starts
        self._background = background
        self._read_row = read_row
        self.pollers: dict[str, tuple[ControlPoller, asyncio.Task[None]]] = {}

    async def stop(self) -> None:
        """Stop the pollers after their current requests, without waiting for those that take too long.

        Before that, they get time to receive copies of messages whose put has not ended, or has failed although a
        commit has consumed the message: a worker of another backend may start next.
        """
        await asyncio.gather(*[self._wait_for_copies(queue, _STOP_COPIES_PATIENCE) for queue in self.pollers])
        for poller, _ in self.pollers.values():
            poller.stop()
        tasks = [task for _, task in self.pollers.values()]
        if tasks:
            await asyncio.wait(tasks, timeout=_STOP_PATIENCE)
        self.pollers.clear()

    def open(self, queue: str) -> None:
        """Start serving a control queue."""
        self._deliveries.owned[queue] = self._clock.now()
        self._owed.claimed(queue)
        self._pending_starts.claimed(queue)
        poller = ControlPoller(queue, self._reception, self._read_row)
        self.pollers[queue] = (poller, self._background.keep_running(f"poller of '{queue}'", poller.run))

    async def close(self, queue: str) -> None:
        """Stop serving a control queue at once."""
        poller, _task = self.pollers.pop(queue, (None, None))
        if poller is not None:
            poller.stop()
            self._outage.forget(queue)
            self._outage.forget(f"starts of {queue}")
        dropped = self._deliveries.drop_queue(queue)
        await self._held.release([held_of(one) for one in dropped if held_of(one).queue is not None])
        for one in dropped:
            if held_of(one).queue is None:
                await self._outstanding.handover.put(one)

    async def drain(self, queue: str) -> None:
        """Stop serving a control queue, and wait up to a minute until none of its messages is being processed.

        What an earlier process owes is settled first. If the next owner may be a worker of another backend, copies of
        messages whose put has failed are received first too, for a few seconds, because it does not know copies.
        """
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_OWED_PATIENCE):
                await self._owed.all_settled(queue)
        if self._deliveries.is_official_order:
            await self._wait_for_copies(queue, self._deliveries.control_hold + _COPIES_PATIENCE)
        _poller, task = self.pollers.get(queue, (None, None))
        await self.close(queue)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_DRAIN_PATIENCE):
                if task is not None:
                    await asyncio.wait([task])
                await self._held.wait_until_done(queue)
        await self._outstanding.hand_over(lambda instance_id: self._names.queue_of(instance_id) == queue)

    async def _wait_for_copies(self, queue: str, patience: float) -> None:
        """Wait until no put into a queue is on its way, and none has left copies there.

        Gives up after `patience` seconds, or at once if the copies become visible later than that.
        """
        ends = time.monotonic() + patience
        while (seconds := self._deliveries.unconfirmed.seconds_left(queue)) is not None and queue in self.pollers:
            if time.monotonic() + seconds > ends:
                return
            await asyncio.sleep(max(seconds, _POLL_PAUSE))
            if (running := self.pollers.get(queue)) is not None:
                running[0].wake()

    def set_neighbours(self, around: Neighbours) -> None:
        """Record the other workers of the hub. When the first appears, direct activities are put into their queue."""
        before, self._deliveries.neighbours = self._deliveries.neighbours, around
        if before is Neighbours.NONE and around is not Neighbours.NONE:
            self._background.run("activities for other workers", self._outstanding.handover.put_activities())

    def check_due_start(self, message: ReceivedMessage) -> None:
        """Check a delayed start that is due, in the background."""
        self._background.run("look at a delayed start", self._due_start(message))

    async def _due_start(self, message: ReceivedMessage) -> None:
        """Deliver a delayed start if its row allows it: the instance may have been terminated or replaced."""
        queue = self._names.queue_of(message.message.target.instance_id)
        running = self.pollers.get(queue)
        held = held_of(message)
        if running is None:
            self._held.forget(held)
            return
        async with self._held.owning([held]):
            try:
                if await running[0].filter_start(held, message.message, self._clock.now()):
                    self._deliveries.deliver_now(message)
            except StorageError as error:
                self._outage.failed(f"starts of {queue}", error)
                await self._held.release([held], delay_after_error(held.dequeue_count, error))
            else:
                self._outage.recovered(f"starts of {queue}")
