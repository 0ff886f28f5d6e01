"""The XML bodies of the queue service."""

import html
import re
from functools import lru_cache
from xml.etree import ElementTree

import msgspec

from durable_host import timestamp
from durable_host.storage.errors import InvalidRequest, StorageUnavailable

_FORBIDDEN = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


class PutMessage(msgspec.Struct, frozen=True):
    """A message that was put. The pop receipt allows deleting and updating it. Times in ticks."""

    id: str
    pop_receipt: str
    insertion_time: int
    next_visible: int


class QueueMessage(msgspec.Struct, frozen=True):
    """A received message, or a peeked one (then `pop_receipt` is empty and `next_visible` 0). Times in ticks."""

    id: str
    text: str
    pop_receipt: str
    dequeue_count: int
    insertion_time: int
    expiration_time: int
    next_visible: int


def write_message(text: str) -> bytes:
    """The body of a put or update. Raises InvalidRequest for characters that XML cannot contain."""
    bad = _FORBIDDEN.search(text)
    if bad is not None:
        raise InvalidRequest(
            400,
            "InvalidCharacter",
            f"A queue message cannot contain the character U+{ord(bad.group()):04X} (at position {bad.start()}); "
            "send it base64-encoded",
        )
    escaped = html.escape(text, quote=False).replace("\r", "&#xD;")
    return f"<QueueMessage><MessageText>{escaped}</MessageText></QueueMessage>".encode()


def read_put(body: bytes) -> PutMessage:
    """Parse the response to a put. Raises StorageUnavailable."""
    fields = next(iter(_messages(body)), None)
    if fields is None:
        raise StorageUnavailable(200, "InvalidXml", "The answer to a put names no message")
    return PutMessage(
        fields["MessageId"],
        fields["PopReceipt"],
        http_ticks(fields["InsertionTime"]),
        http_ticks(fields["TimeNextVisible"]),
    )


def read_messages(body: bytes) -> list[QueueMessage]:
    """Parse the response to a get or peek. Raises StorageUnavailable."""
    return [
        QueueMessage(
            fields["MessageId"],
            fields.get("MessageText", ""),
            fields.get("PopReceipt", ""),
            int(fields["DequeueCount"]),
            http_ticks(fields["InsertionTime"]),
            http_ticks(fields["ExpirationTime"]),
            http_ticks(fields["TimeNextVisible"]) if "TimeNextVisible" in fields else 0,
        )
        for fields in _messages(body)
    ]


@lru_cache(maxsize=1024)
def http_ticks(text: str) -> int:
    """Ticks of an HTTP date (`Fri, 03 May 2024 12:30:45 GMT`)."""
    _, day, month, year, clock, _ = text.split(" ")
    return timestamp.parse(f"{year}-{_MONTHS.index(month) + 1:02d}-{day}T{clock}Z")


def _messages(body: bytes) -> list[dict[str, str]]:
    try:
        root = ElementTree.fromstring(body)
    except ElementTree.ParseError as error:
        # The response is not from the service, but from a proxy or the sign-in page of a network.
        raise StorageUnavailable(200, "InvalidXml", f"The answer is not XML: {error}") from None
    return [{field.tag: field.text or "" for field in message} for message in root.iter("QueueMessage")]
