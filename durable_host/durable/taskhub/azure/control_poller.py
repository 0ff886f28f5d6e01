"""Receives messages from one control queue that this process owns.

Source: docs/protocol/task-hub-storage-queues.md#control-queues,
    docs/protocol/task-hub-storage-queues.md#poll-back-off,
    docs/protocol/task-hub-storage-processing.md#start-filter
"""

import asyncio
import contextlib
import math
import time
from collections.abc import Awaitable, Callable

from durable_host.durable.model.events import ExecutionStarted
from durable_host.durable.model.instance import InstanceState
from durable_host.durable.model.messages import TaskMessage
from durable_host.durable.taskhub.azure.abandon_delay import abandon_delay, delay_after_error
from durable_host.durable.taskhub.azure.held_hub_message import HeldHubMessage, Stage
from durable_host.durable.taskhub.azure.message_reader import DecodedMessage
from durable_host.durable.taskhub.azure.reception import Reception
from durable_host.durable.taskhub.azure.start_filter import filter_start
from durable_host.storage import NotFound, PolledMessages, QueueMessage, StorageError
from durable_host.timestamp import TICKS_PER_SECOND

RowReader = Callable[[str], Awaitable[InstanceState | None]]
_FULL_WAIT = 0.25


class ControlPoller:
    """Polls one queue until it is stopped. `read_row` returns the state of an instance without input and output."""

    def __init__(self, queue: str, reception: Reception, read_row: RowReader) -> None:
        self.queue = queue
        self._queues = reception.queues
        self._options = reception.options
        self._deliveries = reception.deliveries
        self._held = reception.held
        self._reader = reception.reader
        self._outage = reception.outage
        self._read_row = read_row
        self._starts = f"starts of {queue}"
        self._is_stopped = False
        self._woken = asyncio.Event()
        self._backoff = reception.poll_backoff()
        self._lost_until = 0.0

    def stop(self) -> None:
        """Make `run` end after the current request."""
        self._is_stopped = True
        self._woken.set()

    def wake(self) -> None:
        """Make `run` poll now, or again if it is polling."""
        self._woken.set()

    async def run(self) -> None:
        """Poll until `stop`."""
        while not self._is_stopped:
            if self._held_control_messages() >= self._options.control_queue_buffer_threshold:
                await self._pause(_FULL_WAIT)
                continue
            try:
                hold, began = self._deliveries.control_hold, time.monotonic()
                got, may_lack_some = await self._poll(hold)
                if may_lack_some:
                    self._response_was_lost(hold)
                self._outage.recovered(self.queue)
                if got:
                    self._backoff.reset()
                    await self._handle(got, hold)
                if len(got) < self._options.control_queue_batch_size and began >= self._lost_until:
                    self._deliveries.starts.emptied(self.queue)
                    self._deliveries.unconfirmed.emptied(self.queue, began)
                if got:
                    continue
            except StorageError as error:
                self._outage.failed(self.queue, error)
            await self._pause(self._backoff.after_empty_poll())

    async def _poll(self, hold: float) -> PolledMessages:
        """Return the next messages. Creates the queue if only the Partitions table knows it."""
        try:
            return await self._queues.poll(self.queue, self._options.control_queue_batch_size, hold)
        except NotFound:
            await self._queues.create(self.queue)
        except StorageError:
            self._response_was_lost(hold)
            raise
        return PolledMessages([], may_lack_some=False)

    def _response_was_lost(self, hold: float) -> None:
        """Until its messages are visible again, a poll that finds nothing does not show that the queue is empty."""
        self._lost_until = time.monotonic() + math.ceil(hold)

    async def filter_start(self, held: HeldHubMessage, message: TaskMessage, dequeued_at: int) -> bool:
        """True when a start message may be delivered. Otherwise it was deleted or released."""
        event = message.event
        if not isinstance(event, ExecutionStarted) or not event.is_of_client:
            return True
        row = await self._read_row(message.target.instance_id)
        verdict = filter_start(event, row, held.dequeue_count, dequeued_at)
        if verdict == "process":
            return True
        if verdict == "delete":
            self._held.delete_later(held)
        else:
            await self._held.release([held], abandon_delay(held.dequeue_count))
        return False

    def _held_control_messages(self) -> int:
        """Count the held control messages. Activity requests do not count, so that control messages always come in."""
        owned = self._deliveries.owned
        return sum(held.queue in owned for held in self._held.in_stage(Stage.RECEIVED, Stage.HELD))

    async def _handle(self, got: list[QueueMessage], hold: float) -> None:
        new: list[QueueMessage] = []
        for message in got:
            known = self._deliveries.refreshed(self.queue, message, hold)
            if known is None:
                new.append(message)
            elif known[1] is not None:
                await self._hide(known[0], known[1])
        async with self._held.receiving(self.queue, new, hold) as received:
            if not await self._process(received, hold):
                longest = max(abandon_delay(one.dequeue_count) for one in new)
                self._deliveries.unconfirmed.postpone(self.queue, longest)

    async def _process(self, received: list[tuple[QueueMessage, HeldHubMessage]], hold: float) -> bool:
        """Read and deliver messages. Returns False if that failed for one of them, which was released."""
        delivered = 0
        read = await asyncio.gather(*[self._read(got, held) for got, held in received])
        arrived = [(*one, message) for one, message in zip(received, read, strict=True) if message is not None]
        arrived.sort(key=lambda item: (item[0].insertion_time, item[2].sequence_number))
        for got, held, message in arrived:
            async with self._held.guarding(held):
                await self._deliver(held, message.task, got.next_visible - int(hold * TICKS_PER_SECOND))
                delivered += 1
        return delivered == len(received)

    async def _read(self, got: QueueMessage, held: HeldHubMessage) -> DecodedMessage | None:
        async with self._held.guarding(held):
            return await self._reader.read(self.queue, got, held)
        return None

    async def _deliver(self, held: HeldHubMessage, message: TaskMessage, dequeued_at: int) -> None:
        if held.stage is Stage.GONE:
            return  # The response to its put arrived meanwhile: it was delivered before.
        self._deliveries.starts.record(message)
        try:
            if not await self.filter_start(held, message, dequeued_at):
                return
        except StorageError as error:
            self._outage.failed(self._starts, error)
            await self._held.release([held], delay_after_error(held.dequeue_count, error))
            return
        self._outage.recovered(self._starts)
        if self.queue not in self._deliveries.owned:
            await self._held.release([held])
            return
        seconds = self._deliveries.deliver(held, message)
        if seconds is not None:
            await self._hide(held, seconds)

    async def _hide(self, held: HeldHubMessage, seconds: float) -> None:
        with contextlib.suppress(StorageError):
            await self._held.hide(held, seconds)

    async def _pause(self, seconds: float) -> None:
        if seconds <= 0:
            return
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._woken.wait()
        if not self._is_stopped:
            self._woken.clear()
