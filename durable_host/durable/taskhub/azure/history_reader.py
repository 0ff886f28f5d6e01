"""Reads the History table: the rows of the current execution, and the rest of its last commit from a blob.

Source: docs/protocol/task-hub-storage-history.md#history-loading,
    docs/protocol/task-hub-storage-additions.md#unfinished-commits
"""

from collections.abc import Sequence

import msgspec

from durable_host.durable.model.events import HistoryEvent
from durable_host.durable.taskhub.azure import history_rows, unfinished_commit
from durable_host.durable.taskhub.azure.history_rows import OWN_COLUMNS, Row, UnreadableRow
from durable_host.durable.taskhub.azure.instance_query import partition_filter
from durable_host.durable.taskhub.azure.large_payloads import LargePayloads, UnreadablePayload
from durable_host.durable.taskhub.azure.names import SENTINEL, escape_key, row_key
from durable_host.durable.taskhub.azure.unfinished_commit import CommitRest
from durable_host.durable.taskhub.port import Checkpoint, LoadedHistory, UnreadableHistory
from durable_host.storage import Entity, TableService

FIRST_ROW = row_key(0)
LARGE_COLUMNS = ("Name", "Input", "Result", "Output", "Reason", "Details", "Correlation", "FailureDetails", "Tags")


class LoadedRows(msgspec.Struct, frozen=True):
    """A history, the names of its blobs, and this host's own columns of its sentinel (`OWN_COLUMNS`)."""

    history: LoadedHistory
    blobs: list[str]
    columns: dict[str, str]


class StoredRows(msgspec.Struct, frozen=True):
    """The rows of the current execution, its sentinel, and the missing rest of its last commit.

    `lost` says why the rest cannot be read.
    """

    rows: list[Row]
    sentinel: Entity | None
    blob: str | None
    rest: CommitRest | None = None
    lost: str = ""


class HistoryReader:
    """Reads the table `table` and writes nothing."""

    def __init__(self, tables: TableService, table: str, payloads: LargePayloads) -> None:
        self._tables = tables
        self._table = table
        self._payloads = payloads

    async def stored(self, instance_id: str) -> StoredRows:
        """Return what the table contains of the current execution, and what a blob contains of its last commit."""
        stored = await self._queried(instance_id)
        while stored.blob is not None:
            try:
                text = await self._payloads.get(stored.blob)
            except UnreadablePayload as problem:
                reason = str(problem)
            else:
                rest = unfinished_commit.read_rest(text, escape_key(instance_id))
                rest = rest.from_ordinal(len(stored.rows)) if rest is not None else None
                if rest is not None:
                    return msgspec.structs.replace(stored, rest=rest)
                reason = f"blob '{stored.blob}' does not contain it"
            again = await self._queried(instance_id)  # Another host may have finished it and deleted the blob.
            if again.blob == stored.blob and len(again.rows) == len(stored.rows):
                return msgspec.structs.replace(again, lost=reason)
            stored = again
        return stored

    async def _queried(self, instance_id: str) -> StoredRows:
        found = self._tables.query_all(self._table, partition_filter(instance_id))
        rows, sentinel = current_rows([entity async for entity in found])
        blob = unfinished_commit.read_mark(sentinel, len(rows)) if sentinel is not None else None
        return StoredRows(list(rows), sentinel, blob)

    async def loaded(self, instance_id: str, stored: StoredRows) -> LoadedRows:
        """Return the events of stored rows. Raises `UnreadableHistory`."""
        rows, sentinel, columns = stored.rows, stored.sentinel, {}
        if sentinel is not None:
            columns = {name: sentinel[name] for name in OWN_COLUMNS if isinstance(sentinel.get(name), str)}
        if stored.rest is not None:
            rows = [*rows, *[row for batch in stored.rest.batches for row in batch]]
            columns |= stored.rest.columns
        blobs: list[str] = []
        events: list[HistoryEvent] = []
        for row in rows:
            try:
                blobs += await self._restore(row)
                events.append(history_rows.read_row(row))
            except (UnreadableRow, UnreadablePayload) as problem:
                raise UnreadableHistory(
                    f"The history of instance '{instance_id}' cannot be read: row '{row.get('RowKey')}' of table "
                    f"'{self._table}': {problem}"
                ) from None
        execution_id = rows[0].get("ExecutionId") if rows else None
        checkpoint = Checkpoint(sentinel.etag) if sentinel is not None and sentinel.etag else None
        return LoadedRows(LoadedHistory(events, execution_id, checkpoint), blobs, columns)

    async def _restore(self, row: Row) -> list[str]:
        names: list[str] = []
        for column in LARGE_COLUMNS:
            name = row.get(f"{column}BlobName")
            if name:
                row[column] = await self._payloads.get(name)
                names.append(name)
        return names


def current_rows(entities: Sequence[Entity]) -> tuple[list[Entity], Entity | None]:
    """Return the rows of the current execution in order, without the sentinel, and the sentinel.

    Rows without the sentinel and the first one are what an unfinished purge has left.
    """
    sentinel = next((row for row in reversed(entities) if row["RowKey"] == SENTINEL), None)
    events = [row for row in entities if row["RowKey"] != SENTINEL]
    if sentinel is None and events and events[0]["RowKey"] != FIRST_ROW:
        events = []
    if sentinel is not None:
        execution_id = sentinel.get("ExecutionId")
    elif events:
        execution_id = events[0].get("ExecutionId")
    else:
        return [], None
    current: list[Entity] = []
    for row in events:
        if row.get("ExecutionId") != execution_id:
            break
        current.append(row)
    return current, sentinel
