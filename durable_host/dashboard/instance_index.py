"""The instances of a hub that cannot sort or search them, in memory, for as long as somebody looks.

The index is filled page by page, and may be asked before it is complete. Commits of this process keep it current; what
other processes do is found by reading the hub again from time to time. Texts of the app are not in it, except for short
pieces that lists show.
"""

import asyncio
import heapq
import itertools
import logging
import time
from collections.abc import Callable, Iterable

import msgspec

from durable_host.dashboard.failure_summary import FailureSummary, failure_of
from durable_host.dashboard.payloads import IN_LIST
from durable_host.dashboard.text_scan import FIRST_ANSWER_WITHIN, ROWS_OF_PAGE, TextScan, rows_after
from durable_host.durable.api import DurableClient
from durable_host.durable.model.instance import InstanceState, InstanceUpdate
from durable_host.durable.model.instance_search import InstanceSearch, SearchPage, SortValue
from durable_host.durable.model.status import OrchestrationStatus
from durable_host.durable.taskhub.port import TaskHubUnavailable
from durable_host.supervision import Tasks

_log = logging.getLogger("Host.Dashboard")

MOST_ENTRIES = 200_000
MOST_UNREAD = 5_000
_AT_ONCE = 8
_READ_IN_A_ROW = 64
_PAUSE_OF_READING = 0.25
_FAILURES_OF_PAGE_WITHIN = 0.3
_FAILURES_WITHIN = 2.0
_FAILED = OrchestrationStatus.Failed


class IndexEntry(msgspec.Struct, gc=False):
    """An instance in a list. Times in ticks. `failure` is None for a failure whose output was not read yet."""

    id: str
    name: str
    status: OrchestrationStatus
    created: int
    updated: int
    completed: int | None
    custom_status: str | None
    version: str | None
    parent: str | None
    failure: FailureSummary | None = None


class InstanceIndex:
    """Read `search` at any time. `tell` is called with the IDs of changes that were found by reading; None means many.

    `rescan_after` is the shortest time in seconds between two scans of the whole hub.
    """

    def __init__(
        self, client: DurableClient, tasks: Tasks, tell: Callable[[list[str] | None], None], *, rescan_after: float
    ) -> None:
        self._client = client
        self._tell = tell
        self._rescan_after = rescan_after
        self._entries: dict[str, IndexEntry] = {}
        self._names: dict[str, str] = {}
        self._touched: set[str] = set()
        self._unread: set[str] = set()
        self._has_unread = asyncio.Event()
        self._first = asyncio.Event()
        self._text: TextScan | None = None
        self._failures: asyncio.Task[None] | None = None
        self._tasks = tasks
        self._running = [
            tasks.keep_running("scan of the task hub", self._scan_again_and_again),
            tasks.keep_running("reading of changed instances", self._read_changed),
        ]
        self._is_scanning = False
        self.is_complete = False
        self.is_full = False
        self.error: TaskHubUnavailable | None = None
        self.last_search_seconds = 0.0

    def __len__(self) -> int:
        return len(self._entries)

    def close(self) -> None:
        """End the background work."""
        self._end_text_scan()
        for task in (*self._running, *([self._failures] if self._failures is not None else [])):
            task.cancel()

    def changed(self, instance_id: str, update: InstanceUpdate | None) -> None:
        """This process has changed an instance."""
        if self._is_scanning:
            self._touched.add(instance_id)
        entry = self._entries.get(instance_id)
        if update is None or (entry is None and update.started is None):
            self._read_later(instance_id)
            return
        self._unread.discard(instance_id)
        self._entries[instance_id] = self._updated(instance_id, entry, update)
        self._room_left()
        if self._text is not None:
            self._text.add(instance_id, (update.custom_status, update.output, update.started and update.started.input))

    async def search(self, wanted: InstanceSearch) -> SearchPage:
        """Return one page of what is known. Raises TaskHubUnavailable if nothing is."""
        await self._something_known()
        matching: set[str] | None = None
        if wanted.text:
            matching = await self._with_text(wanted.text)
        began = time.monotonic()
        counts: dict[OrchestrationStatus, int] = {}
        keys: list[tuple[SortValue, str]] = []
        key = _key_of(wanted)
        after, descending = wanted.after, wanted.descending
        name, prefix = wanted.name.lower(), wanted.id_prefix
        since, until = wanted.created_from, wanted.created_to
        statuses = wanted.statuses
        for entry in self._entries.values():
            if (
                (matching is not None and entry.id not in matching)
                or (since is not None and entry.created < since)
                or (until is not None and entry.created > until)
                or (prefix and not entry.id.startswith(prefix))
                or (name and name not in entry.name.lower())
            ):
                continue
            counts[entry.status] = counts.get(entry.status, 0) + 1
            if statuses and entry.status not in statuses:
                continue
            place = (key(entry), entry.id)
            if after is None or (place < after if descending else place > after):
                keys.append(place)
        best = (heapq.nlargest if descending else heapq.nsmallest)(wanted.top + 1, keys)
        shown = best[: wanted.top]
        self.last_search_seconds = time.monotonic() - began
        return SearchPage(
            instances=await self._states([instance_id for _, instance_id in shown]),
            counts=counts,
            after=shown[-1] if len(best) > wanted.top else None,
        )

    async def failed(self, wanted: InstanceSearch) -> tuple[list[tuple[InstanceState, FailureSummary]], bool]:
        """Return failed instances that match, with their failures, and whether these are all."""
        await self._something_known()
        matching = await self._with_text(wanted.text) if wanted.text else None
        found = [
            entry
            for entry in self._entries.values()
            if entry.status is _FAILED
            and (matching is None or entry.id in matching)
            and (wanted.created_from is None or entry.created >= wanted.created_from)
            and (wanted.created_to is None or entry.created <= wanted.created_to)
            and entry.id.startswith(wanted.id_prefix)
            and wanted.name.lower() in entry.name.lower()
        ]
        found.sort(key=lambda entry: entry.updated, reverse=True)
        del found[wanted.top :]
        if any(entry.failure is None for entry in found):
            if self._failures is None or self._failures.done():
                self._failures = self._tasks.run("reading of failures", self._read_all_failures())
            await asyncio.wait([self._failures], timeout=_FAILURES_WITHIN)
        known = [(_state_of(entry), entry.failure) for entry in found if entry.failure is not None]
        return known, len(known) == len(found)

    @property
    def scanned(self) -> int:
        """The number of instances that the latest search has looked at."""
        return self._text.scanned if self._text is not None and not self._text.is_done else len(self._entries)

    @property
    def is_whole(self) -> bool:
        """Whether the latest search has looked at all instances, and the hub can still be read."""
        is_whole = self.is_complete and not self.is_full and self.error is None
        return is_whole and (self._text is None or self._text.is_done)

    async def _something_known(self) -> None:
        try:
            async with asyncio.timeout(FIRST_ANSWER_WITHIN):
                await self._first.wait()
        except TimeoutError:
            pass
        if self.error is not None and not self._entries:
            raise self.error

    async def _states(self, ids: list[str]) -> list[InstanceState]:
        """The states of a page. The outputs of failed instances are read now if they are not known."""
        unknown = [one for one in ids if (entry := self._entries[one]).status is _FAILED and entry.failure is None]
        if unknown:
            try:
                async with asyncio.timeout(_FAILURES_OF_PAGE_WITHIN):
                    await self._read_failures(unknown)
            except TimeoutError:
                pass
        return [_state_of(self._entries[one]) for one in ids if one in self._entries]

    def failure(self, instance_id: str) -> FailureSummary | None:
        """The failure of an instance, if it is known."""
        entry = self._entries.get(instance_id)
        return entry.failure if entry is not None else None

    async def _read_failures(self, ids: Iterable[str]) -> None:
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

    async def _read_all_failures(self) -> None:
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

    # Filling

    async def _scan_again_and_again(self) -> None:
        while True:
            began = time.monotonic()
            self._is_scanning = True
            try:
                await self._scan()
            except TaskHubUnavailable as error:
                self.error = error
                _log.debug("The task hub could not be read: %s", error)
            else:
                self.error = None
            self._is_scanning = False
            self._touched.clear()
            self._first.set()
            took = time.monotonic() - began
            await asyncio.sleep(max(self._rescan_after, 20 * took))

    async def _scan(self) -> None:
        """Read all rows. Rows that were not found, and were not changed meanwhile, no longer exist."""
        is_first = not self.is_complete
        seen: set[str] = set()
        found: list[str] = []
        token: str | None = None
        while True:
            page = await self._client.query(rows_after(token))
            for state in page.instances:
                seen.add(state.instance_id)
                if self._read(state):
                    found.append(state.instance_id)
            self._room_left()
            if is_first:
                self._first.set()
                self._tell(None)
            token = page.continuation_token
            if token is None or self.is_full:
                break
            await asyncio.sleep(0)
        if not self.is_full:
            gone = [one for one in self._entries if one not in seen and one not in self._touched]
            for instance_id in gone:
                del self._entries[instance_id]
            found += gone
        self.is_complete = True
        if is_first or len(found) > ROWS_OF_PAGE:
            self._tell(None)
        elif found:
            self._tell(found)

    def _read(self, state: InstanceState) -> bool:
        """Take over a row from storage, unless a commit is known that is newer. Returns whether it is news."""
        entry = self._entries.get(state.instance_id)
        if entry is not None and (entry.updated, entry.status) == (state.last_updated_time, state.runtime_status):
            return False
        if entry is not None and entry.updated > state.last_updated_time:
            return False
        self._entries[state.instance_id] = IndexEntry(
            id=state.instance_id,
            name=self._name(state.name),
            status=state.runtime_status,
            created=state.created_time,
            updated=state.last_updated_time,
            completed=state.completed_time,
            custom_status=_short(state.custom_status),
            version=self._name(state.version or "") or None,
            parent=state.parent_instance_id,
            failure=failure_of(state.output) if state.output and state.runtime_status is _FAILED else None,
        )
        return True

    def _updated(self, instance_id: str, entry: IndexEntry | None, update: InstanceUpdate) -> IndexEntry:
        started = update.started
        status = update.runtime_status
        if status is None:
            status = OrchestrationStatus.Running if started is not None or entry is None else entry.status
        is_new = entry is None or started is not None
        custom = update.custom_status if update.custom_status is not None else (entry and entry.custom_status)
        known = entry.parent if entry is not None else None
        return IndexEntry(
            id=instance_id,
            name=self._name(started.name) if started is not None else (entry.name if entry is not None else ""),
            status=status,
            created=started.timestamp if started is not None else (entry.created if entry is not None else 0),
            updated=update.last_updated_time,
            completed=update.completed_time
            or (None if is_new or not status.is_terminal else entry and entry.completed),
            custom_status=_short(custom),
            version=(started.version if started is not None else entry and entry.version) or None,
            parent=known if update.parent_instance_id is None else update.parent_instance_id or None,
            failure=failure_of(update.output) if status is _FAILED and update.output is not None else None,
        )

    def _name(self, name: str) -> str:
        return self._names.setdefault(name, name) if len(self._names) < ROWS_OF_PAGE else name

    def _room_left(self) -> None:
        surplus = len(self._entries) - MOST_ENTRIES
        if surplus <= 0:
            return
        if not self.is_full:
            self.is_full = True
            _log.warning(
                "The task hub has more than %d instances: the dashboard sorts and searches only part of them.",
                MOST_ENTRIES,
            )
        for instance_id in list(itertools.islice(self._entries, surplus)):
            del self._entries[instance_id]

    # Changes that have to be read

    def _read_later(self, instance_id: str) -> None:
        if len(self._unread) < MOST_UNREAD:
            self._unread.add(instance_id)
            self._has_unread.set()

    async def _read_changed(self) -> None:
        """Read rows of which only is known that they have changed. Most are replaced by a commit before that."""
        while True:
            await self._has_unread.wait()
            await asyncio.sleep(_PAUSE_OF_READING)
            ids = [self._unread.pop() for _ in range(min(_READ_IN_A_ROW, len(self._unread)))]
            slots = asyncio.Semaphore(_AT_ONCE)

            async def read(instance_id: str, slots: asyncio.Semaphore = slots) -> None:
                try:
                    async with slots:
                        state = await self._client.get(instance_id, fetch_input=False, fetch_output=False)
                except TaskHubUnavailable:
                    return
                if self._is_scanning:
                    self._touched.add(instance_id)
                if state is None:
                    self._entries.pop(instance_id, None)
                else:
                    self._read(state)

            async with asyncio.TaskGroup() as group:
                for instance_id in ids:
                    group.create_task(read(instance_id))
            self._room_left()
            if ids:
                self._tell(ids)
            if not self._unread:
                self._has_unread.clear()

    # Texts

    async def _with_text(self, text: str) -> set[str]:
        """The IDs of the instances with this text that were found so far. The scan goes on in the background."""
        if self._text is None or self._text.text != text or self._text.has_failed:
            self._end_text_scan()
            self._text = TextScan(self._client, self._tasks, text, self._tell)
        await self._text.something_found()
        return self._text.matching

    def _end_text_scan(self) -> None:
        if self._text is not None:
            self._text.close()
            self._text = None


def _key_of(wanted: InstanceSearch) -> Callable[[IndexEntry], SortValue]:
    now = wanted.now
    match wanted.sort:
        case "created":
            return lambda entry: entry.created
        case "updated":
            return lambda entry: entry.updated
        case "duration":
            return lambda entry: max(
                0, ((entry.completed or entry.updated) if entry.status.is_terminal else now) - entry.created
            )
        case "name":
            return lambda entry: entry.name.lower()
        case "id":
            return lambda entry: entry.id
        case "status":
            return lambda entry: entry.status.name


def _short(text: str | None) -> str | None:
    """One character more than lists show, so that they show that the text was cut."""
    return text if text is None or len(text) <= IN_LIST else text[: IN_LIST + 1]


def _state_of(entry: IndexEntry) -> InstanceState:
    return InstanceState(
        instance_id=entry.id,
        execution_id=None,
        name=entry.name,
        version=entry.version,
        runtime_status=entry.status,
        created_time=entry.created,
        last_updated_time=entry.updated,
        completed_time=entry.completed,
        custom_status=entry.custom_status,
        parent_instance_id=entry.parent,
    )
