"""Tasks that live as long as the worker role does: they are never left alone, and never die of an error."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

_log = logging.getLogger("Host.Triggers.DurableTask")
_REST = 1.0


class Background:
    """Owner of background tasks. `stop` ends them all."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[None]] = set()

    def keep_running(self, name: str, loop: Callable[[], Awaitable[None]]) -> "asyncio.Task[None]":
        """Run `loop` until it returns; after an unforeseen error it is logged and begun anew."""
        return self.run(self._supervise(name, loop))

    def run(self, work: Coroutine[Any, Any, None]) -> "asyncio.Task[None]":
        """Run one piece of work."""
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._done)
        return task

    async def stop(self) -> None:
        """Cancel everything and wait for the end of it."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _done(self, task: "asyncio.Task[None]") -> None:
        self._tasks.discard(task)
        if not task.cancelled() and task.exception() is not None:
            _log.error("A background task of the task hub failed.", exc_info=task.exception())

    async def _supervise(self, name: str, loop: Callable[[], Awaitable[None]]) -> None:
        while True:
            try:
                await loop()
                return
            except Exception:
                _log.exception("The task hub's %s failed and is begun anew.", name)
            await asyncio.sleep(_REST)
