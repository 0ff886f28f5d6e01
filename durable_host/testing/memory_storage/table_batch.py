"""The format of table transactions: HTTP requests in a multipart body, and HTTP responses in another."""

import re
from typing import Any

import msgspec

from durable_host.testing.memory_storage.storage_exchange import RequestRefused, StorageAnswer

Row = dict[str, Any]
"""The JSON of an entity: its properties with their annotations."""

_CHANGES = re.compile(rb"boundary=\"?(changeset[^\s\";]*)")
_TARGET = re.compile(rb"\r?\n(POST|PUT|MERGE|PATCH|DELETE|GET) (\S+) HTTP/1\.1\r?\n")
_CONDITION = re.compile(rb"\n[Ii][Ff]-[Mm]atch: ([^\r\n]*)")
_PLACE = re.compile(r"/([A-Za-z][A-Za-z0-9]*(?:\(.*\))?)$")
_GAP = re.compile(rb"\r?\n\r?\n")

_decode = msgspec.json.Decoder().decode


class TableChange(msgspec.Struct, frozen=True):
    """One request of a transaction. `path` is encoded and has no account; `condition` is the value of If-Match."""

    method: str
    path: str
    row: Row
    condition: str | None


def read_batch(body: bytes) -> list[TableChange]:
    """The requests of a transaction. Raises RequestRefused."""
    boundary = _CHANGES.search(body)
    if boundary is None:
        raise RequestRefused(400, "InvalidInput")
    parts = body.split(b"--" + boundary.group(1))[1:-1]
    return [_change(part) for part in parts]


def _change(part: bytes) -> TableChange:
    target = _TARGET.search(part)
    place = _PLACE.search(target.group(2).decode().partition("?")[0]) if target is not None else None
    if target is None or place is None:
        raise RequestRefused(400, "InvalidInput")
    method = target.group(1).decode()
    halves = _GAP.split(part[target.end() :], maxsplit=1)
    condition = _CONDITION.search(b"\n" + halves[0])
    content = halves[1].strip() if len(halves) > 1 else b""
    return TableChange(
        "MERGE" if method == "PATCH" else method,
        place.group(1),
        _decode(content) if content else {},
        condition.group(1).decode() if condition else None,
    )


def changed_part(etag: str) -> bytes:
    """The response to one request; `etag` is empty after a delete."""
    tag = f"ETag: {etag}\r\n" if etag else ""
    return f"HTTP/1.1 204 No Content\r\n{tag}\r\n".encode()


def refused_part(status: int, error: bytes) -> bytes:
    """The response to a request that was refused."""
    return f"HTTP/1.1 {status} Refused\r\nContent-Type: application/json\r\n\r\n".encode() + error


def batch_answer(parts: list[bytes]) -> StorageAnswer:
    """The response to a transaction."""
    head = b"--changesetresponse_x\r\nContent-Type: application/http\r\nContent-Transfer-Encoding: binary\r\n\r\n"
    body = b"--batchresponse_x\r\nContent-Type: multipart/mixed; boundary=changesetresponse_x\r\n\r\n"
    body += b"\r\n".join(head + part for part in parts) + b"\r\n--changesetresponse_x--\r\n--batchresponse_x--\r\n"
    return StorageAnswer(202, {"Content-Type": "multipart/mixed; boundary=batchresponse_x"}, body)
