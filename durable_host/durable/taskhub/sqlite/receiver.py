"""Receives messages for the worker role: from the table, and directly those that this process sends to itself."""

import asyncio
import logging
from collections import deque
from collections.abc import Iterable, Sequence
from functools import partial

from durable_host.clock import Clock
from durable_host.durable.model.messages import TaskMessage
from durable_host.durable.taskhub.port import ReceivedMessage
from durable_host.durable.taskhub.sqlite import messages, schema
from durable_host.durable.taskhub.sqlite.database import Database
from durable_host.durable.taskhub.sqlite.direct_results import DirectResults
from durable_host.durable.taskhub.sqlite.jobs import Work
from durable_host.durable.taskhub.sqlite.wakeup import Alarm, Signal
from durable_host.timestamp import TICKS_PER_SECOND

_log = logging.getLogger("Host.Triggers.DurableTask")

_CONTROL_BATCH = 256
_MAX_REQUESTS = 256
_REQUEST_BATCH = 64
"""How many activity requests are taken from the table at once."""


class Receiver:
    """Owns the signals of both queues, and the activity requests that were taken but not handed out yet.

    `results` are those that no commit has consumed. `poll_seconds` is how often to look for messages from other
    processes, or None if there are none.
    """

    def __init__(self, database: Database, clock: Clock, poll_seconds: float | None) -> None:
        self._database = database
        self._clock = clock
        self._poll_seconds = poll_seconds
        self._signals = {schema.CONTROL: Signal(), schema.ACTIVITY: Signal()}
        self._alarms = {queue: Alarm(signal, clock) for queue, signal in self._signals.items()}
        self._requests: deque[ReceivedMessage] = deque()
        self._reserved = 0
        self.results = DirectResults()
        self.serving = False

    def begin(self) -> None:
        """Start handing out messages to waiting callers. The table contains all that were taken before."""
        self._requests.clear()
        self.serving = True
        self.notify_all()

    def end(self) -> tuple[list[ReceivedMessage], list[ReceivedMessage]]:
        """Stop handing out messages.

        Returns the requests that no caller has received, and the results that no commit has consumed.
        """
        self.close()
        unseen, left = list(self._requests), self.results.leave()
        self._requests.clear()
        return unseen, left

    def close(self) -> None:
        """Stop handing out work and cancel the alarms."""
        self.serving = False
        for alarm in self._alarms.values():
            alarm.set(None)

    async def next_control_messages(self) -> list[ReceivedMessage]:
        """Wait for control messages and return all that are ready."""
        signal = self._signals[schema.CONTROL]
        while True:
            seen = signal.version
            if not self.serving:
                await signal.wait_beyond(seen)
                continue
            now = self._clock.now()
            if not signal.must_check(now) and self.results.is_ready(now):
                return self.results.take(now)
            taken = await self._take(schema.CONTROL, _CONTROL_BATCH)
            received = [*taken.messages, *self.results.take(self._clock.now())]
            if received:
                return received
            await self._wait(schema.CONTROL, seen, _earliest(signal.check_at, self.results.next_due))

    async def next_activities(self, most: int) -> list[ReceivedMessage]:
        """Wait for activity requests and return at least one, at most `most`."""
        signal = self._signals[schema.ACTIVITY]
        while True:
            seen = signal.version
            if not self.serving:
                await signal.wait_beyond(seen)
                continue
            if self._room >= 0 and signal.must_check(self._clock.now()):
                self._requests += (await self._take(schema.ACTIVITY, _REQUEST_BATCH)).messages
            if self._requests:
                requests = [self._requests.popleft() for _ in range(min(most, len(self._requests)))]
                for request in requests:
                    request.received_time = self._clock.now()
                return requests
            await self._wait(schema.ACTIVITY, seen, signal.check_at)

    async def recall(self, instance_id: str) -> list[ReceivedMessage]:
        """Take the released messages of an instance that are not due yet."""
        await asyncio.sleep(0)
        work = partial(messages.recall, instance_id=instance_id, now=self._clock.now())
        return (await self._taken(work)).messages

    def reserve(self, requests: int) -> int:
        """Return how many of `requests` new activity requests this process can take directly: none while earlier ones
        are in the table. `release` must follow.
        """
        is_next = self.serving and not self._signals[schema.ACTIVITY].has_unread
        takes = max(0, min(requests, self._room)) if is_next else 0
        self._reserved += takes
        return takes

    def release(self, takes: int) -> None:
        """End a reservation. The requests were taken, or will not come."""
        self._reserved -= takes

    @property
    def _room(self) -> int:
        """How many more requests may be held when a batch from the table follows."""
        return _MAX_REQUESTS - _REQUEST_BATCH - len(self._requests) - self._reserved

    def committed(self, outbound: Sequence[TaskMessage], taken: Sequence[ReceivedMessage]) -> None:
        """Handle a commit that sent `outbound`, of which this process has `taken` the first activity requests."""
        if taken and self.serving:
            self._requests.extend(taken)
            self._signals[schema.ACTIVITY].notify(in_table=False)
        activities = [message for message in outbound if message.is_activity]
        controls = [message for message in outbound if not message.is_activity]
        self.notify_of([*controls, *activities[len(taken) :]])

    def answered(self, request: ReceivedMessage, result: TaskMessage) -> None:
        """Add the result of an activity that this process ran."""
        self.results.add(request, result, self._clock.now())
        self._signals[schema.CONTROL].notify(in_table=False)

    def notify_control(self) -> None:
        """Signal that the table contains a control message."""
        self._signals[schema.CONTROL].notify()

    def notify_of(self, sent: Iterable[TaskMessage]) -> None:
        """Signal that the table contains these messages."""
        for queue in {schema.ACTIVITY if message.is_activity else schema.CONTROL for message in sent}:
            self._signals[queue].notify()

    def notify_all(self) -> None:
        """Signal that both queues may contain messages."""
        for signal in self._signals.values():
            signal.notify()

    async def _take(self, queue: int, limit: int) -> messages.TakenMessages:
        signal = self._signals[queue]
        signal.has_unread = False
        await asyncio.sleep(0)
        taken = await self._taken(partial(messages.take, queue=queue, now=self._clock.now(), limit=limit))
        signal.has_unread |= len(taken.messages) == limit
        signal.check_at = _earliest(taken.next_due, self._next_poll())
        return taken

    async def _taken(self, work: Work[messages.TakenMessages]) -> messages.TakenMessages:
        """Take messages. If the caller is cancelled, they are returned."""
        future = self._database.submit(work)
        future.add_done_callback(_log_set_aside)
        try:
            return await asyncio.shield(future)
        except asyncio.CancelledError:
            future.add_done_callback(self._return_undelivered)
            raise

    def _return_undelivered(self, future: "asyncio.Future[messages.TakenMessages]") -> None:
        if future.cancelled() or future.exception() is not None or not future.result().messages or not self.serving:
            return
        returned = self._database.submit(partial(messages.return_taken, messages=future.result().messages))
        returned.add_done_callback(lambda _: self.notify_all())

    async def _wait(self, queue: int, seen: int, due: int | None) -> None:
        """Wait until something is sent, or until `due`."""
        self._alarms[queue].set(due)
        await self._signals[queue].wait_beyond(seen)

    def _next_poll(self) -> int | None:
        """Return when to look for messages from other processes next, or None."""
        if self._poll_seconds is None:
            return None
        return self._clock.now() + round(self._poll_seconds * TICKS_PER_SECOND)


def _log_set_aside(future: "asyncio.Future[messages.TakenMessages]") -> None:
    if not future.cancelled() and future.exception() is None:
        for line in future.result().set_aside:
            _log.warning("%s", line)


def _earliest(*times: int | None) -> int | None:
    return min((time for time in times if time is not None), default=None)
