"""The messages that this process holds: their stages, and how they are released.

If the queue delivers a held message again, only its receipt is refreshed.

After its poller has read a message, the message is delivered (`hold`, `park`), consumed (`delete_later`) or released.
The context managers `receiving` and `owning` release messages that are in none of these states.

Source: docs/protocol/task-hub-storage-queues.md#control-queues,
    docs/protocol/task-hub-storage-queues.md#lock-renewal,
    docs/protocol/task-hub-storage-messages.md#message-delays
"""

import asyncio
import logging
import time
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager, suppress
from itertools import count

from durable_host.durable.taskhub.azure.abandon_delay import abandon_delay
from durable_host.durable.taskhub.azure.deletes import MessageDeletes
from durable_host.durable.taskhub.azure.held_hub_message import RENEWED, HeldHubMessage, Stage
from durable_host.durable.taskhub.azure.pending_put import PendingPut
from durable_host.storage import HoldTimes, LeasedMessage, MessageLeases, QueueMessage, QueueService, StorageError
from durable_host.storage.bounded import for_each

_log = logging.getLogger("Host.Triggers.DurableTask")
_PARALLEL = 8
_FIRST_HOLD = 2.0
_CANCELLED_PATIENCE = 1.0


class HeldMessages:
    """All messages that this process holds, by ID. Each is hidden for at most `hold_time` seconds at a time."""

    def __init__(self, queues: QueueService, hold_time: float) -> None:
        self._hold_time = hold_time
        self._by_id: dict[str, HeldHubMessage] = {}
        self._leases = MessageLeases(queues, HoldTimes(min(_FIRST_HOLD, hold_time), hold_time), _log)
        self._deletes = MessageDeletes(self._leases, gone=self._gone, forget=self.forget)
        self._expected = count(1)
        self._shrunk = asyncio.Event()
        self._swept = 0.0

    @property
    def first_hold(self) -> float:
        """How long (seconds) to hide a message that this process takes."""
        return self._leases.first_hold

    def take(self, held: HeldHubMessage) -> None:
        """Start to hold a message."""
        if held.lease is not None:
            self._by_id[held.id] = held
            if held.stage is Stage.HELD:
                self.hold(held)

    def holds(self, id: str) -> bool:
        """True if this process holds the queue message with this ID."""
        return id in self._by_id

    def expect(self, queue: str, hidden: float) -> HeldHubMessage:
        """Start to hold a message whose put begins now, hidden for `hidden` seconds.

        Call `arrived` or `forget` when that has ended.
        """
        held = HeldHubMessage(None, id=f"expected-{next(self._expected)}", put=PendingPut(queue, hidden))
        self._by_id[held.id] = held
        return held

    def arrived(self, held: HeldHubMessage, lease: LeasedMessage) -> bool:
        """Record that an expected message is in its queue, and delete it, keep it hidden, or leave it parked.

        Returns False if this process no longer holds it.
        """
        stage = held.stage
        self.forget(held)
        held.lease, held.stage = lease, stage
        if held.put is not None:
            held.put.arrived()
        if stage is Stage.GONE:
            return False
        received = self._by_id.get(lease.id)
        if received is not None and received.lease is not None:  # Its poller has received it, and still reads it.
            held.lease, held.dequeue_count = received.lease, received.dequeue_count
            self.forget(received)
        self._by_id[held.id] = held
        if stage is Stage.DELETING:
            self._deletes.add(held)
        elif stage is not Stage.PARKED:
            self._leases.keep(held.lease)
        return True

    @asynccontextmanager
    async def receiving(
        self, queue: str, got: Sequence[QueueMessage], hidden: float
    ) -> AsyncGenerator[list[tuple[QueueMessage, HeldHubMessage]]]:
        """Start to hold messages from a queue, hidden for `hidden` seconds, and own them in the `with` block."""
        new = [(one, HeldHubMessage(LeasedMessage(queue, one, hidden), one.dequeue_count)) for one in got]
        for _, held in new:
            self.take(held)
        async with self.owning([held for _, held in new]):
            yield new

    @asynccontextmanager
    async def owning(self, messages: Sequence[HeldHubMessage]) -> AsyncGenerator[None]:
        """Own messages until each is delivered, consumed or released. The rest is released at the end of the block.

        Errors are logged and not raised.
        """
        for held in messages:
            held.stage = Stage.RECEIVED
        try:
            yield
        except Exception as error:
            await self._release_after(error, messages)
        except BaseException:
            with suppress(TimeoutError):
                async with asyncio.timeout(_CANCELLED_PATIENCE):
                    await self.release(_undecided(messages))
            for held in _undecided(messages):
                self.forget(held)
            raise
        finally:
            for held in _undecided(messages):
                await self.release([held], abandon_delay(held.dequeue_count))

    @asynccontextmanager
    async def guarding(self, held: HeldHubMessage) -> AsyncGenerator[None]:
        """Guard the processing of one of several owned messages: an error releases this one only."""
        try:
            yield
        except Exception as error:
            await self._release_after(error, [held])

    async def _release_after(self, error: Exception, messages: Sequence[HeldHubMessage]) -> None:
        for held in _undecided(messages):
            text = "Message %s of queue '%s' could not be processed and is released"
            _log.error(text, held.id, held.queue, exc_info=error)
            await self.release([held], abandon_delay(held.dequeue_count))

    def hold(self, held: HeldHubMessage) -> None:
        """Keep a message hidden until it is consumed or released."""
        held.stage = Stage.HELD
        if held.lease is not None:
            self._leases.keep(held.lease)

    def park(self, held: HeldHubMessage) -> None:
        """Leave a message hidden until this process delivers it."""
        held.stage = Stage.PARKED
        self._let_go(held)

    def refresh(self, id: str, receipt: str, hidden: float) -> HeldHubMessage | None:
        """Refresh a held message that the queue delivered again. Returns None when it is not held."""
        held = self._by_id.get(id)
        if held is None or held.lease is None:
            return None
        held.lease.received_again(receipt, hidden)
        if held.stage is Stage.GONE:
            self.delete_later(held)
        if held.stage in RENEWED:
            self._leases.keep(held.lease)
        return held

    def forget(self, held: HeldHubMessage) -> None:
        """Stop holding a message without a request to the queue."""
        held.stage = Stage.GONE
        self._let_go(held)
        if self._by_id.get(held.id) is held:
            del self._by_id[held.id]
            self._shrunk.set()

    async def wait_until_done(self, queue: str) -> None:
        """Wait until no message of this queue is being processed."""
        while self.of_queue(queue, *RENEWED):
            self._shrunk.clear()
            await self._shrunk.wait()

    def of_queue(self, queue: str, *stages: Stage) -> list[HeldHubMessage]:
        """Return the messages of one queue in any of these stages."""
        return [held for held in self._by_id.values() if held.queue == queue and held.stage in stages]

    def in_stage(self, *stages: Stage) -> list[HeldHubMessage]:
        """Return all messages in any of these stages."""
        return [held for held in self._by_id.values() if held.stage in stages]

    def delete_later(self, held: HeldHubMessage) -> None:
        """Delete a message in the background."""
        if held.stage is Stage.DELETING:
            return
        held.stage = Stage.DELETING
        if held.lease is not None:
            self._deletes.add(held)
        elif not held.is_on_its_way:
            self.missing(held)

    def missing(self, held: HeldHubMessage) -> None:
        """Forget a consumed message that is in no queue, or may be in one although its put has failed."""
        if held.on_missing is not None:
            held.on_missing()
        self.forget(held)

    async def hide(self, held: HeldHubMessage, seconds: float) -> bool:
        """Set how long the message stays invisible. Returns False when its lease is lost. Raises StorageError."""
        return held.lease is None or await self._leases.hide(held.lease, seconds)

    async def release(self, messages: Sequence[HeldHubMessage], seconds: float = 0.0) -> None:
        """Make messages visible after `seconds` and stop holding them. Errors are ignored: the lease expires anyway."""

        async def one(held: HeldHubMessage) -> None:
            try:
                if held.lease is not None:
                    await self._leases.release(held.lease, seconds)
            except StorageError as error:
                _log.debug("Message %s could not be released: %s", held.id, error)
            self.forget(held)

        await for_each(messages, one, _PARALLEL)

    async def renew_forever(self) -> None:
        """Hide held messages again before their time is over, until cancelled."""
        while True:
            await self._leases.renew_next()
            self._forget_gone()

    async def drain(self, patience: float) -> None:
        """Wait until all deletes are done. If storage does not respond, give up after `patience` seconds."""
        with suppress(TimeoutError):
            async with asyncio.timeout(patience):
                await self._deletes_begun()
        await self._deletes.drain(patience)

    async def wait_for_deletes(self) -> None:
        """Wait until all deletes requested so far are done."""
        await self._deletes_begun()
        await self._deletes.done()

    async def _deletes_begun(self) -> None:
        """Wait until no message that was consumed is still on its way to its queue."""
        while any(held.is_on_its_way for held in self.in_stage(Stage.DELETING)):
            self._shrunk.clear()
            await self._shrunk.wait()

    def _let_go(self, held: HeldHubMessage) -> None:
        if held.lease is not None:
            self._leases.let_go(held.lease)

    def _gone(self, held: HeldHubMessage) -> None:
        """Record that the lease of a message is lost. Its entry stays until the queue delivers it again."""
        held.stage = Stage.GONE
        self._let_go(held)
        self._shrunk.set()

    def _forget_gone(self) -> None:
        now = time.monotonic()
        if now < self._swept + self._hold_time:
            return
        self._swept = now
        for held in self.in_stage(Stage.GONE):
            if held.lease is None or held.lease.hidden_until + 2 * self._hold_time < now:
                self.forget(held)


def _undecided(messages: Sequence[HeldHubMessage]) -> list[HeldHubMessage]:
    return [held for held in messages if held.stage is Stage.RECEIVED]
