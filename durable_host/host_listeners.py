"""The listeners of an app: started together, drained together."""

import asyncio
import logging
from collections.abc import Sequence
from typing import Protocol

_log = logging.getLogger("Host.Triggers")

RESTART_SECONDS = 2.0


class Listener(Protocol):
    """What waits for the events of a trigger."""

    async def listen(self) -> None:
        """Until `stop`, or for as long as there is something to wait for."""
        ...

    def stop(self) -> None:
        """Take no more; `listen` returns when what runs has ended, or is cancelled earlier."""
        ...


class Listeners:
    """Owns one task a listener; `listeners` by what the log calls them."""

    def __init__(self, listeners: Sequence[tuple[str, Listener]]) -> None:
        self._listeners = listeners
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        self._tasks = [asyncio.create_task(self._listen(name, listener)) for name, listener in self._listeners]

    async def stop(self, grace: float) -> None:
        """Take no more, let what runs finish for `grace` seconds, give the rest back."""
        for _, listener in self._listeners:
            listener.stop()
        if self._tasks:
            _, late = await asyncio.wait(self._tasks, timeout=grace)
            for task in late:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks = []

    async def _listen(self, name: str, listener: Listener) -> None:
        """A mistake in the listener itself must not leave it dead for the rest of the day."""
        while True:
            try:
                await listener.listen()
                return
            except Exception:
                _log.exception("The listener for function '%s' failed and starts again", name)
                await asyncio.sleep(RESTART_SECONDS)
