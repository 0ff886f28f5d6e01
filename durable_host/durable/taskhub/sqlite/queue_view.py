"""Shows the queues of the embedded hub without receiving messages. Functions run inside the caller's transaction."""

from sqlite3 import Connection

from durable_host.durable.taskhub.inspection import HubMessage, HubQueue
from durable_host.durable.taskhub.sqlite import codec
from durable_host.durable.taskhub.sqlite.messages import QUEUES
from durable_host.durable.taskhub.sqlite.schema import CONTROL, READY


def queues(connection: Connection) -> list[HubQueue]:
    """Return both queues. Taken and delayed messages are invisible."""
    return [_queue(connection, number, name) for number, name in QUEUES.items()]


def peek(connection: Connection, queue: str, count: int) -> list[HubMessage]:
    """Return the oldest visible messages."""
    number = next(number for number, name in QUEUES.items() if name == queue)
    rows = connection.execute(
        "SELECT seq, CAST(kind AS BLOB), body, dequeue_count FROM messages WHERE queue = ? AND state = ? "
        "ORDER BY seq LIMIT ?",
        (number, READY, count),
    )
    return [
        HubMessage(
            id=str(seq),
            text=bytes(body).decode("utf-8", "replace"),
            inserted=_sent(kind.decode("utf-8", "replace"), body),
            dequeue_count=tries,
        )
        for seq, kind, body, tries in rows
    ]


def _queue(connection: Connection, number: int, name: str) -> HubQueue:
    counts = dict(
        connection.execute("SELECT state, COUNT(*) FROM messages WHERE queue = ? GROUP BY state", (number,)).fetchall()
    )
    visible = counts.pop(READY, 0)
    oldest = peek(connection, name, 1)
    is_control = number == CONTROL
    return HubQueue(
        name=name,
        role="control" if is_control else "workItem",
        partition=0 if is_control else None,
        visible=visible,
        invisible=sum(counts.values()),
        oldest=oldest[0].inserted if oldest else None,
    )


def _sent(kind: str, body: bytes) -> int | None:
    """The time of the event in a message; None if it cannot be read."""
    try:
        return codec.decode_message(kind, body).event.timestamp
    except codec.UnreadableRecord:
        return None
