"""Classifies a request to Azure Storage by its meaning for a task hub: its kind, and the instances that it affects."""

import enum
import html
import re
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import unquote

from durable_host.durable.taskhub.azure.envelope import UnreadableMessage, from_text
from durable_host.durable.taskhub.azure.names import SENTINEL, unescape_key
from durable_host.storage import queue_xml

_MESSAGE_TEXT = re.compile(r"<MessageText>([^<]*)</MessageText>")
_FAMILY = re.compile(r"(?:@[^@]*@)?([A-Za-z0-9]+)")
_TABLE = re.compile(r"/([A-Za-z0-9]+)(?:\((.*)\))?$")
_PARTITION_KEY = re.compile(r"PartitionKey='((?:[^']|'')*)'")
_PARTITION_OF_QUERY = re.compile(r"PartitionKey eq '((?:[^']|'')*)'")
_PARTITION_IN_BODY = re.compile(rb'"PartitionKey"\s*:\s*"((?:[^"\\]|\\.)*)"')
_BATCH_TARGET = re.compile(rb"\n(PUT|POST|MERGE|PATCH|DELETE) \S*?/(\w+)(?:\(PartitionKey='((?:[^']|'')*)'\S*)? HTTP")


class Kind(enum.StrEnum):
    """Kinds of storage calls."""

    PUT_MESSAGE = "put message"
    GET_MESSAGES = "get messages"
    UPDATE_MESSAGE = "update message"
    DELETE_MESSAGE = "delete message"
    HISTORY_COMMIT = "history commit"
    HISTORY_READ = "history read"
    HISTORY_DELETE = "history delete"
    SENTINELS = "sentinels"
    ROW_INSERT = "row insert"
    ROW_WRITE = "row write"
    ROW_READ = "row read"
    ROW_QUERY = "row query"
    ROW_DELETE = "row delete"
    PARTITIONS = "partitions"
    BLOB_PUT = "blob put"
    BLOB_GET = "blob get"
    BLOB_DELETE = "blob delete"
    LEASE = "lease"
    OTHER = "other"


PERIODIC = frozenset((Kind.GET_MESSAGES, Kind.PARTITIONS, Kind.LEASE))
"""Calls that an idle host also makes."""


@dataclass(frozen=True, slots=True)
class StorageCall:
    """`place` is the queue, table or container. `instances` are the IDs that it affects: for a message, its target
    and its sender. `event` is the event name of the message that is put, hidden or deleted.
    """

    kind: Kind
    place: str
    instances: frozenset[str] = frozenset()
    event: str = ""

    @property
    def families(self) -> frozenset[str]:
        """The letters and digits at the start of the instance IDs; for an entity, of its key. In tests, all instances
        that work together share a family: `f7`, `f7-child` and `@counter@f7`.
        """
        return frozenset([found[1] for one in self.instances if (found := _FAMILY.match(one))])


class CallReader:
    """Determines the kind of each call. Keeps the IDs of messages, because a delete contains only the ID."""

    def __init__(self) -> None:
        self._messages: dict[str, tuple[frozenset[str], str]] = {}

    def known_messages(self) -> list[tuple[frozenset[str], str]]:
        """Instances and event of each message that was seen but not deleted."""
        return list(self._messages.values())

    def families_of(self, message_id: str) -> frozenset[str]:
        """The families of a message that was seen but not deleted."""
        instances, event = self._messages.get(message_id, (frozenset[str](), ""))
        return StorageCall(Kind.OTHER, "", instances, event).families

    def read(self, service: str, method: str, path: str, query: Mapping[str, str], body: bytes) -> StorageCall:
        """Classify a call. `path` is relative to the account and percent-encoded; the values of `query` are decoded."""
        if service == "queue":
            return self._queue_call(method, path, query, body)
        if service == "table":
            return _table_call(method, unquote(path), query, body)
        return _blob_call(method, unquote(path), query)

    def learn(self, call: StorageCall, path: str, answer: bytes) -> None:
        """Record the messages in an answer to a put or a get, and remove deleted ones."""
        if call.kind is Kind.DELETE_MESSAGE:
            self._messages.pop(unquote(path.rpartition("/")[2]), None)
        elif call.kind is Kind.PUT_MESSAGE:
            self._messages[queue_xml.read_put(answer).id] = (call.instances, call.event)
        elif call.kind is Kind.GET_MESSAGES:
            for message in queue_xml.read_messages(answer):
                self._messages[message.id] = _about(message.text)

    def _queue_call(self, method: str, path: str, query: Mapping[str, str], body: bytes) -> StorageCall:
        queue, _, rest = path.strip("/").partition("/")
        if not rest:
            return StorageCall(Kind.OTHER, queue)
        message_id = rest.partition("/")[2]
        if message_id:
            kind = Kind.DELETE_MESSAGE if method == "DELETE" else Kind.UPDATE_MESSAGE
            instances, event = self._messages.get(unquote(message_id), (frozenset[str](), ""))
            return StorageCall(kind, queue, instances, event)
        if method == "POST":
            found = _MESSAGE_TEXT.search(body.decode())
            instances, event = _about(html.unescape(found[1])) if found else (frozenset[str](), "")
            return StorageCall(Kind.PUT_MESSAGE, queue, instances, event)
        is_get = method == "GET" and "peekonly" not in query
        return StorageCall(Kind.GET_MESSAGES if is_get else Kind.OTHER, queue)


def _about(text: str) -> tuple[frozenset[str], str]:
    """Instances and event of a message of a hub; empty for any other message."""
    try:
        envelope = from_text(text)
    except UnreadableMessage:
        return frozenset(), ""
    if envelope.message is None:
        return frozenset([(envelope.compressed_blob_name or "").partition("/")[0]]), ""
    message = envelope.message
    return frozenset(filter(None, (message.target.instance_id, message.sender.instance_id))), message.event.event_name


def _table_call(method: str, path: str, query: Mapping[str, str], body: bytes) -> StorageCall:
    if path.endswith("/$batch"):
        return _batch(body)
    found = _TABLE.match(path)
    if found is None or found[1] == "Tables":
        return StorageCall(Kind.OTHER, "Tables")
    table, address = found[1], found[2] or ""
    one = _PARTITION_KEY.search(address)
    keys = one or _PARTITION_OF_QUERY.search(query.get("$filter", ""))
    key = keys[1].replace("''", "'") if keys else _key_in(body)
    instances = frozenset([unescape_key(key)] if key else [])
    if table.endswith("Partitions"):
        return StorageCall(Kind.PARTITIONS, table)
    if table.endswith("History"):
        only_sentinels = SENTINEL in address or SENTINEL in query.get("$filter", "")
        read = Kind.SENTINELS if only_sentinels else Kind.HISTORY_READ
        kinds = {"GET": read, "DELETE": Kind.HISTORY_DELETE}
        return StorageCall(kinds.get(method, Kind.HISTORY_COMMIT), table, instances)
    if table.endswith("Instances"):
        read = Kind.ROW_READ if one else Kind.ROW_QUERY
        kinds = {"GET": read, "DELETE": Kind.ROW_DELETE, "POST": Kind.ROW_INSERT}
        return StorageCall(kinds.get(method, Kind.ROW_WRITE), table, instances)
    return StorageCall(Kind.OTHER, table)


def _batch(body: bytes) -> StorageCall:
    found = _BATCH_TARGET.search(body)
    if found is None:
        return StorageCall(Kind.OTHER, "$batch")
    key = unquote(found[3].decode()).replace("''", "'") if found[3] else _key_in(body)
    table = found[2].decode()
    if table.endswith("Instances"):
        kind = Kind.ROW_WRITE
    else:
        kind = Kind.HISTORY_DELETE if found[1] == b"DELETE" else Kind.HISTORY_COMMIT
    return StorageCall(kind, table, frozenset([unescape_key(key)] if key else []))


def _key_in(body: bytes) -> str:
    found = _PARTITION_IN_BODY.search(body)
    return found[1].decode() if found else ""


def _blob_call(method: str, path: str, query: Mapping[str, str]) -> StorageCall:
    container, _, name = path.strip("/").partition("/")
    if query.get("comp") == "lease":
        return StorageCall(Kind.LEASE, container)
    if not name:
        return StorageCall(Kind.OTHER, container)
    kinds = {"PUT": Kind.BLOB_PUT, "DELETE": Kind.BLOB_DELETE}
    instance = frozenset([unescape_key(name.partition("/")[0])] if "/" in name else [])
    return StorageCall(kinds.get(method, Kind.BLOB_GET), container, instance)
