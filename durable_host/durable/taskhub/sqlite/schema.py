"""The tables of an embedded task hub.

`messages.state`: a message is READY, TAKEN by the one worker process, or DELAYED until `due`. `seq` is the order of
arrival. Unreadable messages are moved from `messages` to `set_aside` with the reason. `hub.etag` is the last etag given
to a commit. `discarded` contains the purged instances whose histories are not yet completely deleted.
"""

import sqlite3
from contextlib import closing
from pathlib import Path
from sqlite3 import Connection

from durable_host.durable.model.status import TERMINAL_STATUSES

READY, TAKEN, DELAYED = 0, 1, 2
_UNREADABLE_BEFORE = 3
CONTROL, ACTIVITY = 0, 1

VERSION = 1

END = "COALESCE(completed_time, last_updated_time)"
"""When an instance ended."""

ENDED_ORCHESTRATIONS = (
    f"runtime_status IN ({', '.join(str(int(one)) for one in sorted(TERMINAL_STATUSES))}) "
    "AND substr(instance_id, 1, 1) <> '@'"
)
"""The condition of the index `instances_by_end`. Queries must repeat it literally to use the index."""

IS_DELAYED = f"state = {DELAYED}"
"""The condition of the index `messages_by_due`. Queries must repeat it literally to use the index."""

_TABLES = f"""
CREATE TABLE IF NOT EXISTS messages (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    queue INTEGER NOT NULL,
    state INTEGER NOT NULL,
    due INTEGER NOT NULL,
    dequeue_count INTEGER NOT NULL DEFAULT 0,
    instance_id TEXT NOT NULL,
    execution_id TEXT,
    kind TEXT NOT NULL,
    body BLOB NOT NULL
);
CREATE INDEX IF NOT EXISTS messages_by_state ON messages (queue, state, seq);
CREATE INDEX IF NOT EXISTS messages_by_due ON messages (queue, due) WHERE {IS_DELAYED};
CREATE INDEX IF NOT EXISTS messages_by_instance ON messages (instance_id);
CREATE TABLE IF NOT EXISTS set_aside (
    seq INTEGER PRIMARY KEY,
    queue INTEGER NOT NULL,
    dequeue_count INTEGER NOT NULL,
    instance_id TEXT NOT NULL,
    kind TEXT NOT NULL,
    body BLOB NOT NULL,
    reason TEXT NOT NULL,
    set_aside_time INTEGER NOT NULL
);
CREATE TABLE IF NOT EXISTS sentinels (
    instance_id TEXT PRIMARY KEY,
    execution_id TEXT NOT NULL,
    etag INTEGER NOT NULL
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS history (
    instance_id TEXT NOT NULL,
    ordinal INTEGER NOT NULL,
    kind TEXT NOT NULL,
    event BLOB NOT NULL,
    PRIMARY KEY (instance_id, ordinal)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS instances (
    instance_id TEXT PRIMARY KEY,
    execution_id TEXT,
    name TEXT NOT NULL,
    version TEXT,
    runtime_status INTEGER NOT NULL,
    created_time INTEGER NOT NULL,
    last_updated_time INTEGER NOT NULL,
    completed_time INTEGER,
    scheduled_start_time INTEGER,
    generation INTEGER,
    tags TEXT,
    custom_status TEXT,
    parent_instance_id TEXT,
    input TEXT,
    output TEXT
) WITHOUT ROWID;
"""
_HUB = "CREATE TABLE IF NOT EXISTS hub (name TEXT NOT NULL, version INTEGER NOT NULL, etag INTEGER NOT NULL)"
DISCARDED = "CREATE TABLE IF NOT EXISTS discarded (instance_id TEXT PRIMARY KEY) WITHOUT ROWID"
_BY_END = f"CREATE INDEX IF NOT EXISTS instances_by_end ON instances ({END}, instance_id) WHERE {ENDED_ORCHESTRATIONS}"


class WrongHub(Exception):
    """The file contains another hub, or was written by a newer version."""


def create(connection: Connection, name: str) -> None:
    """Create what is missing. Raises `WrongHub`, with nothing changed, if the file belongs to another hub."""
    connection.execute(_HUB)
    row = connection.execute("SELECT name, version FROM hub").fetchone()
    if row is not None and row[0].lower() != name.lower():
        raise WrongHub(f"it contains the task hub '{row[0]}', not '{name}'")
    if row is not None and row[1] > VERSION:
        raise WrongHub(f"it was written by a newer version (format {row[1]}, this version reads up to {VERSION})")
    for statement in _TABLES.split(";\n"):
        connection.execute(statement)
    connection.execute(DISCARDED)
    connection.execute(_BY_END)
    _add_columns(connection)
    _move_unreadable(connection)
    if row is None:
        connection.execute("INSERT INTO hub VALUES (?, ?, 0)", (name, VERSION))


def _add_columns(connection: Connection) -> None:
    """Add the parent column, which earlier versions did not have."""
    columns = {row[1] for row in connection.execute("PRAGMA table_info(instances)")}
    if "parent_instance_id" not in columns:
        connection.execute("ALTER TABLE instances ADD COLUMN parent_instance_id TEXT")


def _move_unreadable(connection: Connection) -> None:
    """Move unreadable messages, which earlier versions left in the table without a reason."""
    connection.execute(
        "INSERT OR IGNORE INTO set_aside SELECT seq, queue, dequeue_count, instance_id, kind, body, 'not recorded', 0 "
        "FROM messages WHERE state = ?",
        (_UNREADABLE_BEFORE,),
    )
    connection.execute("DELETE FROM messages WHERE state = ?", (_UNREADABLE_BEFORE,))


def is_there(path: Path) -> bool:
    """True when the file contains a task hub, or cannot be read: then opening it reports the problem."""
    if not path.is_file():
        return False
    try:
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as connection:
            return connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'hub'").fetchone() is not None
    except sqlite3.Error:
        return True


def drop(connection: Connection) -> None:
    """Delete the hub with all its data."""
    for table in ("hub", "messages", "set_aside", "sentinels", "history", "discarded", "instances"):
        connection.execute(f"DROP TABLE IF EXISTS {table}")
