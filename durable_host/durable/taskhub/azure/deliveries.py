"""Delivers messages to the runtime, including those that this process sends to itself.

A message that this process sends to a queue it serves is put as invisible and delivered at once with the receipt of the
put, without a get or a polling delay. Timers and delayed starts are delivered when they are due.

Source: docs/protocol/task-hub-storage-additions.md#messages-to-itself
"""

import asyncio
from collections.abc import Callable

from durable_host.clock import Clock
from durable_host.durable.model.messages import TaskMessage
from durable_host.durable.taskhub.azure.held_hub_message import HeldHubMessage, Stage, held_of
from durable_host.durable.taskhub.azure.held_messages import HeldMessages
from durable_host.durable.taskhub.azure.inbox import Inbox
from durable_host.durable.taskhub.azure.known_timers import KnownTimers
from durable_host.durable.taskhub.azure.message_schedule import MessageSchedule
from durable_host.durable.taskhub.azure.names import HubNames
from durable_host.durable.taskhub.azure.neighbours import Neighbours
from durable_host.durable.taskhub.azure.options import AzureTaskHubOptions
from durable_host.durable.taskhub.azure.seen_starts import SeenStarts
from durable_host.durable.taskhub.azure.unconfirmed_puts import UnconfirmedPuts
from durable_host.durable.taskhub.port import ReceivedMessage
from durable_host.storage import LeasedMessage, PutMessage, QueueMessage
from durable_host.timestamp import TICKS_PER_SECOND

MAX_VISIBILITY = 7 * 24 * 3600.0
_EARLY = TICKS_PER_SECOND // 2


class Deliveries:
    """Owns the inboxes, the schedule and the set of control queues that this process serves.

    `owned` maps each served control queue to the ticks since when it is served. A delayed start that is due goes to
    `on_due_start` instead of the control inbox, because its row must be checked first.
    """

    def __init__(
        self,
        names: HubNames,
        options: AzureTaskHubOptions,
        clock: Clock,
        machine: Clock,
        held: HeldMessages,
        *,
        take_all_activities: bool,
        on_due_start: Callable[[ReceivedMessage], None],
    ) -> None:
        self._names = names
        self._options = options
        self._clock = clock
        self._held = held
        self.takes_all_activities = take_all_activities
        self._on_due_start = on_due_start
        self._claimed_activities = 0
        self.running = False
        self.neighbours = Neighbours.UNKNOWN
        self.owned: dict[str, int] = {}
        self.control = Inbox()
        self.activities = Inbox()
        self.owed: asyncio.Queue[str] = asyncio.Queue()
        self.schedule = MessageSchedule(clock, self._deliver_due)
        self.timers = KnownTimers(self.schedule, held, clock, options.restored_timer_grace)
        self.starts = SeenStarts(machine)
        self.unconfirmed = UnconfirmedPuts()
        self._expected: dict[str, ReceivedMessage] = {}

    @property
    def is_alone(self) -> bool:
        """True when no other worker can do the work of this hub, so that activities need no messages."""
        return self.running and self.takes_all_activities and self.neighbours is Neighbours.NONE

    @property
    def is_official_order(self) -> bool:
        """True when a worker of another backend may take over: it does not carry out what a commit owes."""
        return self.neighbours is Neighbours.OTHER_BACKEND

    def serves(self, instance_id: str) -> bool:
        """True when this process receives the messages of an instance."""
        return self.running and self._names.queue_of(instance_id) in self.owned

    def served_since(self, instance_id: str) -> int:
        """Return since when (ticks) this process receives the messages of an instance, or now if it does not."""
        since = self.owned.get(self._names.queue_of(instance_id))
        return self._clock.now() if since is None else since

    # Sending

    def claim(self, queue: str) -> float | None:
        """Return how long (seconds) to hide a message for `queue` that this process takes itself, or None if others may
        have it.

        Call `release_claim` when the put failed or the message was not accepted.
        """
        if not self.running:
            return None
        if queue in self.owned:
            return self.control_hold
        if queue != self._names.work_items:
            return None
        if self.takes_all_activities:
            return self.activity_hold
        if self.activities.wanted > self._claimed_activities:
            self._claimed_activities += 1
            return self.activity_hold
        return None

    @property
    def control_hold(self) -> float:
        """How long (seconds) to hide a control message that this process receives or sends to itself."""
        return min(self._held.first_hold, self._options.control_hold)

    @property
    def activity_hold(self) -> float:
        """How long (seconds) to hide an activity request that this process receives or sends to itself.

        If other workers wait for requests, it is the whole hold time, because the activity would run twice if the first
        renewal came too late.
        """
        hold = self._options.work_item_hold
        return min(self._held.first_hold, hold) if self.is_alone else hold

    def release_claim(self, queue: str) -> None:
        """Release the claim on a message that was accepted, or was not put."""
        if queue == self._names.work_items and self._claimed_activities:
            self._claimed_activities -= 1

    def may_still_accept(self, queue: str) -> bool:
        """True when a claimed message can be accepted now."""
        return self.running and (queue in self.owned or queue == self._names.work_items)

    def accept(self, queue: str, message: TaskMessage, put: PutMessage, hidden: float) -> None:
        """Deliver a message that was put as invisible for `hidden` seconds, now or when it is due.

        If its poller has received it before the response to the put, the poller delivers it.
        """
        if self._held.holds(put.id):
            return
        held = HeldHubMessage(LeasedMessage(queue, put, hidden))
        self._held.take(held)
        now = self._clock.now()
        self.timers.record(message)
        self.starts.record(message)
        self._deliver_or_park(ReceivedMessage(put.id, message, 1, now, held), now, 0)

    def expect(self, queue: str, message: TaskMessage, hidden: float) -> ReceivedMessage | None:
        """Deliver a message with an identity whose put into a control queue begins now, hidden for `hidden` seconds.

        Call `arrived` or `missing` when the put has ended. Returns None if a copy of the message is on its way already.
        """
        assert message.id is not None
        if message.id in self._expected:
            return None
        held = self._held.expect(queue, hidden)
        received = self._expected[message.id] = ReceivedMessage(held.id, message, 1, self._clock.now(), held)
        if held.put is not None:
            self.unconfirmed.add(message.id, held.put)
        self.control.put(received)
        return received

    def arrived(self, received: ReceivedMessage, lease: LeasedMessage) -> float | None:
        """Record that the put of an expected message has succeeded, and return for how long (seconds) to hide it.

        That is 0 if this process no longer holds it, and None to leave it unchanged. If it arrived before, this is the
        same message or a copy, which is left to the queue.
        """
        if received.message.id is not None:
            self.unconfirmed.confirmed(received.message.id)
        return self._arrived(received, lease)

    def _arrived(self, received: ReceivedMessage, lease: LeasedMessage) -> float | None:
        self._expect_no_longer(received)
        held = held_of(received)
        if held.lease is not None:
            return None
        due = self.schedule.rename(received, lease.id)
        if not self._held.arrived(held, lease):
            return 0.0
        now = self._clock.now()
        return None if due is None or due <= now else (due - now) / TICKS_PER_SECOND

    def missing(self, received: ReceivedMessage) -> None:
        """Forget an expected message whose put has failed. A commit that is being written still decides about it."""
        self._expect_no_longer(received)
        held = held_of(received)
        assert held.put is not None
        if held.put.is_withdrawn:
            self.control.remove_where(lambda one: one is received)
            self.schedule.remove(received.id)
            self._held.forget(held)
        elif held.lease is None and held.stage is Stage.DELETING:
            self._held.missing(held)

    def _expect_no_longer(self, received: ReceivedMessage) -> None:
        id = received.message.id
        if id is not None and self._expected.get(id) is received:
            del self._expected[id]

    # Receiving

    def refreshed(self, queue: str, got: QueueMessage, hidden: float) -> tuple[HeldHubMessage, float | None] | None:
        """Refresh a message that is already held with its new receipt, or return None if the message is new.

        The second value is how many seconds the message must stay hidden, or None to leave it unchanged.
        """
        held = self._held.refresh(got.id, got.pop_receipt, hidden)
        if held is None:
            return None
        waiting = self.schedule.remove(got.id) if held.stage is Stage.PARKED else None
        if waiting is None:
            return held, None
        waiting.dequeue_count = held.dequeue_count = max(waiting.dequeue_count, got.dequeue_count)
        return held, self._deliver_or_park(waiting, self._clock.now(), _EARLY)

    def deliver(self, held: HeldHubMessage, message: TaskMessage) -> float | None:
        """Deliver a received message, unless it was already delivered as an expected message or a timer's stand-in.

        A message that arrived too early is parked, and the seconds for which to hide it are returned. A consumed one
        whose put has failed is deleted.
        """
        expected = self._expected.get(message.id) if message.id is not None else None
        if expected is not None and held.lease is not None and held_of(expected).stage is not Stage.GONE:
            self._held.forget(held)
            return self._arrived(expected, held.lease)
        if self.unconfirmed.is_copy(message.id):
            self._held.delete_later(held)
            return None
        now = self._clock.now()
        received = ReceivedMessage(held.id, message, held.dequeue_count, now, held)
        if self.timers.is_delivered(received):
            return None
        return self._deliver_or_park(received, now, _EARLY)

    def park(self, message: ReceivedMessage, due: int) -> None:
        """Deliver a hidden message (again) at `due`."""
        self._held.park(held_of(message))
        self.schedule.add(due, message)

    def postpone(self, message: ReceivedMessage, due: int) -> None:
        """Deliver a released message at `due`. `recall` delivers control messages earlier."""
        self._held.park(held_of(message))
        self.schedule.add(due, message, is_postponed=not message.message.is_activity)

    def recall(self, instance_id: str) -> list[ReceivedMessage]:
        """Remove and return the messages that were postponed for an instance."""
        recalled = [one for one in self.schedule.recall(instance_id) if _is_parked(one)]
        for one in recalled:
            self._held.hold(held_of(one))
            one.received_time = self._clock.now()
        return recalled

    def deliver_now(self, message: ReceivedMessage) -> None:
        """Deliver a message (again) at once."""
        self._held.hold(held_of(message))
        message.received_time = self._clock.now()
        (self.activities if message.message.is_activity else self.control).put(message)

    # Leaving

    def drop_queue(self, queue: str) -> list[ReceivedMessage]:
        """Stop serving a control queue, and return its messages that the runtime has not received yet.

        Parked messages are forgotten: their queue delivers them to the new owner.
        """
        self.owned.pop(queue, None)
        self.unconfirmed.forget(queue)

        def of_queue(message: ReceivedMessage) -> bool:
            return self._names.queue_of(message.message.target.instance_id) == queue

        for parked in self.schedule.remove_where(lambda m: not m.message.is_activity and of_queue(m)):
            self._held.forget(held_of(parked))
        return self.control.remove_where(of_queue)

    def clear(self) -> None:
        """Forget everything after the worker role has ended."""
        for messages in (self.control, self.activities, self.schedule):
            messages.remove_where(lambda message: True)
        self.owned.clear()
        self.timers.clear()
        self._expected.clear()
        self.unconfirmed.clear()
        self._claimed_activities = 0
        self.neighbours = Neighbours.UNKNOWN

    def _deliver_due(self, message: ReceivedMessage) -> None:
        if not _is_parked(message):
            return
        if not self.timers.may_deliver(message, is_ours=self._is_ours(message)):
            return
        if message.message.is_start_of_client:
            self._held.hold(held_of(message))
            self._on_due_start(message)
        else:
            self.deliver_now(message)

    def _deliver_or_park(self, message: ReceivedMessage, now: int, tolerance: int) -> float | None:
        due = message.message.due
        if due is not None and due - now > tolerance:
            self.park(message, due)
            return min((due - now) / TICKS_PER_SECOND, MAX_VISIBILITY)
        self.deliver_now(message)
        return None

    def _is_ours(self, message: ReceivedMessage) -> bool:
        return self.running and self._names.queue_of(message.message.target.instance_id) in self.owned


def _is_parked(message: ReceivedMessage) -> bool:
    """False for a message that was consumed after all, because its release had failed halfway."""
    return held_of(message).stage is Stage.PARKED
