"""A wake-up that is never lost, whatever the number of waiters, and when the table has to be looked at."""

import asyncio


class Signal:
    """Of one queue. Waiters note `version` before they look for work and wait only if it has not changed since.

    `has_unread`: the table may hold messages that are ready. `look_at` is when it may again, in ticks.
    """

    def __init__(self) -> None:
        self.version = 0
        self.has_unread = True
        self.look_at: int | None = None
        self._event = asyncio.Event()

    def must_look(self, now: int) -> bool:
        """Whether the table has to be looked at before what is in memory is handed out."""
        return self.has_unread or (self.look_at is not None and now >= self.look_at)

    def notify(self, *, in_table: bool = True) -> None:
        """Wake everyone who waits now. `in_table`: for a message that is in the table, not in memory."""
        self.has_unread |= in_table
        self.version += 1
        event, self._event = self._event, asyncio.Event()
        event.set()

    async def wait_beyond(self, seen: int) -> None:
        """Return at once if `version` is not `seen` any more, else at the next `notify`."""
        event = self._event
        if self.version == seen:
            await event.wait()
