"""Long-lived tasks: none of them ends unseen.

A loop that fails says why and begins again; a task that fails says so.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, TypeVar

T = TypeVar("T")

SHORTEST_PAUSE = 1.0
LONGEST_PAUSE = 60.0
FORGIVEN_AFTER = 600.0
"""Seconds without a failure, after which earlier ones do not count any more."""


async def keep_running(
    name: str, loop: Callable[[], Awaitable[None]], log: logging.Logger, *, most_failures: int | None = None
) -> None:
    """Run `loop` until it returns. After an unforeseen error it begins again, with pauses that grow to a minute.

    `name` stands in the log. Raises the error of failure number `most_failures`, if that is given.
    """
    failures = 0
    while True:
        began = time.monotonic()
        try:
            await loop()
        except Exception as error:
            failures = 1 if time.monotonic() - began > FORGIVEN_AFTER else failures + 1
            if failures == most_failures:
                raise
            pause = min(LONGEST_PAUSE, SHORTEST_PAUSE * 2.0 ** min(failures - 1, 10))
            log.error(
                "The %s failed and will restart in %.0f s: %s: %s",
                name,
                pause,
                type(error).__name__,
                error,
                exc_info=error,
            )
        else:
            return
        await asyncio.sleep(pause)


class Tasks:
    """Owner of background tasks: each one that fails is logged, and `stop` ends them all."""

    def __init__(self, log: logging.Logger) -> None:
        self._log = log
        self._tasks: set[asyncio.Task[Any]] = set()

    def keep_running(self, name: str, loop: Callable[[], Awaitable[None]]) -> asyncio.Task[None]:
        """A task for `keep_running`."""
        return self.run(name, keep_running(name, loop, self._log))

    def run(self, name: str, work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        """Run one piece of work; `name` tells in the log what failed."""
        task = asyncio.get_running_loop().create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._ended)
        return task

    async def stop(self) -> None:
        """Cancel everything and wait for the end of it."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _ended(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self._log.error("The %s failed: %s: %s", task.get_name(), type(error).__name__, error, exc_info=error)
