"""The History table: loading an execution, committing an episode, deleting a history.

Source: spec/task-hub-storage.md, sections 6.3 and 6.5 to 6.7.
"""

import asyncio
from collections.abc import Sequence
from typing import Any

import msgspec

from durable_host.clock import Clock
from durable_host.durable.model.events import HistoryEvent
from durable_host.durable.taskhub.azure import history_rows
from durable_host.durable.taskhub.azure.bounded import for_each
from durable_host.durable.taskhub.azure.history_rows import Row, UnreadableRow
from durable_host.durable.taskhub.azure.instance_query import partition_filter
from durable_host.durable.taskhub.azure.large_payloads import (
    LargePayloads,
    UnreadablePayload,
    is_large,
    property_blob_name,
)
from durable_host.durable.taskhub.azure.names import SENTINEL, HubNames, escape_key, row_key
from durable_host.durable.taskhub.port import Checkpoint, LoadedHistory, UnreadableHistory
from durable_host.storage import Entity, NotFound, Operation, StorageUnavailable, TableService, TransactionFailed

MAX_EVENTS_PER_BATCH = 99
MAX_BATCH_BYTES = 3 * 1024 * 1024
_ROW_BYTES = 1024
_RETRY_SECONDS = 0.5
_DELETES_PER_TRANSACTION = 100
_LARGE_COLUMNS = ("Name", "Input", "Result", "Output", "Reason", "Details", "Correlation", "FailureDetails", "Tags")


class HistoryConflict(Exception):
    """The sentinel was changed, created or purged by another since it was read."""


class CommittedHistory(msgspec.Struct, frozen=True):
    """`moved`: blobs of large columns, by event type and column, the last one of a kind."""

    etag: str
    moved: dict[tuple[str, str], str]


class HistoryStore:
    """Reads and writes histories. `load` also tells which blobs belong to the history."""

    def __init__(self, tables: TableService, names: HubNames, payloads: LargePayloads, clock: Clock) -> None:
        self._tables = tables
        self._names = names
        self._payloads = payloads
        self._clock = clock

    async def load(self, instance_id: str) -> tuple[LoadedHistory, list[str]]:
        """Current execution and the names of its blobs. Raises `UnreadableHistory`."""
        found = self._tables.query_all(self._names.history, partition_filter(instance_id))
        rows, sentinel = current_rows([entity async for entity in found])
        etag = sentinel.etag if sentinel is not None else None
        blobs: list[str] = []
        events: list[HistoryEvent] = []
        for row in rows:
            try:
                blobs += await self._restore(row)
                events.append(history_rows.read_row(row))
            except (UnreadableRow, UnreadablePayload) as problem:
                raise UnreadableHistory(
                    f"The history of instance '{instance_id}' cannot be read: row '{row.get('RowKey')}' of table "
                    f"'{self._names.history}': {problem}"
                ) from None
        execution_id = rows[0].get("ExecutionId") if rows else None
        return LoadedHistory(events, execution_id, Checkpoint(etag) if etag else None), blobs

    async def commit(
        self,
        instance_id: str,
        execution_id: str,
        etag: str | None,
        first_ordinal: int,
        events: Sequence[HistoryEvent],
    ) -> CommittedHistory:
        """Append the events. Raises `HistoryConflict`; a prefix may have been written then.

        Without events nothing is written: the commit then concerns the instance row only.
        """
        if not events:
            return CommittedHistory(etag or "", {})
        key = escape_key(instance_id)
        moved: dict[tuple[str, str], str] = {}
        batch: list[Operation] = []
        size = 0
        for ordinal, event in enumerate(events, first_ordinal):
            row = history_rows.event_row(key, row_key(ordinal), execution_id, event)
            size += await self._move_large(row, event.event_name, moved)
            batch.append(Operation("upsert_replace", row))
            is_last = ordinal == first_ordinal + len(events) - 1
            if not is_last and (len(batch) == MAX_EVENTS_PER_BATCH or size > MAX_BATCH_BYTES):
                etag = await self._flush(key, execution_id, etag, batch, complete=False)
                batch, size = [], 0
        return CommittedHistory(await self._flush(key, execution_id, etag, batch, complete=True), moved)

    async def delete(self, instance_id: str) -> None:
        """Delete all rows of an instance, of all its executions."""
        query = partition_filter(instance_id)
        columns = ("PartitionKey", "RowKey")
        rows = [row async for row in self._tables.query_all(self._names.history, query, columns)]
        chunks = [rows[at : at + _DELETES_PER_TRANSACTION] for at in range(0, len(rows), _DELETES_PER_TRANSACTION)]
        await for_each(chunks, self._delete_chunk, 10)

    async def _flush(
        self, key: str, execution_id: str, etag: str | None, batch: list[Operation], *, complete: bool
    ) -> str:
        now = self._clock.now()
        sentinel = history_rows.sentinel_row(key, execution_id, complete=complete, now=now)
        batch.append(Operation("insert" if etag is None else "merge", sentinel, etag))
        in_doubt = False
        while True:
            try:
                return (await self._tables.transaction(self._names.history, batch))[-1]
            except StorageUnavailable as silence:
                # Written or not? Who took it for a failure would take the same messages a second time.
                in_doubt = in_doubt or silence.after_retry
                if silence.status or not in_doubt:
                    raise
                await asyncio.sleep(_RETRY_SECONDS)
            except TransactionFailed as failure:
                purged = failure.status == 404 and failure.code != "TableNotFound"
                if failure.status not in (409, 412) and not purged:
                    raise
                in_doubt = in_doubt or failure.after_retry
                own = await self._own_earlier_write(key, sentinel) if in_doubt else None
                if own is None:
                    raise HistoryConflict from failure
                return own

    async def _own_earlier_write(self, key: str, sentinel: Row) -> str | None:
        """The etag, when the conflict is with our own first attempt whose answer was lost."""
        stored = await self._tables.get(self._names.history, key, SENTINEL)
        column = "CheckpointCompletedTimestamp"
        if stored is None or stored.get("ExecutionId") != sentinel["ExecutionId"]:
            return None
        return stored.etag if column in sentinel and stored.get(column) == sentinel[column] else None

    async def _move_large(self, row: Row, kind: str, moved: dict[tuple[str, str], str]) -> int:
        """Put large columns into blobs; the estimated size of what remains."""
        size = _ROW_BYTES
        for column in _LARGE_COLUMNS:
            text = row.get(column)
            if text:
                if is_large(text):
                    name = property_blob_name(row["PartitionKey"], row["RowKey"], kind, column)
                    await self._payloads.put(name, text)
                    row[column] = ""
                    row[f"{column}BlobName"] = name
                    moved[kind, column] = name
                else:
                    size += 2 * len(text)
        return size

    async def _restore(self, row: Row) -> list[str]:
        names: list[str] = []
        for column in _LARGE_COLUMNS:
            name = row.get(f"{column}BlobName")
            if name:
                row[column] = await self._payloads.get(name)
                names.append(name)
        return names

    async def _delete_chunk(self, rows: list[Entity]) -> None:
        keys = [{"PartitionKey": row["PartitionKey"], "RowKey": row["RowKey"]} for row in rows]
        try:
            await self._tables.transaction(self._names.history, [Operation("delete", key) for key in keys])
        except TransactionFailed as failure:
            # 400: Azurite cannot read some characters of a key in a transaction.
            if failure.status not in (400, 404):
                raise
            await for_each(keys, self._delete_row, 8)

    async def _delete_row(self, key: dict[str, Any]) -> None:
        try:
            await self._tables.delete(self._names.history, key["PartitionKey"], key["RowKey"])
        except NotFound:
            return


def current_rows(entities: Sequence[Entity]) -> tuple[list[Entity], Entity | None]:
    """The rows of the current execution in order, without the sentinel; and the sentinel."""
    sentinel = next((row for row in reversed(entities) if row["RowKey"] == SENTINEL), None)
    events = [row for row in entities if row["RowKey"] != SENTINEL]
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
