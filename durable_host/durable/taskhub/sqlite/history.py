"""The histories of the embedded hub and the etags that guard them. Functions run inside the caller's transaction.

As in Azure Storage, an instance that is created again keeps the history of its previous execution until the first
commit of the new one (docs/protocol/task-hub-storage-history.md#history-loading).
"""

from collections.abc import Sequence
from sqlite3 import Connection

from durable_host.durable.model.events import HistoryEvent
from durable_host.durable.taskhub.port import Checkpoint, CommitConflict, LoadedHistory, UnreadableHistory
from durable_host.durable.taskhub.sqlite import codec

_ROWS_OF_STEP = 100
_BYTES_OF_STEP = 256 * 1024
"""The largest part of a history that is deleted in one transaction, which takes about a millisecond."""


def load(connection: Connection, instance_id: str) -> LoadedHistory:
    """Return the history and checkpoint of an instance. Raises `UnreadableHistory` if a row cannot be read."""
    key = codec.storable(instance_id)
    sentinel = connection.execute("SELECT execution_id, etag FROM sentinels WHERE instance_id = ?", (key,)).fetchone()
    if sentinel is None:
        return LoadedHistory([], None, None)
    events = [event for _, event in rows(connection, instance_id)]
    return LoadedHistory(events, sentinel[0], Checkpoint(str(sentinel[1])))


def rows(connection: Connection, instance_id: str) -> list[tuple[int, HistoryEvent]]:
    """Return pairs of ordinal and event. Raises `UnreadableHistory` if a row cannot be read."""
    found: list[tuple[int, HistoryEvent]] = []
    for ordinal, kind, data in connection.execute(
        "SELECT ordinal, kind, event FROM history WHERE instance_id = ? ORDER BY ordinal",
        (codec.storable(instance_id),),
    ):
        try:
            found.append((ordinal, codec.decode_event(kind, data)))
        except codec.UnreadableRecord as error:
            raise UnreadableHistory(
                f"History row {ordinal} ({kind}) of instance '{instance_id}' cannot be read: {error}"
            ) from error
    return found


def append(
    connection: Connection,
    instance_id: str,
    execution_id: str,
    checkpoint: Checkpoint | None,
    first_ordinal: int,
    events: Sequence[HistoryEvent],
) -> Checkpoint:
    """Append an episode's events and return the new checkpoint. Ordinal 0 starts over. Raises `CommitConflict`."""
    key = codec.storable(instance_id)
    last_etag, stored = connection.execute(
        "SELECT etag, (SELECT etag FROM sentinels WHERE instance_id = ?) FROM hub", (key,)
    ).fetchone()
    _compare(instance_id, stored, checkpoint)
    if first_ordinal == 0:
        connection.execute("DELETE FROM history WHERE instance_id = ?", (key,))
    connection.executemany(
        "INSERT OR REPLACE INTO history VALUES (?, ?, ?, ?)",
        [
            (key, first_ordinal + index, event.event_name, codec.encode_event(event))
            for index, event in enumerate(events)
        ],
    )
    # Etags are never reused, even if the same instance is purged and started again.
    new_etag = last_etag + 1
    connection.execute("UPDATE hub SET etag = ?", (new_etag,))
    connection.execute("INSERT OR REPLACE INTO sentinels VALUES (?, ?, ?)", (key, execution_id, new_etag))
    return Checkpoint(str(new_etag))


def check(connection: Connection, instance_id: str, checkpoint: Checkpoint | None) -> None:
    """Raise `CommitConflict` if the history has changed since the checkpoint."""
    key = codec.storable(instance_id)
    sentinel = connection.execute("SELECT etag FROM sentinels WHERE instance_id = ?", (key,)).fetchone()
    _compare(instance_id, None if sentinel is None else sentinel[0], checkpoint)


def _compare(instance_id: str, stored: int | None, checkpoint: Checkpoint | None) -> None:
    if (None if stored is None else str(stored)) != (None if checkpoint is None else checkpoint.etag):
        raise CommitConflict(f"The history of instance '{instance_id}' was changed since it was loaded.")


def replace_row(connection: Connection, instance_id: str, ordinal: int, event: HistoryEvent) -> None:
    connection.execute(
        "UPDATE history SET kind = ?, event = ? WHERE instance_id = ? AND ordinal = ?",
        (event.event_name, codec.encode_event(event), codec.storable(instance_id), ordinal),
    )


def invalidate(connection: Connection, instance_id: str) -> None:
    """Change the etag, so that commits based on the current history fail."""
    connection.execute(
        "UPDATE sentinels SET etag = ? WHERE instance_id = ?", (_next_etag(connection), codec.storable(instance_id))
    )


def discard(connection: Connection, instance_id: str) -> None:
    """Delete the sentinel, so that no history is found any more, and as many of the rows as one step may delete.

    `delete_discarded` deletes the others.
    """
    key = codec.storable(instance_id)
    connection.execute("DELETE FROM sentinels WHERE instance_id = ?", (key,))
    if _delete_some(connection, key):
        connection.execute("INSERT OR IGNORE INTO discarded VALUES (?)", (key,))


def delete_discarded(connection: Connection) -> bool:
    """Delete some more rows of discarded histories, if there are any. Returns True while there may be others."""
    found = connection.execute("SELECT instance_id FROM discarded LIMIT 1").fetchone()
    if found is None:
        return False
    # A new execution of the instance has deleted the old rows and has a sentinel.
    is_new = connection.execute("SELECT 1 FROM sentinels WHERE instance_id = ?", found).fetchone() is not None
    if is_new or not _delete_some(connection, found[0]):
        connection.execute("DELETE FROM discarded WHERE instance_id = ?", found)
    return True


def _delete_some(connection: Connection, key: str) -> bool:
    """Delete the first rows of a history. Returns True if others are left."""
    found = connection.execute(
        "SELECT ordinal, LENGTH(event) FROM history WHERE instance_id = ? ORDER BY ordinal LIMIT ?",
        (key, _ROWS_OF_STEP + 1),
    ).fetchall()
    count = size = 0
    for _, length in found[:_ROWS_OF_STEP]:
        if count and size + length > _BYTES_OF_STEP:
            break
        count, size = count + 1, size + length
    if count:
        connection.execute("DELETE FROM history WHERE instance_id = ? AND ordinal <= ?", (key, found[count - 1][0]))
    return count < len(found)


def _next_etag(connection: Connection) -> int:
    connection.execute("UPDATE hub SET etag = etag + 1")
    return connection.execute("SELECT etag FROM hub").fetchone()[0]
