"""The table output binding.

Source: docs/protocol/functions-host-tables.md#table-output
"""

import json
from collections.abc import Iterator, Mapping
from typing import Any, cast

from durable_host.bindings.accounts import Accounts
from durable_host.bindings.properties import BindingFailed, evaluate, required
from durable_host.bindings.table_name import table_name
from durable_host.invocation.bindings import BindingContext
from durable_host.invocation.datum import Datum
from durable_host.invocation.metadata import Binding
from durable_host.storage.errors import NotFound, StorageError
from durable_host.storage.table_codec import Int64
from durable_host.storage.table_transactions import MAX_OPERATIONS, Operation
from durable_host.storage.tables import TableService

_INT64_LIMIT = 2**63
_KEYS = {"partitionkey": "PartitionKey", "rowkey": "RowKey", "etag": "ETag"}


class TableOutput:
    """Writes one entity per object; inserts it unless it has an ETag. Creates a missing table."""

    def __init__(self, accounts: Accounts) -> None:
        self._accounts = accounts

    async def write(
        self, binding: Binding, datum: Datum, binding_data: Mapping[str, Any], context: BindingContext
    ) -> None:
        """Write the entities. Raises BindingFailed; partitions written before the failure stay."""
        table = table_name(required(binding, "tableName", binding_data, context.function.name))
        defaults = {
            column: key
            for column, name in (("PartitionKey", "partitionKey"), ("RowKey", "rowKey"))
            if (key := evaluate(binding, name, binding_data, context.function.name)) is not None
        }
        partitions: dict[str, list[Operation]] = {}
        for operation in operations_of(datum, defaults, binding.name):
            partitions.setdefault(operation.entity["PartitionKey"], []).append(operation)
        tables = self._accounts.account(binding.text("connection")).tables
        try:
            for operations in partitions.values():
                for batch in _batches(operations):
                    await _commit(tables, table, batch)
        except StorageError as error:
            raise BindingFailed(f"The table '{table}' could not be written: {error}") from error


def operations_of(value: Datum, defaults: Mapping[str, str], binding_name: str) -> list[Operation]:
    """The operations for an output value. Raises BindingFailed unless it consists of objects with both keys."""
    text = value.as_text()
    if text is None:
        return []
    try:
        content: Any = json.loads(text)
    except (ValueError, RecursionError):
        content = text
    items = cast("list[Any]", content) if isinstance(content, list) else [content]
    return [_operation(item, defaults, binding_name) for item in items]


def _operation(item: Any, defaults: Mapping[str, str], binding_name: str) -> Operation:
    if not isinstance(item, dict):
        raise BindingFailed(f"The output '{binding_name}' must be a JSON object (or a list of them), not {item!r:.80}.")
    entity: dict[str, Any] = dict(defaults)
    for name, value in cast("dict[str, Any]", item).items():
        column = _KEYS.get(name.lower(), name)
        if column in ("PartitionKey", "RowKey") and value is not None:
            entity[column] = value if isinstance(value, str) else json.dumps(value)
        elif column not in ("PartitionKey", "RowKey", "Timestamp") and not column.startswith("odata."):
            entity[column] = _typed(column, value)
    etag = entity.pop("ETag", None)
    for column in ("PartitionKey", "RowKey"):
        if column not in entity:
            raise BindingFailed(f"The entity for the output '{binding_name}' has no {column}.")
    if not etag:
        return Operation("insert", entity)
    return Operation("upsert_replace", entity) if etag == "*" else Operation("replace", entity, str(etag))


def _typed(column: str, value: Any) -> Any:
    if isinstance(value, bool) or value is None or isinstance(value, str | float):
        return value
    if isinstance(value, int):
        if not -_INT64_LIMIT <= value < _INT64_LIMIT:
            raise BindingFailed(f"The number {value} of property '{column}' does not fit into a table (Int64).")
        return Int64(value)
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


def _batches(operations: list[Operation]) -> Iterator[list[Operation]]:
    """The operations in order, split into transactions: when one is full or would contain a row twice."""
    batch: dict[str, Operation] = {}
    for operation in operations:
        row: str = operation.entity["RowKey"]
        if row in batch or len(batch) == MAX_OPERATIONS:
            yield list(batch.values())
            batch = {}
        batch[row] = operation
    if batch:
        yield list(batch.values())


async def _commit(tables: TableService, table: str, operations: list[Operation]) -> None:
    try:
        await tables.transaction(table, operations)
    except StorageError as error:
        if not isinstance(error, NotFound) and error.code != "TableNotFound":
            raise
        await tables.create_table(table)
        await tables.transaction(table, operations)
