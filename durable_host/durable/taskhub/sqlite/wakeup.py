"""A wake-up that is never lost, whatever the number of waiters."""

import asyncio


class Signal:
    """Waiters note `version` before they look for work and wait only if it has not changed since."""

    def __init__(self) -> None:
        self.version = 0
        self._event = asyncio.Event()

    def notify(self) -> None:
        """Wake everyone who waits now."""
        self.version += 1
        event, self._event = self._event, asyncio.Event()
        event.set()

    async def wait_beyond(self, seen: int) -> None:
        """Return at once if `version` is not `seen` any more, else at the next `notify`."""
        event = self._event
        if self.version == seen:
            await event.wait()
