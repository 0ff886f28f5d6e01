"""The table service: entities with etags, conditional writes, atomic transactions, queries in pages."""

import re
from collections.abc import Callable
from typing import Any
from urllib.parse import unquote

import msgspec

from durable_host import timestamp
from durable_host.testing.memory_storage.storage_exchange import (
    RequestRefused,
    StorageAnswer,
    StorageRequest,
    json_bytes,
    odata_error,
)
from durable_host.testing.memory_storage.table_filters import Row, partition_of, predicate

_KEYS = re.compile(r"^([A-Za-z][A-Za-z0-9]*)\(PartitionKey='((?:[^']|'')*)',\s*RowKey='((?:[^']|'')*)'\)$")
_PART_TARGET = re.compile(rb"\r\n\r\n(POST|PUT|MERGE|DELETE) (\S+) HTTP/1\.1\r\n")
_CONDITION = re.compile(rb"\nIf-Match: ([^\r\n]*)")
_TAIL = b"--changeset_c--\r\n--batch_b--\r\n"
_TYPE = "@odata.type"
_PAGE = 1000
_LONGEST_TEXT = 32_768

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
        self.page = _PAGE
        self._now = now
        self._writes = 0

    def answer(self, request: StorageRequest) -> StorageAnswer:
        """Raises RequestRefused."""
        path = request.path.lstrip("/")
        if path == "$batch":
            return self._transaction(request.body)
        if path.startswith("Tables"):
            return self._table(request, path)
        if path.endswith("()"):
            return self._query(request, path[:-2])
        if request.method == "POST":
            stored = self._write("POST", path, "", "", _decode(request.body), None)
            return StorageAnswer(204, {"ETag": stored.etag})
        name, partition, row = _address(path)
        if request.method == "GET":
            return self._read(request, name, partition, row)
        condition = request.headers.get("If-Match")
        if request.method == "DELETE":
            self._delete(self._existing(name), partition, row, condition)
            return StorageAnswer(204)
        stored = self._write(request.method, name, partition, row, _decode(request.body), condition)
        return StorageAnswer(204, {"ETag": stored.etag})

    def rows(self, table: str) -> list[Row]:
        """All rows of a table in key order, without annotations."""
        found = self.tables.get(table, {})
        return [found[partition][row].row for partition in sorted(found) for row in sorted(found[partition])]

    def partition(self, table: str, partition: str) -> dict[str, Row]:
        """The rows of one partition by row key, in order."""
        found = self.tables.get(table, {}).get(partition, {})
        return {key: found[key].row for key in sorted(found)}

    def _table(self, request: StorageRequest, path: str) -> StorageAnswer:
        if request.method == "POST":
            name = _decode(request.body)["TableName"]
            if name in self.tables:
                raise RequestRefused(409, "TableAlreadyExists")
            self.tables[name] = {}
            return StorageAnswer(204)
        if request.method == "DELETE":
            name = path[len("Tables('") : -len("')")]
            if self.tables.pop(name, None) is None:
                raise RequestRefused(404, "ResourceNotFound")
            return StorageAnswer(204)
        text = request.query.get("$filter")
        matches = predicate(text) if text else None
        rows: list[Row] = [{"TableName": name} for name in sorted(self.tables)]
        found = [row for row in rows if matches is None or matches(row)]
        return StorageAnswer(200, {}, json_bytes({"value": found}))

    def _existing(self, name: str) -> Table:
        table = self.tables.get(name)
        if table is None:
            raise RequestRefused(404, "TableNotFound")
        return table

    def _read(self, request: StorageRequest, name: str, partition: str, row: str) -> StorageAnswer:
        stored = self._existing(name).get(partition, {}).get(row)
        if stored is None:
            raise RequestRefused(404, "ResourceNotFound")
        return StorageAnswer(200, {"ETag": stored.etag}, json_bytes(_shown(stored, _selected(request))))

    def _query(self, request: StorageRequest, name: str) -> StorageAnswer:
        table = self._existing(name)
        text = request.query.get("$filter")
        only = partition_of(text) if text else None
        if only is not None:
            candidates = [table.get(only, {})[key] for key in sorted(table.get(only, {}))]
        else:
            try:
                matches = predicate(text) if text else None
            except (ValueError, KeyError, IndexError):
                raise RequestRefused(400, "InvalidInput") from None
            everything = [stored for partition in sorted(table) for _, stored in sorted(table[partition].items())]
            candidates = [stored for stored in everything if matches is None or matches(stored.row)]
        begin = (request.query.get("NextPartitionKey"), request.query.get("NextRowKey") or "")
        if begin[0] is not None:
            candidates = [one for one in candidates if (one.row["PartitionKey"], one.row["RowKey"]) >= begin]
        size = min(self.page, int(request.query.get("$top", _PAGE)))
        selected = _selected(request)
        headers: dict[str, str] = {}
        if len(candidates) > size:
            following = candidates[size].row
            headers["x-ms-continuation-NextPartitionKey"] = following["PartitionKey"]
            headers["x-ms-continuation-NextRowKey"] = following["RowKey"]
        return StorageAnswer(200, headers, json_bytes({"value": [_shown(one, selected) for one in candidates[:size]]}))

    def _write(self, method: str, name: str, partition: str, row: str, given: Row, condition: str | None) -> MemoryRow:
        table = self._existing(name)
        if method == "POST":
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
        stored = self._stored(given, old if method == "MERGE" else None)
        table.setdefault(partition, {})[row] = stored
        return stored

    def _stored(self, given: Row, old: MemoryRow | None) -> MemoryRow:
        row: Row = {}
        if old is not None:
            row = {name: value for name, value in old.row.items() if name.removesuffix(_TYPE) not in given}
        row |= {name: value for name, value in given.items() if value is not None}
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
        changes = body.removesuffix(_TAIL).split(b"--changeset_c\r\n")[1:]
        for number, part in enumerate(changes):
            try:
                etag = self._part(part, undo)
            except RequestRefused as refused:
                for table, partition, before in reversed(undo):
                    table.pop(partition, None)
                    if before:
                        table[partition] = before
                error = odata_error(refused.code, f"{number}:{refused.code}\nRequestId:0")
                head = f"HTTP/1.1 {refused.status} Refused\r\nContent-Type: application/json\r\n\r\n"
                return _batch([head.encode() + error])
            tag = f"ETag: {etag}\r\n" if etag else ""
            parts.append(f"HTTP/1.1 204 No Content\r\n{tag}\r\n".encode())
        return _batch(parts)

    def _part(self, part: bytes, undo: list[tuple[Table, str, dict[str, MemoryRow]]]) -> str:
        target = _PART_TARGET.search(part)
        assert target is not None, part
        method, url = target.group(1).decode(), target.group(2).decode()
        head, _, content = part[target.end() :].partition(b"\r\n\r\n")
        found = _CONDITION.search(b"\n" + head)
        condition = found.group(1).decode() if found else None
        path = url.split("/", 3)[3].removeprefix("devstoreaccount1/")
        given: Row = _decode(content.strip()) if method != "DELETE" else {}
        if method == "POST":
            name, partition, row = path, given["PartitionKey"], given["RowKey"]
        else:
            name, partition, row = _address(unquote(path))
        table = self._existing(name)
        undo.append((table, partition, dict(table.get(partition, {}))))
        if method == "DELETE":
            self._delete(table, partition, row, condition)
            return ""
        return self._write(method, name, partition, row, given, condition).etag


def _address(path: str) -> tuple[str, str, str]:
    found = _KEYS.match(path)
    if found is None:
        raise RequestRefused(400, "InvalidUri")
    name, partition, row = found.groups()
    return name, partition.replace("''", "'"), row.replace("''", "'")


def _selected(request: StorageRequest) -> list[str] | None:
    text = request.query.get("$select")
    return text.split(",") if text else None


def _shown(stored: MemoryRow, selected: list[str] | None) -> dict[str, Any]:
    row = {"odata.etag": stored.etag, **stored.row, "Timestamp": stored.written}
    if selected is None:
        return row
    return {name: value for name, value in row.items() if name == "odata.etag" or name.removesuffix(_TYPE) in selected}


def _check(given: Row) -> None:
    for value in given.values():
        if isinstance(value, str) and len(value) > _LONGEST_TEXT:
            raise RequestRefused(400, "PropertyValueTooLarge")


def _batch(parts: list[bytes]) -> StorageAnswer:
    head = b"--changesetresponse_x\r\nContent-Type: application/http\r\nContent-Transfer-Encoding: binary\r\n\r\n"
    body = b"--batchresponse_x\r\nContent-Type: multipart/mixed; boundary=changesetresponse_x\r\n\r\n"
    body += b"\r\n".join(head + part for part in parts) + b"\r\n--changesetresponse_x--\r\n--batchresponse_x--\r\n"
    return StorageAnswer(202, {"Content-Type": "multipart/mixed; boundary=batchresponse_x"}, body)
