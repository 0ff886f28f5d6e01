"""The clock port: real time here, virtual time in `durable_host.testing`."""

import asyncio
import time
from typing import Protocol

from durable_host import timestamp

_LONGEST_NAP = 60.0
"""Seconds. The loop's time may stand still while the machine sleeps; afterwards, a sleeper is at most this late."""

_SET_BACK = timestamp.TICKS_PER_SECOND
"""Ticks. If the clock is behind by less, it is only being adjusted."""


class Clock(Protocol):
    """Tells the time and waits."""

    def now(self) -> int:
        """Current UTC time in ticks (100 ns since 0001-01-01)."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Wait for `seconds`; return immediately if they are zero or negative."""
        ...

    async def sleep_until(self, ticks: int) -> None:
        """Wait until `now()` is at least `ticks`."""
        ...


class SystemClock:
    """The machine's clock. `now` never returns the same tick twice in a row, so that event times are ordered.

    If the machine's clock is set back, `now` follows it. Otherwise everything that waits would wait longer.
    """

    def __init__(self) -> None:
        self._last = 0

    def now(self) -> int:
        ticks = timestamp.UNIX_EPOCH_TICKS + time.time_ns() // 100
        is_set_back = self._last - ticks > _SET_BACK
        self._last = ticks if ticks > self._last or is_set_back else self._last + 1
        return self._last

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(max(0.0, seconds))

    async def sleep_until(self, ticks: int) -> None:
        while (remaining := ticks - self.now()) > 0:  # noqa: ASYNC110 - it is time itself that is waited for
            await asyncio.sleep(min(remaining / timestamp.TICKS_PER_SECOND, _LONGEST_NAP))
