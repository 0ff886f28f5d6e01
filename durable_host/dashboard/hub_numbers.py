"""The numbers of the hub and of this process that pages show, computed once for all pages."""

import sys
import time
from pathlib import Path

import msgspec

from durable_host.dashboard.payloads import time_text
from durable_host.dashboard.sources import DashboardSources, HubSource
from durable_host.durable.taskhub.inspection import InspectableHub
from durable_host.durable.taskhub.port import TaskHubUnavailable

PARTITIONS_EVERY = 5.0
"""Seconds between two looks at the table of the partitions."""
SHORTEST_SAMPLE = 0.5
"""Seconds between two samples of the number of requests."""


class PartitionOwner(msgspec.Struct, frozen=True, rename="camel", kw_only=True):
    """A partition and its owner."""

    id: int
    queue: str
    owner: str | None
    is_own: bool
    expires: str | None


class StorageRequests(msgspec.Struct, frozen=True, rename="camel", kw_only=True):
    """The requests to storage of all parts of this process: the hub, triggers and bindings."""

    per_second: float
    total: int
    by_kind: dict[str, int]


class HubAnswer(msgspec.Struct, frozen=True, rename="camel", kw_only=True):
    """Null is what this process does not know, because another one serves the hub.

    `open_instances` are those whose state is in memory. `findings` are counted by code since the start. `error` says
    why the partitions are missing.
    """

    partitions: list[PartitionOwner]
    sessions: int | None
    session_limit: int | None
    open_instances: int | None
    running_activities: int | None
    running_turns: int | None
    storage_requests: StorageRequests
    findings: dict[str, int]
    memory_bytes: int | None
    uptime_seconds: float
    pages: int
    error: str | None


class HubNumbers:
    """Reads the numbers. Keeps the partitions for some seconds, and the latest sample of the requests."""

    def __init__(self, sources: DashboardSources) -> None:
        self._sources = sources
        self._partitions: list[PartitionOwner] = []
        self._read_at: float | None = None
        self._error: str | None = None
        self._client: object = None
        self._sampled: tuple[float, int] | None = None
        self._per_second = 0.0

    async def read(self, pages: int) -> HubAnswer:
        """The current numbers. `pages` is the number of open pages."""
        hub = self._sources.hub()
        if hub is not None:
            await self._read_partitions(hub)
        runtime = hub.runtime if hub is not None else None
        return HubAnswer(
            partitions=self._partitions if hub is not None else [],
            sessions=None if runtime is None else runtime.session_count,
            session_limit=None if runtime is None else runtime.session_capacity,
            open_instances=None if hub is None or hub.live is None else len(hub.live),
            running_activities=None if runtime is None else runtime.running_activities,
            running_turns=None if runtime is None else len(runtime.running_work_items),
            storage_requests=self._requests(hub),
            findings={} if runtime is None else dict(runtime.diagnostics.counts),
            memory_bytes=memory_of_this_process(),
            uptime_seconds=round(time.monotonic() - self._sources.started, 1),
            pages=pages,
            error=self._error,
        )

    async def _read_partitions(self, hub: HubSource) -> None:
        now, storage = time.monotonic(), hub.client.hub
        is_known = self._client is hub.client and self._read_at is not None and now - self._read_at < PARTITIONS_EVERY
        if is_known or not isinstance(storage, InspectableHub):
            return
        self._client, self._read_at = hub.client, now
        try:
            found = await storage.partitions()
        except TaskHubUnavailable as error:
            self._error = error.public_text or str(error)
            return
        self._error = None
        self._partitions = [
            PartitionOwner(
                id=number, queue=one.queue, owner=one.owner, is_own=one.is_own, expires=time_text(one.expires)
            )
            for number, one in enumerate(found)
        ]

    def _requests(self, hub: HubSource | None) -> StorageRequests:
        accounts = self._sources.accounts().opened
        if hub is not None and hub.queues is not None and hub.queues not in accounts:
            accounts.append(hub.queues)
        by_kind: dict[str, int] = {}
        for account in accounts:
            for service, count in account.requests.items():
                by_kind[service] = by_kind.get(service, 0) + count
        total, now = sum(by_kind.values()), time.monotonic()
        if self._sampled is None:
            self._sampled = (now, total)
        elif now - self._sampled[0] >= SHORTEST_SAMPLE:
            self._per_second = max(0.0, (total - self._sampled[1]) / (now - self._sampled[0]))
            self._sampled = (now, total)
        return StorageRequests(per_second=round(self._per_second, 1), total=total, by_kind=by_kind)


def memory_of_this_process() -> int | None:
    """The memory in use, in bytes; None if the system does not report it."""
    try:
        if sys.platform == "linux":
            pages = int(Path("/proc/self/statm").read_text().split()[1])
            return pages * _page_size()
        if sys.platform != "win32":
            import resource

            return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    except (OSError, ValueError, IndexError):
        return None
    return None


def _page_size() -> int:
    import resource

    return resource.getpagesize()
