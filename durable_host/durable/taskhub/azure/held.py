"""Messages in the hands of this process: their receipts, renewal, and deletion in the background.

A message is put or received invisible for two seconds. While it is held, one task hides it again before that time is
over, each time for twice as long, up to the hold time. So after a crash no message stays away for longer than it had
been held, and most messages are deleted before their first renewal. A message that the queue delivers again while it
is held only refreshes the receipt. Source: spec/task-hub-storage.md, sections 3.7, 5.1 and 5.5.

When its poller is done with a received message, it is delivered (`hold`, `park`), consumed (`delete_later`) or given
back. The context managers `receiving` and `owning` give back what is in none of these states.
"""

import asyncio
import heapq
import logging
import time
from collections import deque
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from enum import Enum
from itertools import count

from durable_host.durable.taskhub.azure.bounded import for_each
from durable_host.durable.taskhub.azure.poll_backoff import abandon_delay
from durable_host.storage import InvalidRequest, NotFound, QueueMessage, QueueService, StorageError

_log = logging.getLogger("Host.Triggers.DurableTask")
_PARALLEL_DELETES = 8
_PARALLEL_RENEWALS = 8
_RENEWALS_IN_A_ROUND = 64
_RENEWALS_PER_SECOND = 50
_RETRY_SECONDS = 0.5
_FIRST_HOLD = 2.0
_LITTLE = 0.5
_CANCELLED_PATIENCE = 1.0


class Stage(Enum):
    """What this process does with a message it holds. The first three are hidden again and again."""

    RECEIVED = "received"
    HELD = "held"
    DELETING = "deleting"
    PARKED = "parked"
    GONE = "gone"


_RENEWED = frozenset((Stage.RECEIVED, Stage.HELD, Stage.DELETING))


class Held:
    """One message: where it lies, the receipt that allows changes, until when it is hidden (monotonic seconds).

    `queue` is None for a message that lies in no queue. `hold` is for how many seconds it was hidden last, `renew_at`
    when it is hidden again. `on_deleted` is called when its delete is confirmed. Owned by `HeldMessages`, which alone
    changes `stage`.
    """

    __slots__ = (
        "dequeue_count",
        "hidden_until",
        "hold",
        "id",
        "on_deleted",
        "queue",
        "receipt",
        "renew_at",
        "renewal",
        "stage",
    )

    def __init__(self, queue: str | None, id: str, receipt: str, hidden_until: float, dequeue_count: int) -> None:
        self.queue = queue
        self.id = id
        self.receipt = receipt
        self.hidden_until = hidden_until
        self.hold = 0.0
        self.renew_at = 0.0
        self.dequeue_count = dequeue_count
        self.stage = Stage.HELD
        self.renewal: asyncio.Task[None] | None = None
        self.on_deleted: Callable[[], None] | None = None


class HeldMessages:
    """All messages this process holds, by ID. None is hidden for longer than `hold_time` seconds at once."""

    def __init__(self, queues: QueueService, hold_time: float) -> None:
        self._queues = queues
        self._hold_time = hold_time
        self._by_id: dict[str, Held] = {}
        self._renewed: set[Held] = set()
        self._renewals: list[tuple[float, int, Held]] = []
        self._order = count()
        self._sooner = asyncio.Event()
        self._deletes: deque[Held] = deque()
        self._deleting = 0
        self._deleters: set[asyncio.Task[None]] = set()
        self._shrunk = asyncio.Event()
        self._patience_ends: float | None = None
        self._swept = 0.0

    @property
    def first_hold(self) -> float:
        """For how many seconds to hide a message that this process takes. More than two when many are held, so that
        there are never more than about 50 renewals a second.
        """
        return min(self._hold_time, max(_FIRST_HOLD, len(self._renewed) / _RENEWALS_PER_SECOND))

    def take(self, held: Held) -> None:
        """Begin to hold a message."""
        if held.queue is not None:
            self._by_id[held.id] = held
            if held.stage is Stage.HELD:
                self.hold(held)

    @asynccontextmanager
    async def receiving(
        self, queue: str, got: Sequence[QueueMessage], hidden: float
    ) -> AsyncGenerator[list[tuple[QueueMessage, Held]]]:
        """Begin to hold messages that a queue delivered, hidden for so many seconds, and own them meanwhile."""
        until = time.monotonic() + hidden
        new = [(one, Held(queue, one.id, one.pop_receipt, until, one.dequeue_count)) for one in got]
        for _, held in new:
            self.take(held)
        async with self.owning([held for _, held in new]):
            yield new

    @asynccontextmanager
    async def owning(self, messages: Sequence[Held]) -> AsyncGenerator[None]:
        """Own messages until each is delivered, consumed or given back; what is not at the end is given back here.

        An error is logged and goes no further.
        """
        for held in messages:
            held.stage = Stage.RECEIVED
        try:
            yield
        except Exception as error:
            await self._give_back_after(error, messages)
        except BaseException:
            with suppress(TimeoutError):
                async with asyncio.timeout(_CANCELLED_PATIENCE):
                    await self.give_back(_undecided(messages))
            for held in _undecided(messages):
                self.forget(held)
            raise
        finally:
            for held in _undecided(messages):
                await self.give_back([held], abandon_delay(held.dequeue_count))

    @asynccontextmanager
    async def guarding(self, held: Held) -> AsyncGenerator[None]:
        """While one of several owned messages is worked on: an error gives this one back, and the others go on."""
        try:
            yield
        except Exception as error:
            await self._give_back_after(error, [held])

    async def _give_back_after(self, error: Exception, messages: Sequence[Held]) -> None:
        for held in _undecided(messages):
            text = "Message %s of queue '%s' could not be taken in and is given back"
            _log.error(text, held.id, held.queue, exc_info=error)
            await self.give_back([held], abandon_delay(held.dequeue_count))

    def hold(self, held: Held) -> None:
        """The message is handed on: keep it hidden until it is consumed or given back."""
        held.stage = Stage.HELD
        if held.queue is None:
            return
        self._renewed.add(held)
        now = time.monotonic()
        left = held.hidden_until - now
        if left < _LITTLE:  # Visible any moment: a timer that is due. It may well be done before that matters.
            held.hold = self.first_hold / 2
            self._plan(held, now + min(held.hold, _FIRST_HOLD / 2))
        else:
            held.hold = min(self._hold_time, left)
            self._plan(held, now + left - held.hold / 2)

    def park(self, held: Held) -> None:
        """The message is hidden until this process delivers it."""
        held.stage = Stage.PARKED
        self._renewed.discard(held)

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
        self._renewed.discard(held)
        if self._by_id.get(held.id) is held:
            del self._by_id[held.id]
            self._shrunk.set()

    async def none_left_of(self, queue: str) -> None:
        """Wait until nothing of this queue is worked on."""
        while self.of_queue(queue, *_RENEWED):
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

    async def give_back(self, messages: Sequence[Held], seconds: float = 0.0) -> None:
        """Make messages visible after `seconds` and stop holding them. Failures are ignored: time does it too."""

        async def one(held: Held) -> None:
            await _finished(held.renewal)
            try:
                await self.hide(held, seconds)
            except StorageError as error:
                _log.debug("Message %s could not be given back: %s", held.id, error)
            self.forget(held)

        await for_each(messages, one, _PARALLEL_RENEWALS)

    async def renew_forever(self) -> None:
        """Hide held messages again before their time is over."""
        while True:
            self._sooner.clear()
            due = self._due_renewals()
            await for_each(due, self._renew, _PARALLEL_RENEWALS)
            self._forget_gone()
            if due:
                continue
            pause = self._renewals[0][0] - time.monotonic() if self._renewals else self._hold_time
            with suppress(TimeoutError):
                async with asyncio.timeout(max(0.0, min(pause, self._hold_time))):
                    await self._sooner.wait()

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

    def _plan(self, held: Held, at: float) -> None:
        held.renew_at = at
        heapq.heappush(self._renewals, (at, next(self._order), held))
        if self._renewals[0][2] is held:
            self._sooner.set()

    def _due_renewals(self) -> list[Held]:
        """The next ones that are due. What was planned otherwise meanwhile, or is held no more, is left out."""
        now = time.monotonic()
        due: list[Held] = []
        while self._renewals and self._renewals[0][0] <= now and len(due) < _RENEWALS_IN_A_ROUND:
            at, _, held = heapq.heappop(self._renewals)
            if held.renew_at == at and held.stage in _RENEWED and self._by_id.get(held.id) is held:
                due.append(held)
        return due

    async def _renew(self, held: Held) -> None:
        if held.stage not in _RENEWED:
            return
        held.renewal = asyncio.get_running_loop().create_task(self._hide_again(held))
        await held.renewal
        held.renewal = None

    async def _hide_again(self, held: Held) -> None:
        seconds = min(self._hold_time, max(2 * held.hold, self.first_hold))
        try:
            if await self.hide(held, seconds):
                held.hold = seconds
                self._plan(held, held.hidden_until - seconds / 2)
                return
            _log.debug("Message %s of queue '%s' is no longer held", held.id, held.queue)
        except StorageError as error:
            _log.debug("Message %s of queue '%s' could not be renewed: %s", held.id, held.queue, error)
        self._plan(held, time.monotonic() + held.hold / 2)

    def _forget_gone(self) -> None:
        now = time.monotonic()
        if now < self._swept + self._hold_time:
            return
        self._swept = now
        for held in self.in_stage(Stage.GONE):
            if held.hidden_until + 2 * self._hold_time < now:
                self.forget(held)

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
                self._renewed.discard(held)
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


def _undecided(messages: Sequence[Held]) -> list[Held]:
    return [held for held in messages if held.stage is Stage.RECEIVED]


async def _finished(task: "asyncio.Task[None] | None") -> None:
    if task is not None and not task.done():
        await asyncio.wait([task])
