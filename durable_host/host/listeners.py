"""The listeners of an app: started together, replaced when the app is reloaded, drained together."""

import asyncio
import logging
from collections.abc import Iterable, Sequence
from typing import Protocol

import msgspec

from durable_host.supervision import keep_running

_log = logging.getLogger("Host.Triggers")


class Listener(Protocol):
    """What waits for the events of a trigger."""

    async def listen(self) -> None:
        """Until `stop`, or for as long as there is something to wait for."""
        ...

    def stop(self) -> None:
        """Take no more; `listen` returns when what runs has ended, or is cancelled earlier."""
        ...


class PlannedListener(msgspec.Struct, frozen=True):
    """A listener that is to run; `name` is what the log calls it. After a reload the running one goes on where `key`
    is still equal: it holds everything that the listener was made from. One that is `exclusive` begins when its
    predecessor of the same name has ended.
    """

    name: str
    key: object
    listener: Listener
    exclusive: bool = False


class _Running(msgspec.Struct, frozen=True):
    planned: PlannedListener
    task: asyncio.Task[None]


class Listeners:
    """Owns one task per listener."""

    def __init__(self) -> None:
        self._running: list[_Running] = []
        self._ending: set[asyncio.Task[None]] = set()

    def replace(self, planned: Sequence[PlannedListener]) -> None:
        """Run exactly these: those that run already go on, others take no more and end when what runs has ended."""
        kept = [running for running in self._running if _is_among(running.planned, planned)]
        ending: dict[str, asyncio.Task[None]] = {}
        for running in self._running:
            if not _is_among(running.planned, planned):
                running.planned.listener.stop()
                ending[running.planned.name] = running.task
                self._ending.add(running.task)
                running.task.add_done_callback(self._ending.discard)
        known = [running.planned for running in kept]
        fresh = [one for one in planned if not _is_among(one, known)]
        self._running = kept + [self._start(one, ending.get(one.name) if one.exclusive else None) for one in fresh]

    async def stop(self, grace: float) -> None:
        """Take no more, let what runs finish for `grace` seconds, give the rest back."""
        for running in self._running:
            running.planned.listener.stop()
        tasks = [*(running.task for running in self._running), *self._ending]
        self._running = []
        if tasks:
            _, late = await asyncio.wait(tasks, timeout=grace)
            for task in late:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    def _start(self, planned: PlannedListener, predecessor: asyncio.Task[None] | None) -> _Running:
        async def listen() -> None:
            if predecessor is not None:
                await asyncio.wait([predecessor])
            await keep_running(f"listener for function '{planned.name}'", planned.listener.listen, _log)

        return _Running(planned, asyncio.create_task(listen()))


def _is_among(planned: PlannedListener, others: Iterable[PlannedListener]) -> bool:
    return any(planned.name == other.name and planned.key == other.key for other in others)
