"""Converts table entities between Python values and JSON.

Python and Edm types: str = String, bool = Boolean, int = Int32, `Int64`, float = Double, `EdmDateTime` (ticks),
`EdmGuid`, bytes = Binary. None is not written, because absent and null are the same for the service.
"""

import base64
import math
import re
from collections.abc import Callable, Mapping
from typing import Any, cast
from urllib.parse import quote

import msgspec

from durable_host import timestamp
from durable_host.storage.errors import InvalidRequest

INT32_MAX = 2**31 - 1
INT32_MIN = -(2**31)
_BAD_KEY = re.compile("[/\\\\#?\x00-\x1f\x7f-\x9f\ud800-\udfff]")
_ANNOTATION = "@odata.type"
_LONGEST_KEY = 512
"""UTF-16 code units in 1 KiB."""


class Int64(int):
    """An Edm.Int64 value."""

    __slots__ = ()


class EdmDateTime(int):
    """An Edm.DateTime value: ticks."""

    __slots__ = ()


class EdmGuid(str):
    """An Edm.Guid value: the 36 characters."""

    __slots__ = ()


class Entity(dict[str, Any]):
    """An entity that was read: its properties, `etag`, and `timestamp` (ticks; 0 if not selected)."""

    __slots__ = ("etag", "timestamp")

    etag: str
    timestamp: int


_encode_json = msgspec.json.Encoder().encode


def write_entity(entity: Mapping[str, Any]) -> bytes:
    """The JSON of an entity, with annotations for types that JSON does not have. Raises InvalidRequest."""
    row = dict(entity)
    for name, value in entity.items():
        kind = cast(type[Any], type(value))
        if kind is str or kind is bool:
            continue
        if kind is int:
            if not INT32_MIN <= value <= INT32_MAX:
                raise InvalidRequest(400, "OutOfRange", f"Property '{name}' is not an Int32: {value}; wrap it in Int64")
        elif value is None:
            del row[name]
        else:
            writer = _WRITERS.get(kind)
            if writer is None:
                raise InvalidRequest(
                    400, "InvalidType", f"Property '{name}' has a type that tables do not support: {kind}"
                )
            row[name + _ANNOTATION], row[name] = writer(value)
    body = _encode_json(row)
    # Azurite finds the JSON in a batch with a pattern that stops at these two line separators.
    if b"\xe2\x80" in body:
        body = body.replace(b"\xe2\x80\xa8", b"\\u2028").replace(b"\xe2\x80\xa9", b"\\u2029")
    return body


def read_entity(row: dict[str, Any]) -> Entity:
    """An entity from a response (minimal or full metadata). Modifies `row`."""
    entity = Entity()
    entity.etag = row.pop("odata.etag", "")
    entity.timestamp = 0
    moment = row.pop("Timestamp", None)
    if moment is not None:
        entity.timestamp = timestamp.parse(moment)
    for name, value in row.items():
        if name[0] == "o" and name.startswith("odata."):
            continue
        if name.endswith(_ANNOTATION):
            continue
        kind = row.get(name + _ANNOTATION)
        if kind is not None:
            reader = _READERS.get(kind)
            if reader is not None:
                value = reader(value)
        elif value is None:
            continue
        entity[name] = value
    return entity


def entity_path(table: str, partition_key: str, row_key: str) -> str:
    """The path of an entity below the endpoint. Raises InvalidRequest for keys that tables do not allow."""
    return (
        f"/{table}(PartitionKey='{quote_key(partition_key, 'PartitionKey')}',RowKey='{quote_key(row_key, 'RowKey')}')"
    )


def quote_key(key: str, name: str) -> str:
    """A key, escaped for the quoted part of a path. Raises InvalidRequest like `check_key`."""
    if key.isalnum() and key.isascii() and len(key) <= _LONGEST_KEY:
        return key
    check_key(key, name)
    return quote(key.replace("'", "''"), safe="")


def check_key(key: str, name: str) -> None:
    """Raise InvalidRequest for a PartitionKey or RowKey that Azure refuses."""
    bad = _BAD_KEY.search(key)
    if bad is not None:
        raise InvalidRequest(
            400, "OutOfRangeInput", f"{name} {key!r} contains U+{ord(bad.group()):04X}, which table keys cannot contain"
        )
    if len(key.encode("utf-16-le")) > 2 * _LONGEST_KEY:
        raise InvalidRequest(400, "KeyValueTooLarge", f"{name} is longer than {_LONGEST_KEY} characters (1 KiB)")


def _write_double(value: float) -> tuple[str, Any]:
    if math.isfinite(value):
        return "Edm.Double", value
    if math.isnan(value):
        return "Edm.Double", "NaN"
    return "Edm.Double", "Infinity" if value > 0 else "-Infinity"


def _read_double(value: Any) -> float:
    return float(value)


def _read_date(value: str) -> EdmDateTime:
    return EdmDateTime(timestamp.parse(value))


_WRITERS: dict[type[Any], Callable[[Any], tuple[str, Any]]] = {
    float: _write_double,
    Int64: lambda value: ("Edm.Int64", str(int(value))),
    EdmDateTime: lambda value: ("Edm.DateTime", timestamp.to_round_trip(value)),
    EdmGuid: lambda value: ("Edm.Guid", str(value)),
    bytes: lambda value: ("Edm.Binary", base64.b64encode(value).decode()),
}

_READERS: dict[str, Callable[[Any], Any]] = {
    "Edm.Double": _read_double,
    "Edm.Int64": Int64,
    "Edm.Int32": int,
    "Edm.DateTime": _read_date,
    "Edm.Guid": EdmGuid,
    "Edm.Binary": base64.b64decode,
}
