"""Moves the time of a test's event loop forward: a time limit is reached without waiting, even on a slow machine."""

import asyncio
from collections.abc import Callable


class Ahead:
    """Stands in for a loop's `time`, some seconds ahead of it."""

    def __init__(self, time: Callable[[], float]) -> None:
        self._time = time
        self.seconds = 0.0

    def __call__(self) -> float:
        return self._time() + self.seconds


def skip(seconds: float) -> None:
    """Let that much time pass for the timers of the running loop."""
    loop = asyncio.get_running_loop()
    if not isinstance(loop.time, Ahead):
        loop.time = Ahead(loop.time)  # type: ignore[method-assign]
    loop.time.seconds += seconds
