"""The task hubs that a host without a function app serves: each has its own runtime and its own workers.

Source: docs/protocol/durable-grpc.md#task-hub-of-a-call
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Protocol

from durable_host.durable.api.client import DurableClient
from durable_host.durable.api.errors import UnknownHub
from durable_host.durable.sidecar.statuses import CallRefused
from durable_host.durable.sidecar.workers.board import WorkBoard
from durable_host.durable.taskhub.port import TaskHub, TaskHubUnavailable
from durable_host.grpc_port import StatusCode

MOST = 64
_SHARED = (
    "The task hub '{name}' is not deleted, because other hosts may work on it. Stop them, then run: "
    "func durable delete-task-hub --task-hub-name {name}"
)


class ServedHub(Protocol):
    """One hub with its runtime. `stop` ends the runtime, `close` releases the hub after that."""

    @property
    def client(self) -> DurableClient: ...

    @property
    def board(self) -> WorkBoard: ...

    @property
    def hub(self) -> TaskHub: ...

    async def start(self) -> None: ...

    async def stop(self, grace: float) -> None: ...

    async def close(self) -> None: ...


class ServedHubs:
    """Serves hubs from the first call that names them.

    `make` returns a hub that is not started, and raises UnknownHub for an invalid name. `exists` tells whether a hub is
    in storage.
    """

    def __init__(self, make: Callable[[str], ServedHub], exists: Callable[[str], Awaitable[bool]]) -> None:
        self._make = make
        self._exists = exists
        self._hubs: dict[str, ServedHub] = {}
        self._changing = asyncio.Lock()

    def get(self, name: str) -> ServedHub | None:
        """Return a hub if it is served already."""
        return self._hubs.get(name.lower())

    async def open(self, name: str, *, creates: bool = False) -> ServedHub:
        """Return a hub, served from now on. Raises UnknownHub, TaskHubUnavailable."""
        found = self.get(name)
        if found is not None:
            return found
        async with self._changing:
            found = self.get(name)
            if found is not None:
                return found
            if len(self._hubs) >= MOST:
                raise TaskHubUnavailable(f"This host already serves {MOST} task hubs.")
            made = self._make(name)
            if not creates and not await self._exists(name):
                raise UnknownHub(
                    f"There is no task hub '{name}'. CreateTaskHub creates it, and so does: "
                    f"func durable serve --task-hub-name {name}"
                )
            try:
                await made.start()
            except BaseException:
                await made.close()
                raise
            self._hubs[name.lower()] = made
            return made

    async def delete(self, name: str) -> None:
        """Stop a hub and delete it with all its data. Its workers are disconnected. One that is missing is ignored.

        Raises CallRefused if another host works on it, or may do so.
        """
        if self.get(name) is None and not await self._exists(name):
            return
        served = await self.open(name)
        if not await served.hub.works_alone():
            raise CallRefused(StatusCode.FAILED_PRECONDITION, _SHARED.format(name=name))
        async with self._changing:
            if self._hubs.pop(name.lower(), None) is None:
                return
            served.board.end(f"The task hub '{name}' was deleted.")
            try:
                await served.stop(0)
                await served.hub.delete()
            finally:
                await served.close()

    async def stop(self, grace: float) -> None:
        """Stop all hubs."""
        async with self._changing:
            hubs = list(self._hubs.values())
            self._hubs.clear()
            await asyncio.gather(*(hub.stop(grace) for hub in hubs))
            await asyncio.gather(*(hub.close() for hub in hubs))
