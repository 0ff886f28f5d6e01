"""Tracks the timers that have arrived and those restored from a history.

A timer that is open in a history is restored in case its queue does not deliver it. If the queue does, the restored one
is dropped. If the restored one was already delivered in its place, the two become one message.

Source: docs/protocol/task-hub-storage-additions.md#messages-to-itself
"""

from collections import OrderedDict

from durable_host.clock import Clock
from durable_host.durable.model.messages import TaskMessage
from durable_host.durable.taskhub.azure.held_hub_message import HeldHubMessage, Stage, held_of
from durable_host.durable.taskhub.azure.held_messages import HeldMessages
from durable_host.durable.taskhub.azure.message_schedule import MessageSchedule, TimerKey, timer_key
from durable_host.durable.taskhub.port import ReceivedMessage
from durable_host.timestamp import TICKS_PER_SECOND

_REMEMBERED = 10_000


class KnownTimers:
    """The last 10,000 timers that arrived, each with its stand-in if that was delivered.

    Restored timers wait in `schedule` until `grace` seconds after they are due.
    """

    def __init__(self, schedule: MessageSchedule, held: HeldMessages, clock: Clock, grace: float) -> None:
        self._schedule = schedule
        self._held = held
        self._clock = clock
        self._grace = int(grace * TICKS_PER_SECOND)
        self._restored: set[str] = set()
        self._seen: OrderedDict[TimerKey, HeldHubMessage | None] = OrderedDict()

    def record(self, message: TaskMessage) -> None:
        """Record a message that arrived. Only timers are recorded."""
        key = timer_key(message)
        if key is not None:
            self._seen[key] = None
            if len(self._seen) > _REMEMBERED:
                self._seen.popitem(last=False)

    def restore(self, message: TaskMessage) -> None:
        """Deliver a timer shortly after it is due, unless it arrives before that."""
        key = timer_key(message)
        if key is None or key in self._seen:
            return
        id = f"restored-{key[0]}/{key[1]}/{key[2]}"
        self._restored.add(id)
        held = HeldHubMessage(None, id=id)
        self._held.park(held)
        due = max(message.due or 0, self._clock.now())
        self._schedule.add(due + self._grace, ReceivedMessage(id, message, 1, self._clock.now(), held))

    def hasten(self, message: TaskMessage) -> bool:
        """Deliver a timer now, or return False if it was delivered already."""
        key = timer_key(message)
        if key is None:
            return False
        waiting = self._schedule.remove_timer(key)
        if waiting is None:
            self.restore(message)
            waiting = self._schedule.remove_timer(key)
        if waiting is None:
            return False
        self._schedule.add(self._clock.now(), waiting)
        return True

    def may_deliver(self, message: ReceivedMessage, *, is_ours: bool) -> bool:
        """True when a message that is due may be delivered. `is_ours`: this process serves its instance."""
        if message.id not in self._restored:
            return True
        self._restored.discard(message.id)
        key = timer_key(message.message)
        if key is None or not is_ours or key in self._seen:
            return False
        self._seen[key] = held_of(message)
        return True

    def is_delivered(self, received: ReceivedMessage) -> bool:
        """True when a message from a queue is a timer whose stand-in was delivered. The two become one message."""
        key = timer_key(received.message)
        if key is None:
            return False
        stand_in = self._seen.get(key)
        if stand_in is not None:
            self._merge(stand_in, held_of(received), key)
            return True
        self.record(received.message)
        self._drop_restored(key)
        return False

    def withdraw(self, key: TimerKey) -> None:
        """Forget a timer and delete its message."""
        waiting = self._schedule.remove_timer(key)
        if waiting is not None:
            self._restored.discard(waiting.id)
            self._held.delete_later(held_of(waiting))

    def clear(self) -> None:
        self._restored.clear()
        self._seen.clear()

    def _drop_restored(self, key: TimerKey) -> None:
        waiting = self._schedule.remove_timer(key)
        if waiting is None:
            return
        if waiting.id in self._restored:
            self._restored.discard(waiting.id)
        else:
            self._schedule.add(waiting.message.due or 0, waiting)

    def _merge(self, stand_in: HeldHubMessage, real: HeldHubMessage, key: TimerKey) -> None:
        self._seen[key] = None
        if stand_in.stage is Stage.GONE:
            self._held.delete_later(real)
            return
        self._held.forget(real)
        stand_in.lease = real.lease
        self._held.take(stand_in)
