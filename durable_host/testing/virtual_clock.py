"""Virtual time: days pass in milliseconds, deterministically."""

import asyncio
import heapq
from collections import deque
from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager, contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any
from weakref import WeakKeyDictionary

from durable_host import timestamp
from durable_host.timestamp import TICKS_PER_SECOND

_DEFAULT_START = timestamp.from_datetime(datetime(2024, 1, 1, tzinfo=UTC))
_ROUNDS_WITHOUT_VIEW = 50


class VirtualClock:
    """A `Clock` whose time stands still until `advance`, or advances automatically inside `auto_advance`.

    Time moves from one sleeper to the next. Each sleeper wakes at its time, and everything that follows in the event
    loop happens before time moves on. Work outside the loop (threads, other processes) is not noticed: await it inside
    `with clock.busy():`, so that time waits for it.
    """

    def __init__(self, start: datetime | int = _DEFAULT_START) -> None:
        self._now = start if isinstance(start, int) else timestamp.from_datetime(start)
        self._sleepers: list[tuple[int, int, asyncio.Future[None]]] = []
        self._sequence = 0
        self._busy = 0
        self._changed = asyncio.Event()

    def now(self) -> int:
        return self._now

    @property
    def next_due(self) -> int | None:
        """The time when the next sleeper wakes, in ticks; None if there are no sleepers."""
        while self._sleepers and self._sleepers[0][2].done():
            heapq.heappop(self._sleepers)
        return self._sleepers[0][0] if self._sleepers else None

    async def sleep(self, seconds: float) -> None:
        await self.sleep_until(self._now + round(max(0.0, seconds) * TICKS_PER_SECOND))

    async def sleep_until(self, ticks: int) -> None:
        if ticks <= self._now:
            await asyncio.sleep(0)
            return
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._sequence += 1
        heapq.heappush(self._sleepers, (ticks, self._sequence, future))
        self._changed.set()
        await future

    async def advance(self, by: timedelta | float) -> None:
        """Advance by seconds or a timedelta, and run everything that becomes due."""
        seconds = by.total_seconds() if isinstance(by, timedelta) else by
        await self.advance_to(self._now + round(seconds * TICKS_PER_SECOND))

    async def advance_to(self, ticks: int) -> None:
        """Advance to `ticks`, and run everything that becomes due."""
        await self.settle()
        while (due := self.next_due) is not None and due <= ticks:
            self._jump(due)
            await self.settle()
        self._now = max(self._now, ticks)

    @asynccontextmanager
    async def auto_advance(self) -> AsyncGenerator["VirtualClock", None]:
        """In this block, time jumps to the next sleeper whenever the event loop is idle."""
        driver = asyncio.create_task(self._drive(), name="virtual clock")
        try:
            yield self
        finally:
            driver.cancel()
            await asyncio.gather(driver, return_exceptions=True)

    @contextmanager
    def busy(self) -> Generator[None, None, None]:
        """Stop time while the block waits for something outside the event loop."""
        self._busy += 1
        try:
            yield
        finally:
            self._busy -= 1
            self._changed.set()

    async def settle(self) -> None:
        """Wait until nothing is left to do at the current time."""
        while True:
            await until_loop_is_idle()
            if not self._busy:
                return
            self._changed.clear()
            await self._changed.wait()

    async def _drive(self) -> None:
        while True:
            await self.settle()
            due = self.next_due
            if due is not None:
                self._jump(due)
                continue
            self._changed.clear()
            await self._changed.wait()

    def _jump(self, due: int) -> None:
        """Wake the sleepers that are due at this time, in the order in which they went to sleep."""
        self._now = max(self._now, due)
        while self.next_due == due:
            heapq.heappop(self._sleepers)[2].set_result(None)


_watchers: WeakKeyDictionary[asyncio.AbstractEventLoop, int] = WeakKeyDictionary()


async def until_loop_is_idle() -> None:
    """Run everything that is ready, until nothing is ready twice in a row (the loop polls its I/O in between).

    Several tasks may wait at the same time.
    """
    loop = asyncio.get_running_loop()
    ready: deque[Any] | None = getattr(loop, "_ready", None)
    if ready is None:
        for _ in range(_ROUNDS_WITHOUT_VIEW):
            await asyncio.sleep(0)
        return
    _watchers[loop] = _watchers.get(loop, 0) + 1
    try:
        idle = 0
        while idle < 2:
            await asyncio.sleep(0)
            idle = idle + 1 if len(ready) < _watchers[loop] else 0
    finally:
        _watchers[loop] -= 1
