"""Clients of other task hubs, for requests that name one. Few are open at a time, and only while they are used."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager

from durable_host.durable.api.client import DurableClient
from durable_host.durable.api.errors import UnknownHub
from durable_host.durable.taskhub.port import TaskHubUnavailable
from durable_host.errors import HostError

HubFactory = Callable[[str, str], DurableClient]
"""Creates the client of another hub from its name and connection name. Raises HostError for an unknown connection."""

MAX_OPEN = 8
_DEFAULT_CONNECTION_NAMES = frozenset({"storage", "azurewebjobsstorage"})
IDLE_SECONDS = 30.0


def connection_key(name: str) -> str:
    """Return a key that is the same for all names of one connection."""
    name = name.lower()
    return "storage" if name in _DEFAULT_CONNECTION_NAMES else name


class _OpenHub:
    def __init__(self, client: DurableClient) -> None:
        self.client = client
        self.users = 0
        self.idle_since = 0.0


class OtherHubs:
    """Keeps at most `most` hubs open.

    A hub is closed when it has been idle for `idle` seconds, or when it is idle and another one has to be opened.
    """

    def __init__(self, open_hub: HubFactory, *, most: int = MAX_OPEN, idle: float = IDLE_SECONDS) -> None:
        self._open_hub = open_hub
        self._most = most
        self._idle = idle
        self._entries: dict[tuple[str, str], _OpenHub] = {}
        self._closing: set[asyncio.Task[None]] = set()
        self._timer: asyncio.TimerHandle | None = None

    @property
    def open_count(self) -> int:
        return len(self._entries)

    @asynccontextmanager
    async def client(self, hub: str, connection: str, key: tuple[str, str]) -> AsyncGenerator[DurableClient]:
        """Yield a client for use in the `with` block. `key` is the same for all names of one hub.

        Raises `UnknownHub` for invalid names, and TaskHubUnavailable while too many hubs are in use.
        """
        entry = self._entries.get(key)
        if entry is None:
            self._make_room()
            try:
                entry = self._entries[key] = _OpenHub(self._open_hub(hub, connection))
            except HostError as error:
                raise UnknownHub(str(error)) from error
        entry.users += 1
        try:
            yield entry.client
        finally:
            entry.users -= 1
            entry.idle_since = asyncio.get_running_loop().time()
            self._plan()

    async def close(self) -> None:
        """Close all hubs."""
        if self._timer is not None:
            self._timer.cancel()
        for key in list(self._entries):
            self._close(key)
        await asyncio.gather(*self._closing)

    def _make_room(self) -> None:
        if len(self._entries) < self._most:
            return
        idle = [key for key, entry in self._entries.items() if not entry.users]
        if not idle:
            raise TaskHubUnavailable(f"Requests already use {self._most} other task hubs; try again later.")
        self._close(min(idle, key=lambda key: self._entries[key].idle_since))

    def _plan(self) -> None:
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(self._idle, self._close_idle)

    def _close_idle(self) -> None:
        self._timer = None
        before = asyncio.get_running_loop().time() - self._idle
        for key, entry in list(self._entries.items()):
            if not entry.users and entry.idle_since <= before:
                self._close(key)
        if self._entries:
            self._plan()

    def _close(self, key: tuple[str, str]) -> None:
        """Close a hub in the background. `close` waits for it."""
        task = asyncio.get_running_loop().create_task(self._entries.pop(key).client.hub.close())
        self._closing.add(task)
        task.add_done_callback(self._closing.discard)
