"""Notifies triggers of everything that happens in the storage in memory, so that nothing has to be polled.

A trigger that polled would always have something due, and virtual time would never come to rest.
"""

import asyncio
from collections.abc import Callable
from typing import Protocol

from durable_host.bindings.blob_signals import BlobSignals
from durable_host.bindings.queue_signals import QueueSignals
from durable_host.clock import Clock
from durable_host.timestamp import TICKS_PER_SECOND
from durable_host.waiting import first_of


class WatchedQueues(Protocol):
    """What the signals have to know of the queues of one account."""

    def is_empty(self, queue: str) -> bool:
        """True if no message can be received now."""
        ...

    def next_visible(self, queue: str) -> int | None:
        """The time when the next hidden message becomes visible, in ticks; None without one."""
        ...


class MemoryQueueSignals(QueueSignals):
    """The storage notifies of each change of a queue; a hidden message wakes its listener when it becomes visible."""

    def __init__(self, clock: Clock, queues_of: Callable[[str], WatchedQueues]) -> None:
        super().__init__()
        self._clock = clock
        self._queues_of = queues_of

    async def wait(self, account: str, queue: str, event: asyncio.Event, seconds: float) -> None:
        queues = self._queues_of(account)
        due = queues.next_visible(queue)
        if not queues.is_empty(queue):  # The last request has failed.
            due = self._clock.now() + round(seconds * TICKS_PER_SECOND)
        await _until(self._clock, event, due)


class MemoryBlobSignals(BlobSignals):
    """The storage notifies of each blob that is written."""

    def __init__(self, clock: Clock) -> None:
        super().__init__()
        self._clock = clock

    async def wait(self, event: asyncio.Event, seconds: float, *, retries: bool = False) -> None:
        due = self._clock.now() + round(seconds * TICKS_PER_SECOND) if retries else None
        await _until(self._clock, event, due)


async def _until(clock: Clock, event: asyncio.Event, due: int | None) -> None:
    """Wait until the event, or until a time in ticks."""
    if due is None:
        await event.wait()
    else:
        await first_of(event.wait(), clock.sleep_until(due))
