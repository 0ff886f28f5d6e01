"""The names of a hub's resources, and the control queue of an instance.

Source: docs/protocol/task-hub-storage.md#resource-names,
    docs/protocol/task-hub-storage.md#instance-routing,
    docs/protocol/task-hub-storage.md#key-escaping,
    docs/protocol/task-hub-storage-partitions.md#app-lease
"""

import re
from functools import lru_cache

import msgspec

_FNV_OFFSET = 0x811C9DC5
_FNV_PRIME = 0x01000193
_MASK = 0xFFFFFFFF

SENTINEL = "sentinel"

_ESCAPED = re.compile(r"[\^/\\#?\x00-\x1f\x7f-\x9f]")
_UNESCAPED = re.compile(r"\^(.)", re.DOTALL)
_NAMED = {"^": "^^", "/": "^0", "\\": "^1", "#": "^2", "?": "^3"}
_NAMED_BACK = {"^": "^", "0": "/", "1": "\\", "2": "#", "3": "?"}


def fnv1a32(text: str) -> int:
    """Return the 32-bit FNV-1a hash of the UTF-8 bytes. An unpaired surrogate counts as U+FFFD."""
    value = _FNV_OFFSET
    for byte in _utf8(text):
        value = ((value ^ byte) * _FNV_PRIME) & _MASK
    return value


def _utf8(text: str) -> bytes:
    try:
        return text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace").encode()


def escape_key(text: str) -> str:
    """Return the table key of an instance ID. Not idempotent: never apply it twice."""
    return _ESCAPED.sub(_escape_one, text)


def _escape_one(match: re.Match[str]) -> str:
    character = match.group()
    return _NAMED.get(character) or "^" + chr(0xC0 + ord(character))


def unescape_key(key: str) -> str:
    """Return the instance ID of a table key."""
    return _UNESCAPED.sub(_unescape_one, key) if "^" in key else key


def _unescape_one(match: re.Match[str]) -> str:
    character = match.group(1)
    named = _NAMED_BACK.get(character)
    if named is not None:
        return named
    code = ord(character)
    return chr(code - 0xC0) if code >= 0xC0 else character


def row_key(ordinal: int) -> str:
    """Return the RowKey of the event at this position of an execution."""
    return f"{ordinal:016X}"


def app_lease_id(app_name: str) -> str:
    """Return the fixed lease ID with which all workers of one app share the app lease."""
    return f"{fnv1a32(app_name):08x}-0000-0000-0000-000000000000"


class HubNames(msgspec.Struct, frozen=True):
    """The names of the resources of hub `hub`. `tables` is the prefix of the two tracking tables."""

    hub: str
    tables: str
    partition_count: int
    lower: str

    @classmethod
    def of(cls, hub: str, partition_count: int, table_prefix: str | None = None) -> "HubNames":
        return cls(hub, table_prefix or hub, partition_count, hub.lower())

    @property
    def work_items(self) -> str:
        return f"{self.lower}-workitems"

    @property
    def control_queues(self) -> list[str]:
        return [self.control_queue(index) for index in range(self.partition_count)]

    @property
    def history(self) -> str:
        return f"{self.tables}History"

    @property
    def instances(self) -> str:
        return f"{self.tables}Instances"

    @property
    def partitions(self) -> str:
        return f"{self.hub}Partitions"

    @property
    def app_lease(self) -> str:
        return f"{self.lower}-applease"

    @property
    def app_lease_blob(self) -> str:
        return f"{self.lower}-appleaseinfo"

    @property
    def large_messages(self) -> str:
        return f"{self.lower}-largemessages"

    @property
    def unreadable(self) -> str:
        """The container of messages that were set aside. The official backend has no such container."""
        return f"{self.lower}-unreadable"

    def control_queue(self, index: int) -> str:
        return f"{self.lower}-control-{index:02d}"

    def queue_of(self, instance_id: str) -> str:
        """Return the control queue for messages to this instance."""
        return _queue_of(self.lower, self.partition_count, instance_id)


@lru_cache(maxsize=1024)
def _queue_of(lower: str, partition_count: int, instance_id: str) -> str:
    return f"{lower}-control-{fnv1a32(instance_id) % partition_count:02d}"
