"""Messages that this process delivers itself at a later time: timers, delayed starts, released messages.

The queue holds the same messages, invisible until the same time, so that they survive a crash. But it is only polled at
intervals, and the emulator may hold delayed messages back.
"""

import asyncio
import heapq
from collections.abc import Callable, Iterable
from itertools import count

from durable_host.clock import Clock
from durable_host.durable.model.events import TimerFired
from durable_host.durable.model.messages import TaskMessage
from durable_host.durable.taskhub.port import ReceivedMessage
from durable_host.waiting import first_of

_SLACK = 64

TimerKey = tuple[str, str | None, int]


def timer_key(message: TaskMessage) -> TimerKey | None:
    """Return the identity of a timer: instance, execution, timer ID. None for other messages."""
    event = message.event
    if not isinstance(event, TimerFired):
        return None
    return message.target.instance_id, message.target.execution_id, event.timer_id


class ScheduledMessage:
    """One scheduled delivery."""

    __slots__ = ("canceled", "due", "message")

    def __init__(self, due: int, message: ReceivedMessage) -> None:
        self.due = due
        self.message = message
        self.canceled = False


class MessageSchedule:
    """Calls `deliver` with each message at its due time (ticks)."""

    def __init__(self, clock: Clock, deliver: Callable[[ReceivedMessage], None]) -> None:
        self._clock = clock
        self._deliver = deliver
        self._heap: list[tuple[int, int, ScheduledMessage]] = []
        self._order = count()
        self._by_id: dict[str, ScheduledMessage] = {}
        self._by_timer: dict[TimerKey, ScheduledMessage] = {}
        self._postponed: dict[str, dict[ScheduledMessage, None]] = {}
        self._changed = asyncio.Event()

    def add(self, due: int, message: ReceivedMessage, *, is_postponed: bool = False) -> None:
        """Deliver `message` at `due`, or earlier with `recall` if it `is_postponed`.

        Replaces an earlier entry for the same message.
        """
        self.remove(message.id)
        entry = ScheduledMessage(due, message)
        self._by_id[message.id] = entry
        key = timer_key(message.message)
        if key is not None:
            self._by_timer[key] = entry
        if is_postponed:
            self._postponed.setdefault(message.message.target.instance_id, {})[entry] = None
        if len(self._heap) > 2 * len(self._by_id) + _SLACK:
            self._heap = [item for item in self._heap if not item[2].canceled]
            heapq.heapify(self._heap)
        heapq.heappush(self._heap, (due, next(self._order), entry))
        if self._heap[0][2] is entry:
            self._changed.set()

    def rename(self, message: ReceivedMessage, id: str) -> int | None:
        """Change the ID of a message. Return when it is due, or None if it is not waiting."""
        entry = self._by_id.pop(message.id, None)
        message.id = id
        if entry is None:
            return None
        self._by_id[id] = entry
        return entry.due

    def remove(self, id: str) -> ReceivedMessage | None:
        """Remove and return a message."""
        entry = self._by_id.get(id)
        return self._cancel(entry) if entry is not None else None

    def remove_timer(self, key: TimerKey) -> ReceivedMessage | None:
        """Remove and return a timer."""
        entry = self._by_timer.get(key)
        return self._cancel(entry) if entry is not None else None

    def recall(self, instance_id: str) -> list[ReceivedMessage]:
        """Remove and return the messages of an instance that were postponed."""
        return [self._cancel(entry) for entry in list(self._postponed.get(instance_id, ()))]

    def remove_where(self, unwanted: Callable[[ReceivedMessage], bool]) -> list[ReceivedMessage]:
        """Remove and return all messages for which `unwanted` is true."""
        entries = [entry for entry in self._by_id.values() if unwanted(entry.message)]
        return [self._cancel(entry) for entry in entries]

    def messages(self) -> Iterable[ReceivedMessage]:
        """Return all waiting messages."""
        return [entry.message for entry in self._by_id.values()]

    async def run(self) -> None:
        """Deliver messages until cancelled."""
        while True:
            self._changed.clear()
            now = self._clock.now()
            while self._heap and (self._heap[0][2].canceled or self._heap[0][0] <= now):
                entry = heapq.heappop(self._heap)[2]
                if not entry.canceled:
                    self._deliver(self._cancel(entry))
            if not self._heap:
                await self._changed.wait()
                continue
            await first_of(self._clock.sleep_until(self._heap[0][0]), self._changed.wait())

    def _cancel(self, entry: ScheduledMessage) -> ReceivedMessage:
        entry.canceled = True
        message = entry.message
        if self._by_id.get(message.id) is entry:
            del self._by_id[message.id]
        key = timer_key(message.message)
        if key is not None and self._by_timer.get(key) is entry:
            del self._by_timer[key]
        instance_id = message.message.target.instance_id
        if (postponed := self._postponed.get(instance_id)) is not None:
            postponed.pop(entry, None)
            if not postponed:
                del self._postponed[instance_id]
        return message
