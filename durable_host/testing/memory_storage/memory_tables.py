"""The table service in memory: entities with etags, conditional writes, atomic transactions, queries in pages."""

import base64
import re
from collections.abc import Callable
from typing import Any
from urllib.parse import unquote

import msgspec

from durable_host import timestamp
from durable_host.testing.memory_storage.service_properties import ServiceProperties
from durable_host.testing.memory_storage.storage_exchange import (
    RequestRefused,
    StorageAnswer,
    StorageRequest,
    json_bytes,
    odata_error,
    sentence_of,
)
from durable_host.testing.memory_storage.table_batch import (
    Row,
    TableChange,
    batch_answer,
    changed_part,
    read_batch,
    refused_part,
)
from durable_host.testing.memory_storage.table_filters import partition_of, predicate

_KEYS = re.compile(r"^([A-Za-z][A-Za-z0-9]*)\(PartitionKey='((?:[^']|'')*)',\s*RowKey='((?:[^']|'')*)'\)$", re.DOTALL)
_TABLE = re.compile(r"[A-Za-z][A-Za-z0-9]{2,62}")
_TYPE = "@odata.type"
_PAGE = 1000
_LONGEST_TEXT = 32_768
_JSON = {"Content-Type": "application/json;odata=minimalmetadata"}

_decode = msgspec.json.Decoder().decode


class MemoryRow:
    """One entity. `row` is the JSON of its properties with their annotations; it is replaced, never changed."""

    __slots__ = ("etag", "row", "written")

    def __init__(self, row: Row, etag: str, written: str) -> None:
        self.row = row
        self.etag = etag
        self.written = written


Table = dict[str, dict[str, MemoryRow]]


class MemoryTables:
    """Tables by name; rows by partition and row key."""

    def __init__(self, now: Callable[[], int]) -> None:
        self.tables: dict[str, Table] = {}
        self._now = now
        self._writes = 0
        self._policies: dict[str, bytes] = {}
        self._properties = ServiceProperties("table")

    def answer(self, request: StorageRequest) -> StorageAnswer:
        """Raises RequestRefused."""
        path = request.path.strip("/")
        if path == "$batch":
            return self._transaction(request.body)
        if not path:
            found = self._properties.answer(request)
            if found is None:
                raise RequestRefused(501, "NotImplemented")
            return found
        if path == "Tables" or path.startswith("Tables("):
            return self._table(request, path)
        if request.query.get("comp") == "acl":
            return self._policy(request, path)
        if path.endswith("()"):
            return self._query(request, path[:-2])
        if "(" not in path:
            return self._insert(request, path) if request.method == "POST" else self._query(request, path)
        name, partition, row = _address(path)
        if request.method == "GET":
            return self._read(request, name, partition, row)
        condition = request.header("If-Match")
        if request.method == "DELETE":
            self._delete(self._existing(name), partition, row, condition)
            return StorageAnswer(204)
        method = "MERGE" if request.method == "PATCH" else request.method
        stored = self._write(method, name, partition, row, _decode(request.body), condition)
        return StorageAnswer(204, {"ETag": stored.etag})

    def rows(self, table: str) -> list[Row]:
        """All rows of a table in key order, without annotations of the service."""
        found = self.tables.get(table, {})
        return [found[partition][row].row for partition in sorted(found) for row in sorted(found[partition])]

    def partition(self, table: str, partition: str) -> dict[str, Row]:
        """The rows of one partition by row key, in order."""
        found = self.tables.get(table, {}).get(partition, {})
        return {key: found[key].row for key in sorted(found)}

    def _table(self, request: StorageRequest, path: str) -> StorageAnswer:
        if request.method == "POST":
            name = _decode(request.body)["TableName"]
            if not _TABLE.fullmatch(name):
                raise RequestRefused(400, "InvalidResourceName" if 3 <= len(name) <= 63 else "OutOfRangeInput")
            if self._written(name) is not None:
                raise RequestRefused(409, "TableAlreadyExists")
            self.tables[name] = {}
            return _created(request, {"TableName": name}, {})
        if request.method == "DELETE":
            name = self._written(path[len("Tables('") : -len("')")])
            if name is None:
                raise RequestRefused(404, "ResourceNotFound")
            del self.tables[name]
            return StorageAnswer(204)
        text, following = request.query.get("$filter"), request.query.get("NextTableName", "")
        matches = _predicate(text)
        rows: list[Row] = [{"TableName": name} for name in sorted(self.tables) if name >= following]
        found = [row for row in rows if matches is None or matches(row)]
        size = int(request.query.get("$top", _PAGE))
        headers = {"x-ms-continuation-NextTableName": found[size]["TableName"]} if len(found) > size else {}
        return StorageAnswer(200, {**_JSON, **headers}, json_bytes({"value": found[:size]}))

    def _policy(self, request: StorageRequest, name: str) -> StorageAnswer:
        self._existing(name)
        if request.method == "PUT":
            self._policies[name] = request.body
            return StorageAnswer(204)
        body = self._policies.get(name) or b"<SignedIdentifiers/>"
        return StorageAnswer(200, {"Content-Type": "application/xml"}, body)

    def _written(self, name: str) -> str | None:
        """The name of an existing table as it was written; names differ in more than their case."""
        if name in self.tables:
            return name
        key = name.casefold()
        return next((one for one in self.tables if one.casefold() == key), None)

    def _existing(self, name: str) -> Table:
        written = self._written(name)
        if written is None:
            raise RequestRefused(404, "TableNotFound")
        return self.tables[written]

    def _insert(self, request: StorageRequest, name: str) -> StorageAnswer:
        stored = self._write("POST", name, "", "", _decode(request.body), None)
        return _created(request, _shown(stored, None), {"ETag": stored.etag})

    def _read(self, request: StorageRequest, name: str, partition: str, row: str) -> StorageAnswer:
        stored = self._existing(name).get(partition, {}).get(row)
        if stored is None:
            raise RequestRefused(404, "ResourceNotFound")
        return StorageAnswer(200, {**_JSON, "ETag": stored.etag}, json_bytes(_shown(stored, _selected(request))))

    def _query(self, request: StorageRequest, name: str) -> StorageAnswer:
        table = self._existing(name)
        text = request.query.get("$filter")
        only = partition_of(text) if text else None
        if only is not None:
            candidates = [table.get(only, {})[key] for key in sorted(table.get(only, {}))]
        else:
            matches = _predicate(text)
            everything = [stored for partition in sorted(table) for _, stored in sorted(table[partition].items())]
            candidates = [stored for stored in everything if matches is None or matches(stored.row)]
        if "NextPartitionKey" in request.query:
            begin = tuple(_key_of_header(request.query.get(name, "")) for name in ("NextPartitionKey", "NextRowKey"))
            candidates = [one for one in candidates if (one.row["PartitionKey"], one.row["RowKey"]) >= begin]
        size = min(_PAGE, int(request.query.get("$top", _PAGE)))
        selected = _selected(request)
        headers = dict(_JSON)
        if len(candidates) > size:
            following = candidates[size].row
            headers["x-ms-continuation-NextPartitionKey"] = _header_of_key(following["PartitionKey"])
            headers["x-ms-continuation-NextRowKey"] = _header_of_key(following["RowKey"])
        return StorageAnswer(200, headers, json_bytes({"value": [_shown(one, selected) for one in candidates[:size]]}))

    def _write(self, method: str, name: str, partition: str, row: str, given: Row, condition: str | None) -> MemoryRow:
        table = self._existing(name)
        if method == "POST":
            if "PartitionKey" not in given or "RowKey" not in given:
                raise RequestRefused(400, "PropertiesNeedValue")
            partition, row = given["PartitionKey"], given["RowKey"]
        _check(given)
        old = table.get(partition, {}).get(row)
        if method == "POST":
            if old is not None:
                raise RequestRefused(409, "EntityAlreadyExists")
        elif condition is not None:
            if old is None:
                raise RequestRefused(404, "ResourceNotFound")
            if condition not in ("*", old.etag):
                raise RequestRefused(412, "UpdateConditionNotSatisfied")
        keys = {"PartitionKey": partition, "RowKey": row}
        stored = self._stored({**given, **keys}, old if method == "MERGE" else None)
        table.setdefault(partition, {})[row] = stored
        return stored

    def _stored(self, given: Row, old: MemoryRow | None) -> MemoryRow:
        row: Row = {}
        if old is not None:
            row = {name: value for name, value in old.row.items() if name.removesuffix(_TYPE) not in given}
        row |= {name: value for name, value in given.items() if value is not None and not name.startswith("odata.")}
        self._writes += 1
        written = timestamp.to_round_trip(self._now())
        return MemoryRow(row, f"W/\"datetime'{written[:-1]}{self._writes:06d}Z'\"".replace(":", "%3A"), written)

    def _delete(self, table: Table, partition: str, row: str, condition: str | None) -> None:
        old = table.get(partition, {}).get(row)
        if old is None:
            raise RequestRefused(404, "ResourceNotFound")
        if condition not in (None, "*", old.etag):
            raise RequestRefused(412, "UpdateConditionNotSatisfied")
        del table[partition][row]
        if not table[partition]:
            del table[partition]

    def _transaction(self, body: bytes) -> StorageAnswer:
        """All or nothing: what was changed is put back when one part fails."""
        undo: list[tuple[Table, str, dict[str, MemoryRow]]] = []
        parts: list[bytes] = []
        for number, change in enumerate(read_batch(body)):
            try:
                parts.append(changed_part(self._change(change, undo)))
            except RequestRefused as refused:
                for table, partition, before in reversed(undo):
                    table.pop(partition, None)
                    if before:
                        table[partition] = before
                error = odata_error(refused.code, f"{number}:{sentence_of(refused.code)}\nRequestId:0")
                return batch_answer([refused_part(refused.status, error)])
        return batch_answer(parts)

    def _change(self, change: TableChange, undo: list[tuple[Table, str, dict[str, MemoryRow]]]) -> str:
        if change.method == "POST":
            name, partition, row = change.path, change.row["PartitionKey"], change.row["RowKey"]
        else:
            name, partition, row = _address(unquote(change.path))
        table = self._existing(name)
        undo.append((table, partition, dict(table.get(partition, {}))))
        if change.method == "DELETE":
            self._delete(table, partition, row, change.condition)
            return ""
        return self._write(change.method, name, partition, row, change.row, change.condition).etag


def _header_of_key(key: str) -> str:
    """The key as the service returns it in the headers of a page: Base64, as in Azurite."""
    return base64.b64encode(key.encode()).decode()


def _key_of_header(text: str) -> str:
    try:
        return base64.b64decode(text).decode()
    except ValueError:  # not Base64, or not UTF-8
        raise RequestRefused(400, "InvalidInput") from None


def _predicate(text: str | None) -> Callable[[Row], bool] | None:
    if not text:
        return None
    try:
        return predicate(text)
    except (ValueError, KeyError, IndexError):
        raise RequestRefused(400, "InvalidInput") from None


def _address(path: str) -> tuple[str, str, str]:
    found = _KEYS.match(path)
    if found is None:
        raise RequestRefused(400, "InvalidUri")
    name, partition, row = found.groups()
    return name, partition.replace("''", "'"), row.replace("''", "'")


def _created(request: StorageRequest, row: dict[str, Any], headers: dict[str, str]) -> StorageAnswer:
    """The response to an insert: with what was stored, unless the client does not want it."""
    if request.header("Prefer") == "return-no-content":
        return StorageAnswer(204, {**headers, "Preference-Applied": "return-no-content"})
    return StorageAnswer(201, {**_JSON, **headers}, json_bytes(row))


def _selected(request: StorageRequest) -> list[str] | None:
    text = request.query.get("$select")
    return None if not text or text == "*" else [name.strip() for name in text.split(",")]


def _shown(stored: MemoryRow, selected: list[str] | None) -> dict[str, Any]:
    row = {"odata.etag": stored.etag, **stored.row, "Timestamp": stored.written}
    if selected is None:
        return row
    return {name: value for name, value in row.items() if name == "odata.etag" or name.removesuffix(_TYPE) in selected}


def _check(given: Row) -> None:
    for value in given.values():
        if isinstance(value, str) and len(value) > _LONGEST_TEXT:
            raise RequestRefused(400, "PropertyValueTooLarge")
