"""Runs the listeners of an app: starts them, replaces them when the app is reloaded, and drains them."""

import asyncio
import logging
from collections.abc import Iterable, Sequence
from typing import Protocol

import msgspec

from durable_host.supervision import keep_running

_log = logging.getLogger("Host.Triggers")


class Listener(Protocol):
    """Waits for the events of a trigger."""

    async def listen(self) -> None:
        """Run until `stop`, or until there is nothing to wait for."""
        ...

    def stop(self) -> None:
        """Accept no more events. `listen` returns when the running calls have ended, unless it is cancelled earlier."""
        ...


class PlannedListener(msgspec.Struct, frozen=True):
    """A listener to run. The log uses `name`.

    `key` contains everything that the listener depends on: after a reload, a listener with an equal key continues. An
    `exclusive` listener starts after its predecessor with the same name has ended.
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
        """Run exactly these. Running ones with an equal key continue; others stop and end with their running calls."""
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
        """Accept no more events, let running calls finish for `grace` seconds, and cancel the rest."""
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
