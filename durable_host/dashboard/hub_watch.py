"""Watches the task hub while a page is open, and notifies the pages of changes.

A hub that this process serves reports its own commits. A hub that others write to is read again from time to time: once
for all pages.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from typing import Any

from durable_host.dashboard.instance_index import InstanceIndex
from durable_host.dashboard.pushed_changes import Changes
from durable_host.dashboard.sources import DashboardSources, HubSource
from durable_host.durable.model.instance import InstanceUpdate
from durable_host.durable.runtime import LiveInstances
from durable_host.durable.taskhub.port import SearchableHub, TaskHubUnavailable
from durable_host.supervision import Tasks

_log = logging.getLogger("Host.Dashboard")

TICK = 1.0
DROPPED_AFTER = 60.0
"""Seconds without a page or a search after which the index is dropped."""
RESCAN_OF_SERVED = 15.0
RESCAN_OF_OTHERS = 2.0
QUEUES_EVERY = 5
"""Ticks between two hints that queues may have changed."""


class HubWatch:
    """Owns the streams of the pages, the index of the hub if it needs one, and the tasks that keep both current.

    `hub_body` returns the JSON of `GET /api/hub`, which pages get once a second.
    """

    def __init__(self, sources: DashboardSources, hub_body: Callable[[], Awaitable[bytes]]) -> None:
        self.changes = Changes(self._opened, self._closed)
        self._sources = sources
        self._hub_body = hub_body
        self._tasks = Tasks(_log)
        self._ticking: asyncio.Task[None] | None = None
        self._live: LiveInstances | None = None
        self._client: object = None
        self._index: InstanceIndex | None = None
        self._last_search = 0.0
        self._functions: object = None
        self._version: object = None

    async def close(self) -> None:
        """End the streams and the tasks."""
        self.changes.end()
        self._stop_listening()
        await self._tasks.stop()

    def index_of(self, hub: HubSource) -> InstanceIndex:
        """The index of a hub that cannot search itself. It is dropped after a minute without a search."""
        self._last_search = time.monotonic()
        self._follow(hub)
        if self._index is None:
            pause = RESCAN_OF_OTHERS if hub.live is None else RESCAN_OF_SERVED
            self._index = InstanceIndex(hub.client, self._tasks, self._notify, rescan_after=pause)
        self._keep_ticking()
        return self._index

    def _opened(self) -> None:
        hub = self._sources.hub()
        if hub is not None:
            self._follow(hub)
        self._keep_ticking()

    def _closed(self) -> None:
        """The last page was closed; the ticks notice when nothing is needed any more."""

    def _keep_ticking(self) -> None:
        if self._ticking is None or self._ticking.done():
            self._ticking = self._tasks.keep_running("watch of the task hub", self._tick)

    def _follow(self, hub: HubSource | None) -> None:
        """Listen to the commits of this hub. A reload may have replaced it."""
        client = hub.client if hub is not None else None
        if client is self._client:
            return
        self._stop_listening()
        self._client = client
        if hub is not None and hub.live is not None:
            self._live = hub.live
            hub.live.when_changed(self._changed)
        self.changes.all_instances()

    def _stop_listening(self) -> None:
        if self._live is not None:
            self._live.when_changed(None)
        self._live = self._client = self._version = None
        if self._index is not None:
            self._index.close()
            self._index = None

    def _changed(self, instance_id: str, update: InstanceUpdate | None) -> None:
        if instance_id.startswith("@"):
            self.changes.other("entities")
            return
        if self._index is not None:
            self._index.changed(instance_id, update)
        self.changes.instance(instance_id)

    def _notify(self, ids: list[str] | None) -> None:
        if ids is None:
            self.changes.all_instances()
        else:
            for instance_id in ids:
                self.changes.instance(instance_id)

    async def _tick(self) -> None:
        """Once a second, while there is a page or an index."""
        count = 0
        while len(self.changes) or self._is_index_in_use():
            hub = self._sources.hub()
            self._follow(hub)
            if len(self.changes):
                await self._push(hub, count)
            count += 1
            await asyncio.sleep(TICK)
        self._stop_listening()

    def _is_index_in_use(self) -> bool:
        return time.monotonic() - self._last_search < DROPPED_AFTER and self._index is not None

    async def _push(self, hub: HubSource | None, count: int) -> None:
        functions = self._functions_state()
        if functions != self._functions:
            self._functions = functions
            self.changes.other("functions")
        if count % QUEUES_EVERY == QUEUES_EVERY - 1:
            self.changes.other("queues")
        if hub is not None and hub.live is None:
            await self._look_for_changes(hub)
        self.changes.hub(await self._hub_body())

    async def _look_for_changes(self, hub: HubSource) -> None:
        """Notice what other processes write to a hub that this one does not serve."""
        storage: Any = hub.client.hub
        if not isinstance(storage, SearchableHub):
            self.index_of(hub)
            return
        try:
            version = await storage.changes()
        except TaskHubUnavailable:
            return
        if self._version not in (None, version):
            self.changes.all_instances()
            self.changes.other("entities")
            self.changes.other("queues")
        self._version = version

    def _functions_state(self) -> object:
        app = self._sources.app
        if app is None:
            return None
        described = [(one.name, one.is_disabled, one.errors) for one in app.functions("")]
        return app.invoker.recent.version, described
