"""Another app's task hub in a file, for clients only. A missing hub counts as empty; the first start or signal creates
it.
"""

import asyncio
from functools import partial
from pathlib import Path
from typing import TypeVar

from durable_host.clock import Clock
from durable_host.durable.model.events import HistoryEvent
from durable_host.durable.model.instance import EndedQuery, InstancePage, InstanceQuery, InstanceState
from durable_host.durable.model.instance_search import InstanceSearch, SearchPage
from durable_host.durable.model.messages import TaskMessage
from durable_host.durable.model.status import OrchestrationStatus
from durable_host.durable.taskhub.inspection import HubMessage, HubQueue
from durable_host.durable.taskhub.sqlite import history, instances, queue_view, search
from durable_host.durable.taskhub.sqlite.database import Database
from durable_host.durable.taskhub.sqlite.hub import SqliteTaskHub
from durable_host.durable.taskhub.sqlite.jobs import Work
from durable_host.durable.taskhub.sqlite.schema import is_there

T = TypeVar("T")


class ForeignSqliteHub(SqliteTaskHub):
    """A hub that a client names in its request. Reads open the file read-only, and only if it exists."""

    def __init__(self, path: Path, name: str, clock: Clock | None = None) -> None:
        super().__init__(path, name, clock)
        self._path = path
        self._reader: Database = self._searched
        self._identity: tuple[int, int] | None = None

    async def exists(self) -> bool:
        return await self._is_there()

    async def create_instance(
        self, start: TaskMessage, *, dedupe_statuses: frozenset[OrchestrationStatus]
    ) -> InstanceState:
        await self.create()
        return await super().create_instance(start, dedupe_statuses=dedupe_statuses)

    async def send(self, message: TaskMessage) -> None:
        await self.create()
        await super().send(message)

    async def get_instance(
        self, instance_id: str, *, fetch_input: bool = True, fetch_output: bool = True
    ) -> InstanceState | None:
        work = partial(instances.read, instance_id=instance_id, fetch_input=fetch_input, fetch_output=fetch_output)
        return await self._read(work, None)

    async def query_instances(self, query: InstanceQuery) -> InstancePage:
        return await self._read(partial(instances.query, wanted=query), InstancePage([], None))

    async def search(self, wanted: InstanceSearch) -> SearchPage:
        return await self._read(partial(search.page, wanted=wanted), SearchPage(instances=[], counts={}))

    async def search_failed(self, wanted: InstanceSearch) -> list[InstanceState]:
        return await self._read(partial(search.failed, wanted=wanted), [])

    async def changes(self) -> int:
        return hash((await self._read(search.changes, 0), self._identity))

    async def queues(self) -> list[HubQueue]:
        return await self._read(queue_view.queues, [])

    async def peek(self, queue: str, count: int) -> list[HubMessage]:
        return await self._read(partial(queue_view.peek, queue=queue, count=count), [])

    async def list_ended(self, query: EndedQuery) -> list[tuple[int, str]]:
        return await self._read(partial(instances.ended, wanted=query), [])

    async def get_history(self, instance_id: str) -> list[HistoryEvent]:
        loaded = await self._read(partial(history.load, instance_id=instance_id), None)
        return loaded.events if loaded is not None else []

    async def purge_instance(self, instance_id: str) -> bool:
        return await self._is_there() and await super().purge_instance(instance_id)

    async def _read(self, work: Work[T], nothing: T) -> T:
        if not await self._is_there():
            return nothing
        await self._follow_file()
        return await self._reader.run(work, writes=False)

    async def _follow_file(self) -> None:
        """Open the file again if it was deleted and created again: an open file is still the old one."""
        status = await asyncio.to_thread(self._path.stat)
        identity = (status.st_dev, status.st_ino)
        if self._identity not in (None, identity):
            old, self._reader = self._reader, Database(self._path, inline=False, read_only=True)
            self._searched, self._identity = self._reader, identity
            await old.close()
        self._identity = identity

    async def _is_there(self) -> bool:
        return await asyncio.to_thread(is_there, self._path)
