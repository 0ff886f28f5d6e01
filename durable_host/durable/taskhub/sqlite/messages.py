"""The messages of the embedded hub: both queues (control, activity) in one table, ordered by arrival.

Functions run inside the caller's transaction.
"""

from collections.abc import Collection, Iterable
from sqlite3 import Connection
from typing import Any

import msgspec

from durable_host.durable.model.events import TimerFired
from durable_host.durable.model.messages import TaskMessage
from durable_host.durable.model.status import OrchestrationStatus
from durable_host.durable.taskhub import validity
from durable_host.durable.taskhub.port import ReceivedMessage
from durable_host.durable.taskhub.sqlite import codec
from durable_host.durable.taskhub.sqlite.schema import ACTIVITY, CONTROL, DELAYED, IS_DELAYED, READY, TAKEN
from durable_host.durable.taskhub.validity import InvalidHubMessage

QUEUES = {CONTROL: "control", ACTIVITY: "workitems"}
_LONGEST_REASON = 500


class TakenMessages(msgspec.Struct, frozen=True):
    """The messages from one look into a queue. `next_due` is when the earliest delayed message becomes ready.

    `set_aside` has a line for the log for each message that cannot be read.
    """

    messages: list[ReceivedMessage]
    next_due: int | None = None
    set_aside: list[str] = []


_INSERT = (
    "INSERT INTO messages (queue, state, due, dequeue_count, instance_id, execution_id, kind, body) "
    "VALUES (?, ?, ?, ?, ?, ?, ?, ?)"
)


def insert(
    connection: Connection, messages: Iterable[TaskMessage], now: int, *, takes: int = 0
) -> list[ReceivedMessage]:
    """Send messages. They are visible now, or at their due time.

    The first `takes` activity requests are taken at once, if they are valid, and returned.
    """
    taken: list[ReceivedMessage] = []
    for message in messages:
        if len(taken) < takes and message.is_activity and _is_valid(message):
            seq = connection.execute(_INSERT, _row(message, TAKEN, 0, 1)).lastrowid
            taken.append(ReceivedMessage(str(seq), message, 1, now, seq))
        else:
            due = message.due or 0
            connection.execute(_INSERT, _row(message, DELAYED if due > now else READY, due, 0))
    return taken


def _is_valid(request: TaskMessage) -> bool:
    try:
        validity.check(request, is_work_item=True)
    except InvalidHubMessage:
        return False
    return True


def _row(message: TaskMessage, state: int, due: int, dequeue_count: int) -> tuple[Any, ...]:
    return (
        ACTIVITY if message.is_activity else CONTROL,
        state,
        due,
        dequeue_count,
        codec.storable(message.target.instance_id),
        message.target.execution_id,
        message.event.event_name,
        codec.encode_message(message),
    )


def take(connection: Connection, queue: int, now: int, limit: int) -> TakenMessages:
    """Take the messages that are ready, oldest first."""
    connection.execute(
        f"UPDATE messages SET state = ? WHERE queue = ? AND {IS_DELAYED} AND due <= ?", (READY, queue, now)
    )
    # As bytes, because a single text that is not UTF-8 would make the whole query fail.
    rows = connection.execute(
        "SELECT seq, CAST(kind AS BLOB), body, dequeue_count FROM messages WHERE queue = ? AND state = ? "
        "ORDER BY seq LIMIT ?",
        (queue, READY, limit),
    ).fetchall()
    received: list[ReceivedMessage] = []
    unreadable: list[str] = []
    for seq, raw_kind, body, dequeue_count in rows:
        kind = raw_kind.decode("utf-8", "replace")
        try:
            message = codec.decode_message(kind, body)
            validity.check(message, is_work_item=queue == ACTIVITY)
        except (codec.UnreadableRecord, InvalidHubMessage) as problem:
            unreadable.append(_set_aside(connection, seq, kind, queue, str(problem), now))
            continue
        if not isinstance(dequeue_count, int):
            dequeue_count = 0
        if _is_outdated_start(connection, message):
            connection.execute("DELETE FROM messages WHERE seq = ?", (seq,))
            continue
        received.append(ReceivedMessage(str(seq), message, dequeue_count + 1, now, seq))
    connection.executemany(
        "UPDATE messages SET state = ?, dequeue_count = dequeue_count + 1 WHERE seq = ?",
        [(TAKEN, message.receipt) for message in received],
    )
    next_due = connection.execute(
        f"SELECT MIN(due) FROM messages WHERE queue = ? AND {IS_DELAYED}", (queue,)
    ).fetchone()[0]
    more = len(rows) == limit and not received
    return TakenMessages(received, now if more else next_due, unreadable)


def _set_aside(connection: Connection, seq: int, kind: str, queue: int, problem: str, now: int) -> str:
    reason = codec.well_formed(problem[:_LONGEST_REASON])
    connection.execute(
        "INSERT OR REPLACE INTO set_aside SELECT seq, queue, dequeue_count, instance_id, kind, body, ?, ? "
        "FROM messages WHERE seq = ?",
        (reason, now, seq),
    )
    connection.execute("DELETE FROM messages WHERE seq = ?", (seq,))
    return (
        f"Message {seq} ({_plain(kind)}) in queue '{QUEUES[queue]}' cannot be read and was set aside in the table "
        f"'set_aside': {_plain(reason)}"
    )


def _plain(text: str) -> str:
    """Escape stored text for a log line."""
    return text.encode("unicode_escape").decode()


def set_aside(connection: Connection) -> dict[str, int]:
    """Return the number of messages that were set aside, by queue name."""
    if connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'set_aside'").fetchone() is None:
        return {}
    rows = connection.execute("SELECT queue, COUNT(*) FROM set_aside GROUP BY queue").fetchall()
    return {QUEUES.get(queue, str(queue)): count for queue, count in rows}


def _is_outdated_start(connection: Connection, message: TaskMessage) -> bool:
    """True for a start whose instance was replaced, purged, or terminated before it began.

    Source: docs/protocol/task-hub-storage-processing.md#start-filter
    """
    if not message.is_start_of_client:
        return False
    instance_id = codec.storable(message.target.instance_id)
    row = connection.execute(
        "SELECT execution_id, runtime_status FROM instances WHERE instance_id = ?", (instance_id,)
    ).fetchone()
    if row is None or row[0] != message.target.execution_id:
        return True
    if row[1] != OrchestrationStatus.Terminated:
        return False
    sentinel = connection.execute("SELECT execution_id FROM sentinels WHERE instance_id = ?", (instance_id,)).fetchone()
    return sentinel is None or sentinel[0] != row[0]


def delete(connection: Connection, messages: Iterable[ReceivedMessage]) -> None:
    connection.executemany("DELETE FROM messages WHERE seq = ?", [(message.receipt,) for message in messages])


def release(connection: Connection, messages: Iterable[ReceivedMessage], due_times: Iterable[int], now: int) -> None:
    """Release taken messages, each at its due time."""
    connection.executemany(
        "UPDATE messages SET state = ?, due = ? WHERE seq = ? AND state = ?",
        [
            (DELAYED if due > now else READY, due, message.receipt, TAKEN)
            for message, due in zip(messages, due_times, strict=True)
        ],
    )


def recall(connection: Connection, instance_id: str, now: int) -> TakenMessages:
    """Take the released messages of an instance that are not due yet."""
    rows = connection.execute(
        "SELECT seq, CAST(kind AS BLOB), body, dequeue_count FROM messages "
        f"WHERE queue = ? AND {IS_DELAYED} AND instance_id = ? AND dequeue_count > 0 ORDER BY seq",
        (CONTROL, codec.storable(instance_id)),
    ).fetchall()
    received: list[ReceivedMessage] = []
    for seq, kind, body, dequeue_count in rows:
        try:
            message = codec.decode_message(kind.decode("utf-8", "replace"), body)
        except codec.UnreadableRecord:
            continue
        received.append(ReceivedMessage(str(seq), message, dequeue_count + 1, now, seq))
    connection.executemany(
        "UPDATE messages SET state = ?, dequeue_count = dequeue_count + 1 WHERE seq = ?",
        [(TAKEN, message.receipt) for message in received],
    )
    return TakenMessages(received)


def return_taken(connection: Connection, messages: Iterable[ReceivedMessage]) -> None:
    """Undo a `take` whose caller was cancelled before it saw the messages."""
    connection.executemany(
        "UPDATE messages SET state = ?, dequeue_count = dequeue_count - 1 WHERE seq = ? AND state = ?",
        [(READY, message.receipt, TAKEN) for message in messages],
    )


def release_all(connection: Connection) -> bool:
    """Release all messages that the worker (this one, or one that crashed) still holds.

    Returns True if there are messages that were released and are not due yet.
    """
    connection.execute("UPDATE messages SET state = ? WHERE state = ?", (READY, TAKEN))
    row = connection.execute(
        f"SELECT 1 FROM messages WHERE queue = ? AND {IS_DELAYED} AND dequeue_count > 0", (CONTROL,)
    )
    return row.fetchone() is not None


def delete_of_execution(connection: Connection, instance_id: str, execution_id: str | None) -> None:
    """Delete waiting control messages that only this execution could process."""
    connection.execute(
        "DELETE FROM messages WHERE instance_id = ? AND execution_id = ? AND queue = ? AND state IN (?, ?)",
        (instance_id, execution_id, CONTROL, READY, DELAYED),
    )


def delete_timers(
    connection: Connection, instance_id: str, execution_id: str | None, timer_ids: Collection[int]
) -> None:
    """Delete timers of this execution that are not due yet."""
    for seq in _open_timers(connection, instance_id, execution_id, timer_ids):
        connection.execute("DELETE FROM messages WHERE seq = ?", (seq,))


def hasten_timer(connection: Connection, instance_id: str, execution_id: str | None, timer_id: int) -> bool:
    """Make a timer of this execution ready. Return False if it is not there or ready already."""
    found = _open_timers(connection, instance_id, execution_id, (timer_id,))
    connection.executemany("UPDATE messages SET state = ? WHERE seq = ?", [(READY, seq) for seq in found])
    return bool(found)


def _open_timers(
    connection: Connection, instance_id: str, execution_id: str | None, timer_ids: Collection[int]
) -> list[int]:
    """Return the numbers of the messages of timers that are not due yet."""
    rows = connection.execute(
        "SELECT seq, kind, body FROM messages WHERE instance_id = ? AND execution_id = ? AND kind = ? AND state = ?",
        (codec.storable(instance_id), execution_id, TimerFired.event_name, DELAYED),
    ).fetchall()
    found: list[int] = []
    for seq, kind, body in rows:
        try:
            event = codec.decode_message(kind, body).event
        except codec.UnreadableRecord:
            continue
        if isinstance(event, TimerFired) and event.timer_id in timer_ids:
            found.append(seq)
    return found
