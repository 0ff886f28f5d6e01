"""The table service: single entities, queries, tables."""

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any

import msgspec

from durable_host.storage import table_codec
from durable_host.storage.errors import Conflict
from durable_host.storage.table_codec import Entity, entity_path, read_entity, write_entity
from durable_host.storage.table_transactions import Operation, read_transaction, write_transaction
from durable_host.storage.transport import HttpChannel

_ACCEPT = "application/json;odata=minimalmetadata"
_READ = {"Accept": _ACCEPT, "DataServiceVersion": "3.0"}
_WRITE = {"Accept": _ACCEPT, "Content-Type": "application/json", "DataServiceVersion": "3.0"}
_INSERT = {**_WRITE, "Prefer": "return-no-content"}
_BATCH = {"Content-Type": "multipart/mixed; boundary=batch_b", "DataServiceVersion": "3.0"}

_decode_json = msgspec.json.Decoder().decode


class Page(msgspec.Struct, frozen=True):
    """One page of a query. `continuation` is None on the last page. An empty page may have a continuation."""

    entities: list[Entity]
    continuation: tuple[str, str] | None


class TableService:
    """Tables of one account; entities are dicts of the types in `table_codec`, with PartitionKey and RowKey.

    Errors are those of `storage.errors`; a missing table is NotFound with the code `TableNotFound`.
    """

    def __init__(self, channel: HttpChannel) -> None:
        self._channel = channel

    async def create_table(self, name: str) -> bool:
        """Create a table; False if it already exists."""
        body = msgspec.json.encode({"TableName": name})
        try:
            await self._channel.send("POST", "/Tables", headers=_INSERT, body=body)
        except Conflict as error:
            if error.code != "TableAlreadyExists":
                raise
            return False
        return True

    async def delete_table(self, name: str) -> bool:
        """Delete a table with its rows; False if it does not exist."""
        reply = await self._channel.send("DELETE", f"/Tables('{name}')", headers=_READ, expect=(404,))
        return reply.status != 404

    async def table_exists(self, name: str) -> bool:
        """Whether the table exists."""
        return name in await self.list_tables(name)

    async def list_tables(self, prefix: str = "") -> list[str]:
        """Names of all tables that begin with `prefix`, in order."""
        names: list[str] = []
        following = ""
        while True:
            query: list[tuple[str, str]] = []
            if prefix:
                after = prefix[:-1] + chr(ord(prefix[-1]) + 1)
                query.append(("$filter", f"TableName ge '{prefix}' and TableName lt '{after}'"))
            if following:
                query.append(("NextTableName", following))
            reply = await self._channel.send("GET", "/Tables", query, _READ)
            names += [row["TableName"] for row in _decode_json(reply.body)["value"]]
            following = reply.headers.get("x-ms-continuation-NextTableName", "")
            if not following:
                return [name for name in names if name.startswith(prefix)]

    async def get(
        self, table: str, partition_key: str, row_key: str, select: Sequence[str] | None = None
    ) -> Entity | None:
        """One entity, or None if the table has no such row."""
        query = (("$select", ",".join(select)),) if select else ()
        path = entity_path(table, partition_key, row_key)
        reply = await self._channel.send("GET", path, query, _READ, expect=(404,))
        if reply.status == 404:
            error = self._channel.error(reply, path)
            if error.code == "TableNotFound":
                raise error
            return None
        entity = read_entity(_decode_json(reply.body))
        entity.etag = reply.headers.get("ETag") or entity.etag
        return entity

    async def insert(self, table: str, entity: Mapping[str, Any]) -> str:
        """Insert a row and return its etag; Conflict `EntityAlreadyExists` if it exists."""
        for name in ("PartitionKey", "RowKey"):
            table_codec.check_key(entity[name], name)
        reply = await self._channel.send("POST", f"/{table}", headers=_INSERT, body=write_entity(entity))
        return reply.headers["ETag"]

    async def merge(self, table: str, entity: Mapping[str, Any], etag: str = "*") -> str:
        """Change the given properties of an existing row; PreconditionFailed if its etag differs."""
        return await self._write("MERGE", table, entity, etag)

    async def replace(self, table: str, entity: Mapping[str, Any], etag: str = "*") -> str:
        """Replace an existing row; PreconditionFailed if its etag differs."""
        return await self._write("PUT", table, entity, etag)

    async def upsert_merge(self, table: str, entity: Mapping[str, Any]) -> str:
        """Insert the row, or change the given properties of the existing one."""
        return await self._write("MERGE", table, entity, None)

    async def upsert_replace(self, table: str, entity: Mapping[str, Any]) -> str:
        """Insert or replace the row."""
        return await self._write("PUT", table, entity, None)

    async def delete(self, table: str, partition_key: str, row_key: str, etag: str = "*") -> None:
        """Delete a row; NotFound if it does not exist, PreconditionFailed if its etag differs."""
        path = entity_path(table, partition_key, row_key)
        await self._channel.send("DELETE", path, headers={**_READ, "If-Match": etag})

    async def query(
        self,
        table: str,
        filter: str | None = None,
        select: Sequence[str] | None = None,
        top: int | None = None,
        continuation: tuple[str, str] | None = None,
    ) -> Page:
        """One page of the service (at most 1000 rows), in key order."""
        query: list[tuple[str, str]] = []
        if filter:
            query.append(("$filter", filter))
        if select:
            query.append(("$select", ",".join(select)))
        if top is not None:
            query.append(("$top", str(top)))
        if continuation is not None:
            query.append(("NextPartitionKey", continuation[0]))
            if continuation[1]:
                query.append(("NextRowKey", continuation[1]))
        reply = await self._channel.send("GET", f"/{table}()", query, _READ)
        entities = [read_entity(row) for row in _decode_json(reply.body)["value"]]
        partition = reply.headers.get("x-ms-continuation-NextPartitionKey")
        if partition is None:
            return Page(entities, None)
        return Page(entities, (partition, reply.headers.get("x-ms-continuation-NextRowKey", "")))

    async def query_all(
        self, table: str, filter: str | None = None, select: Sequence[str] | None = None
    ) -> AsyncIterator[Entity]:
        """All matching rows, page by page."""
        continuation: tuple[str, str] | None = None
        while True:
            page = await self.query(table, filter, select, None, continuation)
            for entity in page.entities:
                yield entity
            continuation = page.continuation
            if continuation is None:
                return

    async def transaction(self, table: str, operations: Sequence[Operation]) -> list[str]:
        """Run all operations or none, and return the new etags in order (empty for deletes).

        Raises TransactionFailed. There may be at most 100 operations, on distinct rows of one partition, and 4 MiB;
        otherwise raises InvalidRequest without sending anything.
        """
        body = write_transaction(self._channel.endpoint, table, operations)
        reply = await self._channel.send("POST", "/$batch", headers=_BATCH, body=body)
        return read_transaction(reply, len(operations), table)

    async def _write(self, method: str, table: str, entity: Mapping[str, Any], etag: str | None) -> str:
        path = entity_path(table, entity["PartitionKey"], entity["RowKey"])
        headers = _WRITE if etag is None else {**_WRITE, "If-Match": etag}
        reply = await self._channel.send(method, path, headers=headers, body=write_entity(entity))
        return reply.headers["ETag"]
