"""One table of an app under test."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Self
from uuid import UUID

from durable_host import timestamp
from durable_host.storage.account import StorageAccount
from durable_host.storage.errors import NotFound
from durable_host.storage.table_codec import INT32_MAX, INT32_MIN, EdmDateTime, EdmGuid, Int64
from durable_host.testing.app_backend import AppBackend
from durable_host.testing.settled import Settled

__tracebackhide__ = True


class TableHandle(Settled):
    """The table `name`. It need not exist yet: the first row creates it.

    Rows are dictionaries with `PartitionKey` and `RowKey`. Their values are text, numbers, booleans, bytes, datetimes
    and UUIDs; `None` is the same as no value.
    """

    def __init__(self, backend: AppBackend, name: str, connection: str | None) -> None:
        self._backend = backend
        self._connection = connection
        self.name = name

    def upsert(self, row: Mapping[str, Any]) -> Self:
        """Insert a row, or replace the one with the same keys. Raises ValueError if a key is missing."""
        if missing := [key for key in ("PartitionKey", "RowKey") if not isinstance(row.get(key), str)]:
            raise ValueError(f"A row of the table '{self.name}' needs {' and '.join(missing)} as text.")
        entity = {name: _stored(value) for name, value in row.items()}

        async def upsert(account: StorageAccount) -> None:
            try:
                await account.tables.upsert_replace(self.name, entity)
            except NotFound:
                await account.tables.create_table(self.name)
                await account.tables.upsert_replace(self.name, entity)

        self._backend.use_storage(upsert, self._connection)
        return self

    def get(self, partition_key: str, row_key: str) -> dict[str, Any] | None:
        """One row; None if it does not exist."""

        async def get(account: StorageAccount) -> dict[str, Any] | None:
            try:
                return await account.tables.get(self.name, partition_key, row_key)
            except NotFound:
                return None

        found = self._backend.use_storage(get, self._connection)
        return None if found is None else _row(found)

    def rows(self, filter: str | None = None) -> list[dict[str, Any]]:
        """The rows in the order of their keys. `filter` is an OData filter such as `PartitionKey eq 'orders'`."""

        async def rows(account: StorageAccount) -> list[dict[str, Any]]:
            try:
                return [row async for row in account.tables.query_all(self.name, filter)]
            except NotFound:
                return []

        return [_row(found) for found in self._backend.use_storage(rows, self._connection)]

    def delete(self, partition_key: str, row_key: str) -> Self:
        """Delete a row, if it exists."""

        async def delete(account: StorageAccount) -> None:
            try:
                await account.tables.delete(self.name, partition_key, row_key)
            except NotFound:
                return

        self._backend.use_storage(delete, self._connection)
        return self

    def __len__(self) -> int:
        return len(self.rows())

    def __bool__(self) -> bool:
        return True

    def __repr__(self) -> str:
        return f"<table '{self.name}'>"


def _stored(value: Any) -> Any:
    """A value with the type that stands for its Edm type."""
    if isinstance(value, datetime):
        return EdmDateTime(timestamp.from_datetime(value))
    if isinstance(value, UUID):
        return EdmGuid(str(value))
    if type(value) is int and not INT32_MIN <= value <= INT32_MAX:
        return Int64(value)
    return value


def _row(entity: Mapping[str, Any]) -> dict[str, Any]:
    return {name: _plain(value) for name, value in entity.items()}


def _plain(value: Any) -> Any:
    if isinstance(value, EdmDateTime):
        return timestamp.to_datetime(value)
    if isinstance(value, EdmGuid):
        return UUID(value)
    return int(value) if isinstance(value, Int64) else value
