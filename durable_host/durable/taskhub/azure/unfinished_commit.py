"""The rest of a commit with several transactions, stored in a blob before the first transaction is sent.

So the first transaction decides the commit: whatever loads the history later finishes it. While rows are missing, the
sentinel names the blob and the position of the first missing row.

Source: docs/protocol/task-hub-storage-additions.md#unfinished-commits
"""

import os
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from durable_host.durable.taskhub.azure.history_rows import UNFINISHED, Row
from durable_host.durable.taskhub.azure.names import row_key
from durable_host.storage import Entity
from durable_host.storage.table_codec import read_entity, write_entity

MAX_ROWS = 99
MAX_BYTES = 3 * 1024 * 1024
_ROW_BYTES = 1024
_MAX_BYTES_PER_CHARACTER = 6


class CommitRest(msgspec.Struct, frozen=True):
    """What follows the first transaction of a commit: the rows of each transaction, and the sentinel columns of the
    last.
    """

    execution_id: str
    columns: dict[str, str]
    batches: list[list[Row]]

    def from_ordinal(self, ordinal: int) -> "CommitRest | None":
        """Return what is left from the row at position `ordinal` on, or None when no batch begins there."""
        for at, batch in enumerate(self.batches):
            if batch[0]["RowKey"] == row_key(ordinal):
                return CommitRest(self.execution_id, self.columns, self.batches[at:])
        return None


class _Stored(msgspec.Struct, rename="camel"):
    execution_id: str
    columns: dict[str, str]
    batches: list[list[dict[str, Any]]]


def batches_of(rows: Sequence[Row]) -> list[list[Row]]:
    """Split rows into transactions: at most 99 rows each, and no more bytes than a request may have."""
    most = sum(_ROW_BYTES + _MAX_BYTES_PER_CHARACTER * _characters(row) for row in rows)
    if len(rows) <= MAX_ROWS and most <= MAX_BYTES:
        return [list(rows)]
    batches: list[list[Row]] = []
    size = 0
    for row in rows:
        added = _ROW_BYTES + len(write_entity(row))
        if not batches or len(batches[-1]) == MAX_ROWS or size + added > MAX_BYTES:
            batches.append([])
            size = 0
        batches[-1].append(row)
        size += added
    return batches


def blob_name(partition_key: str) -> str:
    """Return a name for the blob of a commit's rest. A purge of the instance deletes it."""
    return f"{partition_key}/unfinished-{os.urandom(16).hex()}.json.gz"


def write_mark(name: str, ordinal: int) -> str:
    """Return the sentinel column for a commit whose rows from `ordinal` on are only in blob `name`."""
    return f"{name}#{ordinal}"


def read_mark(sentinel: Entity, events: int) -> str | None:
    """Return the blob with the rest of the last commit if the sentinel says that it is missing, otherwise None.

    `events` is the number of rows of the current execution. It is larger if another worker has continued from an
    unfinished commit.
    """
    name, _, ordinal = (sentinel.get(UNFINISHED) or "").rpartition("#")
    if not name or sentinel.get("IsCheckpointComplete") is not False or ordinal != str(events):
        return None
    return name


def write_rest(execution_id: str, columns: Mapping[str, str], batches: Sequence[Sequence[Row]]) -> str:
    """Return the text of the blob."""
    content = {
        "executionId": execution_id,
        "columns": columns,
        "batches": [[msgspec.Raw(write_entity(row)) for row in batch] for batch in batches],
    }
    return msgspec.json.encode(content).decode()


def read_rest(text: str, partition_key: str) -> CommitRest | None:
    """Parse the text of `write_rest`. Returns None for anything else, or for another instance."""
    try:
        stored = msgspec.json.decode(text, type=_Stored)
        batches: list[list[Row]] = [[read_entity(row) for row in batch] for batch in stored.batches]
    except (msgspec.DecodeError, ValueError, TypeError):
        return None
    if not batches or not all(batches):
        return None
    for batch in batches:
        for row in batch:
            if row.get("PartitionKey") != partition_key or row.get("ExecutionId") != stored.execution_id:
                return None
    return CommitRest(stored.execution_id, stored.columns, batches)


def _characters(row: Row) -> int:
    return sum(len(value) for value in row.values() if isinstance(value, str))
