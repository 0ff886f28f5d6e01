"""The table input binding.

Source: docs/protocol/functions-host-tables.md#table-input, docs/protocol/functions-host-tables.md#entities-as-json
"""

import base64
import json
import math
from collections.abc import Mapping
from typing import Any

from durable_host import timestamp
from durable_host.bindings.accounts import Accounts
from durable_host.bindings.properties import BindingFailed, evaluate, required
from durable_host.bindings.table_filter import filter_text
from durable_host.bindings.table_name import table_name
from durable_host.invocation.bindings import BindingContext
from durable_host.invocation.datum import NONE, Datum, json_text
from durable_host.invocation.metadata import Binding
from durable_host.storage.errors import NotFound, StorageError, odata_literal
from durable_host.storage.table_codec import EdmDateTime, Entity
from durable_host.storage.tables import TableService

_PAGE = 1000


class TableInput:
    """Reads a JSON array of the entities selected by partition key, row key and filter, at most `take`.

    With `oneRow`, which the workers of Node.js and .NET apps set, the value is the first entity, or nothing if there is
    none. For a parameter that is an object of the storage SDK, the value says which entities the worker has to read.
    """

    def __init__(self, accounts: Accounts) -> None:
        self._accounts = accounts

    async def read(self, binding: Binding, binding_data: Mapping[str, Any], context: BindingContext) -> Datum:
        """Read the entities. Raises BindingFailed, also if the table does not exist."""
        table = table_name(required(binding, "tableName", binding_data, context.function.name))
        keys = {
            column: evaluate(binding, property_name, binding_data, context.function.name)
            for column, property_name in (("PartitionKey", "partitionKey"), ("RowKey", "rowKey"))
        }
        written = binding.text("filter")
        extra = filter_text(written, binding_data, context.function.name) if written else None
        account = self._accounts.account(binding.text("connection"))
        if binding.is_deferred:
            place = {"TableName": table, **keys, "Filter": extra, "Take": _take(binding)}
            return json_text(json.dumps({**place, "Connection": account.connection.setting}, ensure_ascii=False))
        filters = [f"{column} eq {odata_literal(key)}" for column, key in keys.items() if key]
        if extra:
            filters.append(extra)
        try:
            found = await _select(account.tables, table, " and ".join(filters) or None, _take(binding))
        except NotFound as error:
            raise BindingFailed(
                f"The table '{table}' of the input '{binding.name}' does not exist (TableNotFound). Create it: az "
                f'storage table create --name {table} --connection-string "${account.connection.setting}", or write '
                "a row through a table output, which creates its table.",
                cause="In Azure the call fails as well: a table input does not create its table.",
            ) from error
        except StorageError as error:
            raise BindingFailed(f"The table '{table}' could not be read: {error}") from error
        if binding.properties.get("oneRow") is True:
            return json_text(json.dumps(found[0], ensure_ascii=False)) if found else NONE
        return json_text(json.dumps(found, ensure_ascii=False))


async def _select(tables: TableService, table: str, condition: str | None, take: int) -> list[dict[str, Any]]:
    """The selected entities; `take` 0 means all."""
    found: list[dict[str, Any]] = []
    continuation: tuple[str, str] | None = None
    while True:
        top = min(_PAGE, take - len(found)) if take else None
        page = await tables.query(table, condition, top=top, continuation=continuation)
        found += [plain(entity) for entity in page.entities]
        continuation = page.continuation
        if continuation is None or (take and len(found) >= take):
            return found


def _take(binding: Binding) -> int:
    value = binding.properties.get("take") or 0
    try:
        return max(0, int(value))
    except (TypeError, ValueError):
        raise BindingFailed(f"The 'take' of the binding '{binding.name}' is '{value}', not a whole number.") from None


def plain(entity: Entity) -> dict[str, Any]:
    """An entity as JSON values, without `Timestamp` and etag."""
    return {name: _value(value) for name, value in entity.items() if name not in ("Timestamp", "odata.etag")}


def _value(value: Any) -> Any:
    if isinstance(value, EdmDateTime):
        return timestamp.to_text(value)
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    return base64.b64encode(value).decode("ascii") if isinstance(value, bytes) else value
