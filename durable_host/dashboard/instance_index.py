"""An index in memory of the instances of a hub that cannot sort or search them, kept while the dashboard is used.

The index is filled page by page, and can be searched before it is complete. Commits of this process keep it current;
changes by other processes are found by reading the hub again from time to time. Of the app's texts, it has only the
short pieces that lists show.
"""

import asyncio
import heapq
import itertools
import logging
import time
from collections.abc import Callable

from durable_host.dashboard.failure_reader import FailureReader
from durable_host.dashboard.failure_summary import FailureSummary
from durable_host.dashboard.index_entry import IndexEntries, IndexEntry, key_of, state_of
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
_FAILED = OrchestrationStatus.Failed


class InstanceIndex:
    """Call `search` at any time. `notify` gets the IDs of instances whose changes were read from the hub; None: many.

    `rescan_after` is the shortest time in seconds between two scans of the whole hub.
    """

    def __init__(
        self, client: DurableClient, tasks: Tasks, notify: Callable[[list[str] | None], None], *, rescan_after: float
    ) -> None:
        self._client = client
        self._notify = notify
        self._rescan_after = rescan_after
        self._entries: dict[str, IndexEntry] = {}
        self._make = IndexEntries()
        self._touched: set[str] = set()
        self._unread: set[str] = set()
        self._has_unread = asyncio.Event()
        self._first = asyncio.Event()
        self._text: TextScan | None = None
        self._failures = FailureReader(client, tasks, self._entries)
        self._tasks = tasks
        self._running = [
            tasks.keep_running("scan of the task hub", self._scan_repeatedly),
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
        self._failures.close()
        for task in self._running:
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
        self._entries[instance_id] = self._make.after(instance_id, entry, update)
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
        key = key_of(wanted)
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
            await self._failures.read_most()
        known = [(state_of(entry), entry.failure) for entry in found if entry.failure is not None]
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
            await self._failures.read_some(unknown)
        return [state_of(self._entries[one]) for one in ids if one in self._entries]

    def failure(self, instance_id: str) -> FailureSummary | None:
        """The failure of an instance, if it is known."""
        entry = self._entries.get(instance_id)
        return entry.failure if entry is not None else None

    # Filling

    async def _scan_repeatedly(self) -> None:
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
                self._notify(None)
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
            self._notify(None)
        elif found:
            self._notify(found)

    def _read(self, state: InstanceState) -> bool:
        """Take over a row from storage, unless a newer commit is known. Returns whether something changed."""
        entry = self._entries.get(state.instance_id)
        if entry is not None and (entry.updated, entry.status) == (state.last_updated_time, state.runtime_status):
            return False
        if entry is not None and entry.updated > state.last_updated_time:
            return False
        self._entries[state.instance_id] = self._make.of(state)
        return True

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
        """Read rows that are only known to have changed. Most get a commit first, so that they need no read."""
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
                self._notify(ids)
            if not self._unread:
                self._has_unread.clear()

    # Texts

    async def _with_text(self, text: str) -> set[str]:
        """The IDs of the instances with this text that were found so far. The scan goes on in the background."""
        if self._text is None or self._text.text != text or self._text.has_failed:
            self._end_text_scan()
            self._text = TextScan(self._client, self._tasks, text, self._notify)
        await self._text.something_found()
        return self._text.matching

    def _end_text_scan(self) -> None:
        if self._text is not None:
            self._text.close()
            self._text = None
