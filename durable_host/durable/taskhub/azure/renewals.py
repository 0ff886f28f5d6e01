"""Renewals: messages in the hands of this process are hidden again before their time is over.

A message is put or received invisible for two seconds. While it is held, one task hides it again before that time is
over, each time for twice as long, up to the hold time. So after a crash no message stays away for longer than it had
been held, and most messages are deleted before their first renewal.

Source: docs/protocol/task-hub-storage-queues.md#lock-renewal
"""

import asyncio
import heapq
import logging
import time
from collections.abc import Callable
from contextlib import suppress
from itertools import count

from durable_host.durable.taskhub.azure.bounded import for_each
from durable_host.durable.taskhub.azure.held import RENEWED, HeldHubMessage
from durable_host.storage import InvalidRequest, NotFound, QueueService, StorageError

_log = logging.getLogger("Host.Triggers.DurableTask")
_PARALLEL = 8
_IN_A_ROUND = 64
_PER_SECOND = 50
_FIRST_HOLD = 2.0
_LITTLE = 0.5


class Renewals:
    """Owner of the times at which messages are hidden again, each for `hold_time` seconds at the most. `is_renewed`
    tells whether a message still needs it.
    """

    def __init__(self, queues: QueueService, hold_time: float, is_renewed: Callable[[HeldHubMessage], bool]) -> None:
        self._queues = queues
        self._hold_time = hold_time
        self._is_renewed = is_renewed
        self._renewed: set[HeldHubMessage] = set()
        self._planned: list[tuple[float, int, HeldHubMessage]] = []
        self._order = count()
        self._sooner = asyncio.Event()

    @property
    def first_hold(self) -> float:
        """For how many seconds to hide a message that this process takes. More than two when many are held, so that
        there are never more than about 50 renewals a second.
        """
        return min(self._hold_time, max(_FIRST_HOLD, len(self._renewed) / _PER_SECOND))

    def add(self, held: HeldHubMessage) -> None:
        """Keep a message hidden from now on."""
        self._renewed.add(held)
        now = time.monotonic()
        left = held.hidden_until - now
        if left < _LITTLE:  # Visible any moment: a timer that is due. It may well be done before that matters.
            held.hold = self.first_hold / 2
            self._plan(held, now + min(held.hold, _FIRST_HOLD / 2))
        else:
            held.hold = min(self._hold_time, left)
            self._plan(held, now + left - held.hold / 2)

    def remove(self, held: HeldHubMessage) -> None:
        """The message need not be hidden again."""
        self._renewed.discard(held)

    async def hide(self, held: HeldHubMessage, seconds: float) -> bool:
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

    async def renew_due(self) -> bool:
        """Hide the messages again whose time has come, at most 64 of them; False when there were none."""
        self._sooner.clear()
        due = self._due()
        await for_each(due, self._renew, _PARALLEL)
        return bool(due)

    async def rest(self) -> None:
        """Wait until the next message is due."""
        pause = self._planned[0][0] - time.monotonic() if self._planned else self._hold_time
        with suppress(TimeoutError):
            async with asyncio.timeout(max(0.0, min(pause, self._hold_time))):
                await self._sooner.wait()

    def _plan(self, held: HeldHubMessage, at: float) -> None:
        held.renew_at = at
        heapq.heappush(self._planned, (at, next(self._order), held))
        if self._planned[0][2] is held:
            self._sooner.set()

    def _due(self) -> list[HeldHubMessage]:
        """The next ones that are due. What was planned otherwise meanwhile, or is held no more, is left out."""
        now = time.monotonic()
        due: list[HeldHubMessage] = []
        while self._planned and self._planned[0][0] <= now and len(due) < _IN_A_ROUND:
            at, _, held = heapq.heappop(self._planned)
            if held.renew_at == at and self._is_renewed(held):
                due.append(held)
        return due

    async def _renew(self, held: HeldHubMessage) -> None:
        if held.stage not in RENEWED:
            return
        held.renewal = asyncio.get_running_loop().create_task(self._hide_again(held))
        await held.renewal
        held.renewal = None

    async def _hide_again(self, held: HeldHubMessage) -> None:
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
