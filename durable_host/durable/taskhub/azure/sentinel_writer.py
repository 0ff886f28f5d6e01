"""Transactions guarded by the sentinel. The writer always learns whether a transaction took effect.

A response may be lost, or be an error although the service has written the rows. Treating that as a failure would run
the episode a second time. So each transaction writes a GUID to the sentinel, and is sent again until storage shows
whether the GUID is there.

Source: docs/protocol/task-hub-storage-additions.md#commit-in-doubt,
    docs/protocol/task-hub-storage-history.md#sentinel-etag
"""

import asyncio
import uuid
from collections.abc import Sequence

from durable_host.durable.taskhub.azure.history_rows import COMMIT_ID, Row
from durable_host.durable.taskhub.azure.names import SENTINEL, unescape_key
from durable_host.durable.taskhub.azure.outage import Outage
from durable_host.storage import Operation, StorageError, TableService

_SHORTEST_WAIT = 0.5
_LONGEST_WAIT = 8.0
_CLOSED = "Closed"
_MARKS = (COMMIT_ID, "ExecutionId", "IsCheckpointComplete", "CheckpointCompletedTimestamp")
"""Columns that identify a write of this host even after the official backend has written: it keeps columns of this host
and writes different values to the others."""


class HistoryConflict(Exception):
    """The sentinel was changed, created or purged by another host since it was read."""


class SentinelWriter:
    """Writes transactions to the History table. Outages are reported to `outage` and waited out."""

    def __init__(self, tables: TableService, table: str, outage: Outage) -> None:
        self._tables = tables
        self._table = table
        self._outage = outage

    async def write(self, rows: Sequence[Row], sentinel: Row, etag: str | None, *, is_decided: bool = False) -> str:
        """Write `rows` and merge `sentinel` if its etag is still `etag` (None: if there is none). Return the new etag.

        Raises `HistoryConflict` when another host has written, and `StorageError` when it is certain that nothing was
        written. With `is_decided`, rows of the same commit are already written, so an outage is waited out even when it
        is certain that this transaction was not sent.
        """
        sentinel[COMMIT_ID] = str(uuid.uuid4())
        operations = [Operation("upsert_replace", row) for row in rows]
        operations.append(Operation("insert" if etag is None else "merge", sentinel, etag))
        source = f"history of '{unescape_key(sentinel['PartitionKey'])}'"
        try:
            written = await self._settled(source, operations, in_doubt=is_decided)
            self._outage.recovered(source)
            return written
        finally:
            self._outage.forget(source)

    async def _settled(self, source: str, operations: Sequence[Operation], *, in_doubt: bool) -> str:
        wait = _SHORTEST_WAIT
        while True:
            try:
                return (await self._tables.transaction(self._table, operations))[-1]
            except StorageError as error:
                in_doubt = in_doubt or _may_have_taken_effect(error)
                if error.code == _CLOSED or not (in_doubt or _is_conflict(error)):
                    raise
                problem = error
            if not problem.is_outage:
                try:
                    return await self._own_write(operations[-1], problem)
                except StorageError as unknown:
                    if unknown is problem or unknown.is_missing_resource:
                        raise problem from None
                    if not in_doubt:
                        raise HistoryConflict from problem
                    problem = unknown
            self._outage.failed(source, problem)
            await asyncio.sleep(wait)
            wait = min(2 * wait, _LONGEST_WAIT)

    async def _own_write(self, write: Operation, refused: StorageError) -> str:
        """Return the etag written by an attempt of this host. Raises `refused` when nothing was written."""
        sentinel = write.entity
        stored = await self._tables.get(self._table, sentinel["PartitionKey"], SENTINEL)
        if stored is not None and all(stored.get(name) == sentinel[name] for name in _MARKS if name in sentinel):
            return stored.etag
        if write.etag == (stored.etag if stored is not None else None):
            raise refused
        raise HistoryConflict from refused


def _may_have_taken_effect(error: StorageError) -> bool:
    return error.after_retry or error.status >= 500 or error.status == 408


def _is_conflict(error: StorageError) -> bool:
    """True for an error that means that the request named an outdated state of the sentinel."""
    if error.is_outage or error.is_missing_resource:
        return False
    return error.status in (404, 409, 412)
