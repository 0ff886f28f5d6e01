"""Supervises long-lived tasks, so that every failure is logged.

A loop that fails is logged and restarted; a task that fails is logged.
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
"""Seconds without a failure after which earlier failures no longer count."""


async def keep_running(
    name: str, loop: Callable[[], Awaitable[None]], log: logging.Logger, *, most_failures: int | None = None
) -> None:
    """Run `loop` until it returns. After an unexpected error, restart it, with delays that grow to a minute.

    The log uses `name`. If `most_failures` is set, that many failures raise the last error.
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
    """Owns background tasks. Failures are logged, and `stop` cancels all tasks."""

    def __init__(self, log: logging.Logger) -> None:
        self._log = log
        self._tasks: set[asyncio.Task[Any]] = set()

    def keep_running(self, name: str, loop: Callable[[], Awaitable[None]]) -> asyncio.Task[None]:
        """Start a task that runs `keep_running`."""
        return self.run(name, keep_running(name, loop, self._log))

    def run(self, name: str, work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        """Start a task; the log uses `name` if it fails."""
        task = asyncio.get_running_loop().create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._ended)
        return task

    async def stop(self) -> None:
        """Cancel all tasks and wait until they have ended."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _ended(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self._log.error("The %s failed: %s: %s", task.get_name(), type(error).__name__, error, exc_info=error)
