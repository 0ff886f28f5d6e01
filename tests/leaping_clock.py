"""A clock whose waits last only milliseconds, also for code that runs in threads."""

import asyncio

from durable_host.clock import SystemClock
from durable_host.timestamp import TICKS_PER_SECOND

_REAL_SECONDS = 0.005


class LeapingClock(SystemClock):
    """The machine's clock, but a sleeper wakes soon, and it is then as late as it wanted. In `VirtualClock` time
    stands still otherwise, and what happens in threads is not seen.
    """

    def __init__(self) -> None:
        super().__init__()
        self._ahead = 0

    def now(self) -> int:
        return super().now() + self._ahead

    async def sleep(self, seconds: float) -> None:
        await self.sleep_until(self.now() + round(seconds * TICKS_PER_SECOND))

    async def sleep_until(self, ticks: int) -> None:
        await asyncio.sleep(_REAL_SECONDS if self.now() < ticks else 0)
        self._ahead += max(0, ticks - self.now())

    def return_to_now(self) -> None:
        """Show the machine's time again."""
        self._ahead = 0
