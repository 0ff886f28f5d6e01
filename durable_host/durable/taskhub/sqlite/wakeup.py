"""A wake-up signal that is never lost, for any number of waiters, and that knows when to look into the table."""

import asyncio

from durable_host.clock import Clock


class Signal:
    """The signal of one queue. Waiters read `version` before they look for work, and wait only if it has not changed
    since.

    `has_unread` is true when the table may contain messages that are ready. `check_at` is when it may contain more, in
    ticks.
    """

    def __init__(self) -> None:
        self.version = 0
        self.has_unread = True
        self.check_at: int | None = None
        self._event = asyncio.Event()

    def must_check(self, now: int) -> bool:
        """True when the table must be checked before messages in memory are handed out."""
        return self.has_unread or (self.check_at is not None and now >= self.check_at)

    def notify(self, *, in_table: bool = True) -> None:
        """Wake all current waiters. `in_table` is true if the message is in the table, not in memory."""
        self.has_unread |= in_table
        self.version += 1
        event, self._event = self._event, asyncio.Event()
        event.set()

    async def wait_beyond(self, seen: int) -> None:
        """Wait for the next `notify`, or return at once if `version` is no longer `seen`."""
        event = self._event
        if self.version == seen:
            await event.wait()


class Alarm:
    """Notifies a signal at a given time. Owns one task, which it keeps while the time stays the same."""

    def __init__(self, signal: Signal, clock: Clock) -> None:
        self._signal = signal
        self._clock = clock
        self._due: int | None = None
        self._task: asyncio.Task[None] | None = None

    def set(self, due: int | None) -> None:
        """Set the time, in ticks. None turns the alarm off."""
        if due == self._due:
            return
        self._due = due
        if self._task is not None:
            self._task.cancel()
        self._task = None if due is None else asyncio.create_task(self._ring(due))

    async def _ring(self, due: int) -> None:
        await self._clock.sleep_until(due)
        self._due = self._task = None
        self._signal.notify(in_table=False)
