"""The time of a live host: the machine's clock, which a test can set forward."""

import asyncio
import heapq

from durable_host.clock import SystemClock
from durable_host.timestamp import TICKS_PER_SECOND

_LONGEST_NAP = 60.0


class ShiftedClock:
    """A `Clock` that runs like the machine's, ahead of it by the sum of all jumps.

    A jump wakes the sleepers whose time has come. Everything that sleeps by this clock is affected: timers, schedules
    of functions, retries. Leases and polls do not, so the host survives a jump.
    """

    def __init__(self) -> None:
        self._system = SystemClock()
        self._ahead = 0
        self._sleepers: list[int] = []
        self._jumped = asyncio.Event()

    def now(self) -> int:
        return self._system.now() + self._ahead

    @property
    def next_due(self) -> int | None:
        """The time when the next sleeper wakes, in ticks; None if there are no sleepers."""
        return self._sleepers[0] if self._sleepers else None

    async def sleep(self, seconds: float) -> None:
        await self.sleep_until(self.now() + round(max(0.0, seconds) * TICKS_PER_SECOND))

    async def sleep_until(self, ticks: int) -> None:
        heapq.heappush(self._sleepers, ticks)
        try:
            while (remaining := ticks - self.now()) > 0:
                await self._nap(min(remaining / TICKS_PER_SECOND, _LONGEST_NAP))
        finally:
            self._sleepers.remove(ticks)
            heapq.heapify(self._sleepers)

    def jump_to(self, ticks: int) -> None:
        """Set the time to `ticks`, unless it is later already."""
        self._ahead += max(0, ticks - self.now())
        jumped, self._jumped = self._jumped, asyncio.Event()
        jumped.set()

    async def _nap(self, seconds: float) -> None:
        jumped = self._jumped
        try:
            async with asyncio.timeout(seconds):
                await jumped.wait()
        except TimeoutError:
            pass
