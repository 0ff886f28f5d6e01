"""Leases on queue messages: renews the visibility timeout of the messages that this process holds.

One task renews all messages of an owner. A message is hidden for `HoldTimes.first` seconds at first, and each renewal
hides it for twice as long as the previous one, up to `HoldTimes.longest`. So after a crash no message stays hidden for
longer than it had been held, and most messages are deleted before their first renewal. If both times are equal, a
message is renewed after half of the time.

Source: docs/protocol/task-hub-storage-queues.md#lock-renewal, docs/protocol/functions-host-queues.md#visibility
"""

import asyncio
import heapq
import logging
import time
from contextlib import suppress
from dataclasses import dataclass
from itertools import count

from durable_host.storage import leased_message
from durable_host.storage.bounded import for_each
from durable_host.storage.errors import StorageError
from durable_host.storage.leased_message import LeasedMessage
from durable_host.storage.queues import QueueService

_PARALLEL = 8
_IN_A_ROUND = 64
_PER_SECOND = 50
_SLACK = 64
_LITTLE = 0.5
_SHORTEST_RETRY = 0.5


@dataclass(frozen=True, slots=True)
class HoldTimes:
    """The first and the longest visibility timeout, in seconds."""

    first: float
    longest: float


class MessageLeases:
    """Schedules the renewals of messages. Failed renewals are logged to `log` at the level Debug."""

    def __init__(self, queues: QueueService, times: HoldTimes, log: logging.Logger) -> None:
        self._queues = queues
        self._times = times
        self._log = log
        self._kept: set[LeasedMessage] = set()
        self._planned: list[tuple[float, int, LeasedMessage]] = []
        self._order = count()
        self._sooner = asyncio.Event()

    @property
    def first_hold(self) -> float:
        """The visibility timeout for a new message, in seconds.

        It is longer than `HoldTimes.first` if many messages are held, so that there are at most about 50 renewals a
        second.
        """
        return min(self._times.longest, max(self._times.first, len(self._kept) / _PER_SECOND))

    def keep(self, message: LeasedMessage) -> None:
        """Keep a message hidden from now on, until it is deleted, released, lost or let go."""
        self._kept.add(message)
        now = time.monotonic()
        left = message.hidden_until - now
        if left < _LITTLE:  # It becomes visible any moment: a timer that is due. It may be done before that matters.
            message.hold = self.first_hold / 2
            self._plan(message, now + min(message.hold, self._times.first / 2))
        else:
            message.hold = min(self._times.longest, left)
            self._plan(message, now + left - message.hold / 2)

    def let_go(self, message: LeasedMessage) -> None:
        """Stop renewing a message."""
        self._kept.discard(message)

    async def hide(self, message: LeasedMessage, seconds: float) -> bool:
        """Hide a message for `seconds`; False if it is lost. Raises StorageError."""
        await message.renewed()
        return await leased_message.hide(self._queues, message, seconds)

    async def release(self, message: LeasedMessage, seconds: float = 0.0) -> bool:
        """Stop renewing a message and make it visible after `seconds`; False if it is lost. Raises StorageError."""
        self.let_go(message)
        return await self.hide(message, seconds)

    async def delete(self, message: LeasedMessage) -> bool:
        """Delete a message; False if it is lost. Raises StorageError; then it is still renewed."""
        is_deleted = await leased_message.delete(self._queues, message)
        self.let_go(message)
        return is_deleted

    async def run(self) -> None:
        """Renew forever."""
        while True:
            await self.renew_next()

    async def renew_next(self) -> None:
        """Renew the messages that are due, at most 64; if there are none, wait for the next one."""
        self._sooner.clear()
        due = self._due()
        await for_each(due, self._renew, _PARALLEL)
        if not due:
            await self._rest()

    async def _rest(self) -> None:
        longest = self._times.longest
        pause = self._planned[0][0] - time.monotonic() if self._planned else longest
        with suppress(TimeoutError):
            async with asyncio.timeout(max(0.0, min(pause, longest))):
                await self._sooner.wait()

    def _plan(self, message: LeasedMessage, at: float) -> None:
        message.renew_at = at
        if len(self._planned) > 2 * len(self._kept) + _SLACK:
            self._planned = [one for one in self._planned if one[2].renew_at == one[0] and one[2] in self._kept]
            heapq.heapify(self._planned)
        heapq.heappush(self._planned, (at, next(self._order), message))
        if self._planned[0][2] is message:
            self._sooner.set()

    def _due(self) -> list[LeasedMessage]:
        """The next messages that are due, without those that were rescheduled or are no longer held."""
        now = time.monotonic()
        due: list[LeasedMessage] = []
        while self._planned and self._planned[0][0] <= now and len(due) < _IN_A_ROUND:
            at, _, message = heapq.heappop(self._planned)
            if message.renew_at == at and message in self._kept:
                due.append(message)
        return due

    async def _renew(self, message: LeasedMessage) -> None:
        if message not in self._kept:
            return
        message.renewal = asyncio.get_running_loop().create_task(self._hide_again(message))
        await message.renewal
        message.renewal = None

    async def _hide_again(self, message: LeasedMessage) -> None:
        seconds = min(self._times.longest, max(2 * message.hold, self.first_hold))
        try:
            is_hidden = await leased_message.hide(self._queues, message, seconds)
        except StorageError as error:
            self._log.debug("Message %s of queue '%s' could not be renewed: %s", message.id, message.queue, error)
            retry = min(message.hold / 2, max(_SHORTEST_RETRY, message.hold / 8))
            self._plan(message, time.monotonic() + retry)
            return
        if is_hidden:
            message.hold = seconds
            self._plan(message, message.hidden_until - seconds / 2)
        else:
            self._log.debug("Message %s of queue '%s' is lost", message.id, message.queue)
            self.let_go(message)
