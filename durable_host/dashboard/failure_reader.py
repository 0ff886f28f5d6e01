"""Reads the outputs of failed instances for the index, which knows only that they have failed."""

import asyncio
import logging
from collections.abc import Iterable, Mapping

import msgspec

from durable_host.dashboard.failure_summary import failure_of
from durable_host.dashboard.index_entry import IndexEntry
from durable_host.dashboard.text_scan import rows_after
from durable_host.durable.api import DurableClient
from durable_host.durable.model.status import OrchestrationStatus
from durable_host.durable.taskhub.port import TaskHubUnavailable
from durable_host.supervision import Tasks

_log = logging.getLogger("Host.Dashboard")

_AT_ONCE = 8
_WITHIN_OF_PAGE = 0.3
_WITHIN = 2.0
_FAILED = OrchestrationStatus.Failed


class FailureReader:
    """Fills in the failures of `entries`. What takes longer than a page may wait for comes later."""

    def __init__(self, client: DurableClient, tasks: Tasks, entries: Mapping[str, IndexEntry]) -> None:
        self._client = client
        self._tasks = tasks
        self._entries = entries
        self._reading: asyncio.Task[None] | None = None

    def close(self) -> None:
        """End the reading."""
        if self._reading is not None:
            self._reading.cancel()

    async def read_some(self, ids: Iterable[str]) -> None:
        """Read the failures of a page."""
        try:
            async with asyncio.timeout(_WITHIN_OF_PAGE):
                await self._read(ids)
        except TimeoutError:
            pass

    async def read_most(self) -> None:
        """Read the failures of all instances, and go on in the background after two seconds."""
        if self._reading is None or self._reading.done():
            self._reading = self._tasks.run("reading of failures", self._read_all())
        await asyncio.wait([self._reading], timeout=_WITHIN)

    async def _read(self, ids: Iterable[str]) -> None:
        slots = asyncio.Semaphore(_AT_ONCE)

        async def read(instance_id: str) -> None:
            try:
                async with slots:
                    state = await self._client.get(instance_id, fetch_input=False)
            except TaskHubUnavailable:
                return
            entry = self._entries.get(instance_id)
            if state is not None and entry is not None and state.runtime_status is _FAILED:
                entry.failure = failure_of(state.output)

        async with asyncio.TaskGroup() as group:
            for instance_id in ids:
                group.create_task(read(instance_id))

    async def _read_all(self) -> None:
        """Read the outputs of all failed instances, page by page."""
        token: str | None = None
        try:
            while True:
                query = msgspec.structs.replace(rows_after(token), statuses=frozenset({_FAILED}), fetch_output=True)
                page = await self._client.query(query)
                for state in page.instances:
                    entry = self._entries.get(state.instance_id)
                    if entry is not None and entry.status is _FAILED:
                        entry.failure = failure_of(state.output)
                if (token := page.continuation_token) is None:
                    break
        except TaskHubUnavailable as error:
            _log.debug("The failures could not be read: %s", error)
