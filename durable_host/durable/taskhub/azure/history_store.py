"""The History table: loads an execution and commits an episode.

Source: docs/protocol/task-hub-storage-history.md#sentinel-row,
    docs/protocol/task-hub-storage-history.md#transactions,
    docs/protocol/task-hub-storage-history.md#large-columns,
    docs/protocol/task-hub-storage-additions.md#unfinished-commits
"""

import contextlib
import logging
from collections.abc import Mapping, Sequence

import msgspec

from durable_host.clock import Clock
from durable_host.durable.model.events import HistoryEvent
from durable_host.durable.taskhub.azure import history_rows, unfinished_commit
from durable_host.durable.taskhub.azure.history_reader import LARGE_COLUMNS, HistoryReader, LoadedRows, StoredRows
from durable_host.durable.taskhub.azure.history_rows import OWED, UNFINISHED, Row
from durable_host.durable.taskhub.azure.large_payloads import LargePayloads, is_large, property_blob_name
from durable_host.durable.taskhub.azure.names import SENTINEL, HubNames, escape_key, row_key, unescape_key
from durable_host.durable.taskhub.azure.outage import Outage
from durable_host.durable.taskhub.azure.sentinel_writer import HistoryConflict, SentinelWriter
from durable_host.durable.taskhub.azure.unfinished_commit import CommitRest
from durable_host.storage import StorageError, TableService

__all__ = ["CommittedHistory", "HistoryConflict", "HistoryStore", "LoadedRows"]

_log = logging.getLogger("Host.Triggers.DurableTask")
_FINISHING_ATTEMPTS = 3
_OWING = f"RowKey eq '{SENTINEL}' and ({OWED} gt '' or ({UNFINISHED} gt '' and IsCheckpointComplete eq false))"


class CommittedHistory(msgspec.Struct, frozen=True):
    """The result of a commit. `moved` maps event type and column to the last blob of a large column."""

    etag: str
    moved: dict[tuple[str, str], str]


class HistoryStore:
    """Reads and writes histories."""

    def __init__(
        self, tables: TableService, names: HubNames, payloads: LargePayloads, clock: Clock, outage: Outage
    ) -> None:
        self._tables = tables
        self._names = names
        self._payloads = payloads
        self._clock = clock
        self._reader = HistoryReader(tables, names.history, payloads)
        self._writer = SentinelWriter(tables, names.history, outage)

    async def read(self, instance_id: str) -> LoadedRows:
        """Return the current execution without writing anything. Raises `UnreadableHistory`."""
        return await self._reader.loaded(instance_id, await self._reader.stored(instance_id))

    async def load(self, instance_id: str) -> LoadedRows:
        """Return the current execution, after finishing its last commit if rows are missing. Raises
        `UnreadableHistory`.

        Only the worker that commits next may call this.
        """
        stored = await self._reader.stored(instance_id)
        for _ in range(_FINISHING_ATTEMPTS):
            if stored.rest is None:
                break
            with contextlib.suppress(HistoryConflict):
                await self._finish(stored, stored.rest)
            stored = await self._reader.stored(instance_id)
        if stored.lost:
            _log.warning("The end of the last commit of instance '%s' was lost: %s.", instance_id, stored.lost)
        return await self._reader.loaded(instance_id, stored)

    async def commit(
        self,
        instance_id: str,
        execution_id: str,
        etag: str | None,
        first_ordinal: int,
        events: Sequence[HistoryEvent],
        columns: Mapping[str, str] | None = None,
    ) -> CommittedHistory:
        """Append the events and set `columns` of the sentinel. Without events nothing is written.

        Raises `HistoryConflict` when another host has written, and `StorageError`. In both cases the first transaction
        of the commit may have been written; the next `load` finishes it.
        """
        if not events:
            return CommittedHistory(etag or "", {})
        key = escape_key(instance_id)
        moved: dict[tuple[str, str], str] = {}
        rows: list[Row] = []
        for ordinal, event in enumerate(events, first_ordinal):
            row = history_rows.event_row(key, row_key(ordinal), execution_id, event)
            await self._move_large(row, event.event_name, moved)
            rows.append(row)
        columns = columns or {}
        batches = unfinished_commit.batches_of(rows)
        if len(batches) == 1:
            return CommittedHistory(await self._write_last(key, execution_id, etag, rows, columns), moved)
        blob = unfinished_commit.blob_name(key)
        await self._payloads.put(blob, unfinished_commit.write_rest(execution_id, columns, batches[1:]))
        following = first_ordinal + len(batches[0])
        etag = await self._write_unfinished(key, execution_id, etag, batches[0], (blob, following))
        rest = CommitRest(execution_id, dict(columns), batches[1:])
        try:
            etag = await self._write_rest(key, etag, rest, (blob, following), is_decided=True)
        except StorageError as refused:
            raise HistoryConflict from refused
        return CommittedHistory(etag, moved)

    async def update_sentinel(self, instance_id: str, execution_id: str, etag: str, columns: Mapping[str, str]) -> str:
        """Set columns of the sentinel and return the new etag. Raises `HistoryConflict` and `StorageError`."""
        return await self._write_last(escape_key(instance_id), execution_id, etag, [], columns)

    async def etag(self, instance_id: str) -> str | None:
        """Return the etag of the last commit, or None when the instance has no history."""
        key = escape_key(instance_id)
        sentinel = await self._tables.get(self._names.history, key, SENTINEL, ("PartitionKey",))
        return sentinel.etag if sentinel is not None else None

    async def owed(self) -> list[str]:
        """Return the instances whose sentinel has a mark of debt or whose last commit is unfinished."""
        found = self._tables.query_all(self._names.history, _OWING, ("PartitionKey",))
        return [unescape_key(row["PartitionKey"]) async for row in found]

    async def _finish(self, stored: StoredRows, rest: CommitRest) -> None:
        """Write the missing rows of a commit that a crashed process left unfinished."""
        assert stored.sentinel is not None
        assert stored.blob is not None
        key, at = stored.sentinel["PartitionKey"], (stored.blob, len(stored.rows))
        await self._write_rest(key, stored.sentinel.etag, rest, at, is_decided=False)

    async def _write_rest(self, key: str, etag: str, rest: CommitRest, at: tuple[str, int], *, is_decided: bool) -> str:
        """Write the rows in a blob and delete it. `at` is the blob and the position of its first row."""
        blob, following = at
        for batch in rest.batches[:-1]:
            following += len(batch)
            mark = (blob, following)
            etag = await self._write_unfinished(key, rest.execution_id, etag, batch, mark, is_decided=is_decided)
        columns = {**rest.columns, UNFINISHED: ""}
        last = rest.batches[-1]
        etag = await self._write_last(key, rest.execution_id, etag, last, columns, is_decided=is_decided)
        with contextlib.suppress(StorageError):  # A purge deletes what remains.
            await self._payloads.delete([blob])
        return etag

    async def _write_unfinished(
        self,
        key: str,
        execution_id: str,
        etag: str | None,
        rows: Sequence[Row],
        mark: tuple[str, int],
        *,
        is_decided: bool = False,
    ) -> str:
        """Write rows of a commit, but not the last ones. `mark` is the blob and position of the rows that follow."""
        sentinel = history_rows.sentinel_row(key, execution_id, complete=False, now=self._clock.now())
        sentinel[UNFINISHED] = unfinished_commit.write_mark(*mark)
        return await self._writer.write(rows, sentinel, etag, is_decided=is_decided)

    async def _write_last(
        self,
        key: str,
        execution_id: str,
        etag: str | None,
        rows: Sequence[Row],
        columns: Mapping[str, str],
        *,
        is_decided: bool = False,
    ) -> str:
        """Write the last rows of a commit, usually all of them."""
        sentinel = history_rows.sentinel_row(key, execution_id, complete=True, now=self._clock.now())
        return await self._writer.write(rows, {**sentinel, **columns}, etag, is_decided=is_decided)

    async def _move_large(self, row: Row, kind: str, moved: dict[tuple[str, str], str]) -> None:
        """Move large columns into blobs."""
        for column in LARGE_COLUMNS:
            text = row.get(column)
            if text and is_large(text):
                name = property_blob_name(row["PartitionKey"], row["RowKey"], kind, column)
                await self._payloads.put(name, text)
                row[column] = ""
                row[f"{column}BlobName"] = name
                moved[kind, column] = name
