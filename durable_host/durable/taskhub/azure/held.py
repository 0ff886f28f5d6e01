"""Messages in the hands of this process: their receipts, renewal, and deletion in the background.

A message is put or received invisible for a short time. One task hides all that are still held again before that
time is over, so that after a crash everything reappears soon. A message that the queue delivers again while it is
held only refreshes the receipt. Source: spec/task-hub-storage.md, sections 3.7, 5.1 and 5.5.
"""

import asyncio
import logging
import time
from collections import deque
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from enum import Enum

from durable_host.durable.taskhub.azure.bounded import for_each
from durable_host.durable.taskhub.azure.poll_backoff import abandon_delay
from durable_host.storage import InvalidRequest, NotFound, QueueService, StorageError

_log = logging.getLogger("Host.Triggers.DurableTask")
_PARALLEL_DELETES = 8
_PARALLEL_RENEWALS = 8
_RETRY_SECONDS = 0.5


class Stage(Enum):
    """What this process does with a message it holds."""

    HELD = "held"
    PARKED = "parked"
    DELETING = "deleting"
    GONE = "gone"


class Held:
    """One message: where it lies, the receipt that allows changes, until when it is hidden (monotonic seconds).

    `queue` is None for a message that lies in no queue. `on_deleted` is called when its delete is confirmed. Owned by
    `HeldMessages`.
    """

    __slots__ = ("dequeue_count", "hidden_until", "id", "on_deleted", "queue", "receipt", "renewal", "stage")

    def __init__(self, queue: str | None, id: str, receipt: str, hidden_until: float, dequeue_count: int) -> None:
        self.queue = queue
        self.id = id
        self.receipt = receipt
        self.hidden_until = hidden_until
        self.dequeue_count = dequeue_count
        self.stage = Stage.HELD
        self.renewal: asyncio.Task[None] | None = None
        self.on_deleted: Callable[[], None] | None = None


class HeldMessages:
    """All messages this process holds, by ID."""

    def __init__(self, queues: QueueService, hold_time: float) -> None:
        self._queues = queues
        self._hold_time = hold_time
        self._by_id: dict[str, Held] = {}
        self._deletes: deque[Held] = deque()
        self._deleting = 0
        self._deleters: set[asyncio.Task[None]] = set()
        self._shrunk = asyncio.Event()
        self._patience_ends: float | None = None

    @property
    def first_hold(self) -> float:
        """For how many seconds a message is hidden when it comes into the hands of this process."""
        return self._hold_time

    def take(self, held: Held) -> None:
        """Begin to hold a message."""
        if held.queue is not None:
            self._by_id[held.id] = held

    def refresh(self, id: str, receipt: str, hidden_until: float) -> Held | None:
        """The queue delivered a message again: the held one with its new receipt, or None when it is not held."""
        held = self._by_id.get(id)
        if held is None:
            return None
        held.receipt = receipt
        held.hidden_until = hidden_until
        if held.stage is Stage.GONE:
            self.delete_later(held)
        return held

    def forget(self, held: Held) -> None:
        """Stop holding a message without a word to the queue."""
        held.stage = Stage.GONE
        if self._by_id.get(held.id) is held:
            del self._by_id[held.id]
            self._shrunk.set()

    async def none_left_of(self, queue: str) -> None:
        """Wait until nothing of this queue is worked on."""
        while self.of_queue(queue, Stage.HELD, Stage.DELETING):
            self._shrunk.clear()
            await self._shrunk.wait()

    def of_queue(self, queue: str, *stages: Stage) -> list[Held]:
        """Messages of one queue in any of these stages."""
        return [held for held in self._by_id.values() if held.queue == queue and held.stage in stages]

    def in_stage(self, *stages: Stage) -> list[Held]:
        """All messages in any of these stages."""
        return [held for held in self._by_id.values() if held.stage in stages]

    def delete_later(self, held: Held) -> None:
        """Delete a message in the background."""
        if held.stage is Stage.DELETING:
            return
        held.stage = Stage.DELETING
        if held.queue is None:
            held.stage = Stage.GONE
            return
        self._deletes.append(held)
        if self._deleting < _PARALLEL_DELETES:
            self._deleting += 1
            task = asyncio.get_running_loop().create_task(self._delete_pending())
            self._deleters.add(task)
            task.add_done_callback(self._deleters.discard)

    async def hide(self, held: Held, seconds: float) -> bool:
        """Set until when the message is invisible; False when it is no longer ours. Raises StorageError."""
        if held.queue is None:
            return True
        for _ in range(2):
            receipt = held.receipt
            try:
                held.receipt, _visible = await self._queues.update(held.queue, held.id, receipt, seconds)
            except (NotFound, InvalidRequest):
                if held.receipt != receipt:
                    continue
                return False
            held.hidden_until = time.monotonic() + seconds
            return True
        return False

    async def give_back(self, messages: "list[Held]", seconds: float = 0.0) -> None:
        """Make messages visible after `seconds` and stop holding them. Failures are ignored: time does it too."""

        async def one(held: Held) -> None:
            await _finished(held.renewal)
            try:
                await self.hide(held, seconds)
            except StorageError as error:
                _log.debug("Message %s could not be given back: %s", held.id, error)
            self.forget(held)

        await for_each(messages, one, _PARALLEL_RENEWALS)

    @asynccontextmanager
    async def owned(self, held: Held) -> AsyncGenerator[None]:
        """While a received message is read and handed on: an error gives it back instead of holding it forever."""
        try:
            yield
        except Exception:
            _log.exception("Message %s of queue '%s' could not be taken in and is given back", held.id, held.queue)
            await self.give_back([held], abandon_delay(held.dequeue_count))

    async def renew_forever(self) -> None:
        """Hide held messages again before their time is over."""
        while True:
            await asyncio.sleep(self._hold_time / 6)
            await self._renew_once()

    async def drain(self, patience: float) -> None:
        """Wait until all deletes are done; gives up on a silent storage after `patience` seconds."""
        self._patience_ends = time.monotonic() + patience
        try:
            while self._deleters:
                await asyncio.gather(*self._deleters)
        finally:
            self._patience_ends = None

    async def deleted(self) -> None:
        """Wait until all deletes that were asked for are done."""
        while self._deleters:
            await asyncio.wait(set(self._deleters))

    async def _renew_once(self) -> None:
        now = time.monotonic()
        soon = now + self._hold_time / 2
        for held in self.in_stage(Stage.GONE):
            if held.hidden_until + 2 * self._hold_time < now:
                self.forget(held)
        due = [held for held in self.in_stage(Stage.HELD, Stage.DELETING) if held.hidden_until < soon]

        async def renew(held: Held) -> None:
            if held.stage not in (Stage.HELD, Stage.DELETING):
                return
            held.renewal = asyncio.get_running_loop().create_task(self._renew(held))
            await held.renewal
            held.renewal = None

        await for_each(due, renew, _PARALLEL_RENEWALS)

    async def _renew(self, held: Held) -> None:
        try:
            if not await self.hide(held, self._hold_time):
                held.hidden_until = time.monotonic() + self._hold_time
                _log.debug("Message %s of queue '%s' is no longer held", held.id, held.queue)
        except StorageError as error:
            _log.debug("Message %s of queue '%s' could not be renewed: %s", held.id, held.queue, error)

    async def _delete_pending(self) -> None:
        try:
            while self._deletes:
                held = self._deletes.popleft()
                try:
                    await self._delete(held)
                except Exception:
                    _log.exception("Message %s of queue '%s' was not deleted and comes back", held.id, held.queue)
                    self.forget(held)
        finally:
            self._deleting -= 1

    async def _delete(self, held: Held) -> None:
        """Delete until it is done. A receipt that is no longer valid means that the queue has delivered the message
        again, or will: the entry stays until then, so that it is not taken for a new message.
        """
        assert held.queue is not None
        while True:
            await _finished(held.renewal)
            receipt = held.receipt
            try:
                await self._queues.delete(held.queue, held.id, receipt)
            except (NotFound, InvalidRequest) as error:
                if held.receipt != receipt:
                    continue
                held.stage = Stage.GONE
                self._shrunk.set()
                if error.code == "QueueNotFound":
                    self.forget(held)
                return
            except StorageError as error:
                if self._patience_ends is not None and time.monotonic() > self._patience_ends:
                    _log.warning("Message %s of queue '%s' could not be deleted: %s", held.id, held.queue, error)
                    self.forget(held)
                    return
                await asyncio.sleep(_RETRY_SECONDS)
                continue
            if held.on_deleted is not None:
                held.on_deleted()
            self.forget(held)
            return


async def _finished(task: "asyncio.Task[None] | None") -> None:
    if task is not None and not task.done():
        await asyncio.wait([task])
