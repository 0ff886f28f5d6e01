"""Entity group transactions: writes and parses the multipart body of a batch.

This is the hottest path of the task hub: every episode commits its history rows with a transaction.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import msgspec

from durable_host.storage.errors import InvalidRequest, StorageUnavailable, TransactionFailed, sentence_for
from durable_host.storage.table_codec import check_key, quote_key, write_entity
from durable_host.storage.transport import StorageResponse

Kind = Literal["insert", "merge", "replace", "upsert_merge", "upsert_replace", "delete"]

MAX_OPERATIONS = 100
MAX_BYTES = 4 * 1024 * 1024
_MAX_ENTITY_JSON = 3 * 512 * 1024

_METHODS: dict[str, str] = {
    "insert": "POST",
    "merge": "MERGE",
    "replace": "PUT",
    "upsert_merge": "MERGE",
    "upsert_replace": "PUT",
    "delete": "DELETE",
}
_CONDITIONAL = frozenset(("merge", "replace", "delete"))
_HEAD = b"--batch_b\r\nContent-Type: multipart/mixed; boundary=changeset_c\r\n\r\n"
_PART = "--changeset_c\r\nContent-Type: application/http\r\nContent-Transfer-Encoding: binary\r\n\r\n"
_JSON = (
    " HTTP/1.1\r\nContent-Type: application/json\r\nAccept: application/json;odata=minimalmetadata\r\n"
    "Prefer: return-no-content\r\nDataServiceVersion: 3.0\r\n"
)
_TAIL = b"--changeset_c--\r\n--batch_b--\r\n"

_STATUS = b"HTTP/1.1 "
_ETAG = re.compile(rb"\n[Ee][Tt][Aa][Gg]:[ \t]*([^\r\n]*)")
_CODE = re.compile(rb'"code"\s*:\s*"([^"]*)"|<code[^>]*>([^<]*)<', re.IGNORECASE)
_MESSAGE = re.compile(rb'"value"\s*:\s*"((?:[^"\\]|\\.)*)"|<message[^>]*>([^<]*)<', re.IGNORECASE)
_INDEX = re.compile(r"^(\d+):")


class Operation(msgspec.Struct, frozen=True):
    """One row of a transaction. `etag` is the condition of merge, replace and delete (None: `*`)."""

    kind: Kind
    entity: Mapping[str, Any]
    etag: str | None = None


def write_transaction(endpoint: str, table: str, operations: Sequence[Operation]) -> bytes:
    """The body of the batch request. Checks the rules that Azure enforces and Azurite does not."""
    if not 0 < len(operations) <= MAX_OPERATIONS:
        raise InvalidRequest(
            400, "InvalidInput", f"A transaction has 1 to {MAX_OPERATIONS} rows, not {len(operations)}"
        )
    partition: str = operations[0].entity["PartitionKey"]
    target = f"{endpoint}/{table}(PartitionKey='{quote_key(partition, 'PartitionKey')}',RowKey='"
    rows: set[str] = set()
    parts: list[bytes] = [_HEAD]
    for operation in operations:
        entity = operation.entity
        row: str = entity["RowKey"]
        if entity["PartitionKey"] != partition:
            raise InvalidRequest(
                400, "CommandsInBatchActOnDifferentPartitions", f"A transaction on '{table}' spans two partitions"
            )
        rows.add(row)
        kind = operation.kind
        address = f"{endpoint}/{table}" if kind == "insert" else f"{target}{quote_key(row, 'RowKey')}')"
        if kind == "insert":
            check_key(row, "RowKey")
        condition = f"If-Match: {operation.etag or '*'}\r\n" if kind in _CONDITIONAL else ""
        if kind == "delete":
            parts.append(f"{_PART}DELETE {address} HTTP/1.1\r\n{condition}\r\n\r\n".encode())
            continue
        parts.append(f"{_PART}{_METHODS[kind]} {address}{_JSON}{condition}\r\n".encode())
        content = write_entity(entity)
        if len(content) > _MAX_ENTITY_JSON:
            raise InvalidRequest(413, "EntityTooLarge", f"Row '{row}' of table '{table}' is larger than 1 MiB")
        parts.append(content)
        parts.append(b"\r\n")
    if len(rows) != len(operations):
        raise InvalidRequest(400, "InvalidDuplicateRow", f"A transaction on '{table}' contains a row twice")
    parts.append(_TAIL)
    body = b"".join(parts)
    if len(body) > MAX_BYTES:
        raise InvalidRequest(413, "ContentLengthExceeded", f"A transaction on '{table}' is larger than 4 MiB")
    return body


def read_transaction(reply: StorageResponse, count: int, table: str) -> list[str]:
    """The etags of `count` operations, in order. Raises TransactionFailed."""
    etags: list[str] = []
    for part in reply.body.split(_STATUS)[1:]:
        status = int(part[:3])
        if status >= 300:
            raise _failure(reply, status, part, table)
        etag = _ETAG.search(part)
        etags.append(etag.group(1).decode() if etag else "")
    if len(etags) != count:
        raise StorageUnavailable(
            500, "InvalidBatchResponse", f"The table service answered {len(etags)} of {count} rows of a transaction"
        )
    return etags


def _failure(reply: StorageResponse, status: int, rest: bytes, table: str) -> TransactionFailed:
    code = _either(_CODE, rest)
    text = _either(_MESSAGE, rest).replace("\\n", "\n").split("\n", 1)[0].strip()
    number = _INDEX.match(text)
    index = int(number.group(1)) if number else None
    text = text[number.end() :] if number else text
    message = f"table transaction on '{table}': {text or sentence_for(status, code)}"
    return TransactionFailed(index, status, code or f"Http{status}", message, after_retry=reply.after_retry)


def _either(pattern: re.Pattern[bytes], body: bytes) -> str:
    found = pattern.search(body)
    return (found.group(1) or found.group(2) or b"").decode("utf-8", "replace") if found else ""
