"""Runs one durable function at a time, so that a run of a test can be repeated exactly."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from durable_host.chaos.fault import REORDER
from durable_host.chaos.injector import Injector
from durable_host.testing.virtual_clock import until_loop_is_idle

_PATIENCE = 10.0


class Turns:
    """Grants turns in the order in which they were requested, except where the injector puts one behind all others.

    The next turn begins when nothing else is left to do, so that the order does not depend on the speed of the machine.
    A function that waits for another one, which also needs a turn, has its turn alone for `patience` seconds only.
    """

    def __init__(self, injector: Injector, patience: float = _PATIENCE) -> None:
        self._injector = injector
        self._patience = patience
        self._waiting: list[_Turn] = []
        self._present = 0
        self._asked = asyncio.Event()
        self._is_closed = False

    @property
    def is_busy(self) -> bool:
        """Whether a function waits for its turn, or has it."""
        return self._present > 0

    @asynccontextmanager
    async def turn(self, target: str) -> AsyncGenerator[None]:
        """Wait for a turn, and have it during the block. `target` names the function and its instance."""
        if self._is_closed:
            yield
            return
        turn = _Turn(target)
        self._waiting.append(turn)
        self._present += 1
        self._asked.set()
        try:
            await turn.begun.wait()
            yield
        finally:
            self._present -= 1
            if turn in self._waiting:
                self._waiting.remove(turn)
            turn.ended.set()

    async def serve(self) -> None:
        """Grant turns until cancelled."""
        while True:
            await self._asked.wait()
            await until_loop_is_idle()
            if not self._waiting:
                self._asked.clear()
                continue
            turn = self._next()
            turn.begun.set()
            try:
                async with asyncio.timeout(self._patience):
                    await turn.ended.wait()
            except TimeoutError:
                continue

    def close(self) -> None:
        """Grant all turns at once, including later ones."""
        self._is_closed = True
        while self._waiting:
            self._waiting.pop().begun.set()

    def _next(self) -> "_Turn":
        """Take the first turn that does not have to let all others go first."""
        while len(self._waiting) > 1 and not self._waiting[0].was_asked:
            first = self._waiting[0]
            first.was_asked = True
            if self._injector.happens(REORDER, first.target) is None:
                break
            self._waiting.append(self._waiting.pop(0))
        return self._waiting.pop(0)


class _Turn:
    """One function that waits for its turn, or has it. `was_asked`: it was decided whether others go first."""

    def __init__(self, target: str) -> None:
        self.target = target
        self.begun = asyncio.Event()
        self.ended = asyncio.Event()
        self.was_asked = False
