"""Deletes instances: the history first, then the blobs, and the Instances row last, so that an interrupted purge can be
repeated. The first transaction deletes the sentinel and the first rows, and what remains is not read as a history.

Source: docs/protocol/task-hub-storage-clients.md#purge
"""

from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

from durable_host.durable.taskhub.azure.history_rows import OWED, OWED_MESSAGES, UNFINISHED
from durable_host.durable.taskhub.azure.instance_query import partition_filter
from durable_host.durable.taskhub.azure.instance_store import InstanceStore
from durable_host.durable.taskhub.azure.large_payloads import LargePayloads
from durable_host.durable.taskhub.azure.names import SENTINEL, HubNames, escape_key
from durable_host.storage import (
    BlobProperties,
    Entity,
    NotFound,
    Operation,
    PreconditionFailed,
    TableService,
    TransactionFailed,
)
from durable_host.storage.bounded import for_each
from durable_host.timestamp import TICKS_PER_SECOND

Item = TypeVar("Item")

_AT_ONCE = 100
_TRANSACTIONS_AT_ONCE = 10
_IN_A_STEP = 50
"""Rows or blobs of a step of `purge_ended`. Azurite does nothing else while it runs a transaction."""
_KEYS = ("PartitionKey", "RowKey")
_COLUMNS = (*_KEYS, OWED, OWED_MESSAGES, UNFINISHED, "IsCheckpointComplete")


class Purger:
    """Deletes instances from the tables and the container of a hub."""

    def __init__(
        self, tables: TableService, names: HubNames, instances: InstanceStore, payloads: LargePayloads
    ) -> None:
        self._tables = tables
        self._table = names.history
        self._instances = instances
        self._payloads = payloads

    async def purge(self, instance_id: str) -> None:
        """Delete an instance as fast as possible, whatever it owes."""
        rows = await self._rows(instance_id, _KEYS)
        first, rest = rows[:_AT_ONCE], rows[_AT_ONCE:]
        await self._delete(first)
        await for_each(_pieces(rest, _AT_ONCE), self._delete, _TRANSACTIONS_AT_ONCE)
        await self._payloads.delete(await self._blobs(instance_id))
        await self._instances.delete(instance_id)

    async def purge_ended(self, instance_id: str, ended_before: int, pause: Callable[[], Awaitable[None]]) -> bool:
        """Delete an instance in steps, with a call of `pause` between two steps, as `TaskHub.purge_ended` says."""
        blobs = await self._properties(instance_id)
        if any(blob.last_modified + TICKS_PER_SECOND > ended_before for blob in blobs):  # Whole seconds, rounded down.
            return False  # A start writes its blobs before the row, so they may be those of a new execution.
        state = await self._instances.get(instance_id, fetch_input=False, fetch_output=False)
        if state is None or not state.runtime_status.is_terminal or state.ended_time >= ended_before:
            return False
        rows = await self._rows(instance_id, _COLUMNS)
        if rows and _owes(rows[0]):
            return False
        steps = _pieces(rows, _IN_A_STEP)
        try:
            for step in steps:
                await self._delete(step, is_guarded=True)
                if step is not steps[-1]:
                    await pause()
            for step in _pieces(blobs, _IN_A_STEP):
                await pause()
                await self._payloads.delete([blob.name for blob in step])
            await self._instances.delete(instance_id, state.etag)
        except PreconditionFailed:
            return False
        return True

    async def _rows(self, instance_id: str, columns: Sequence[str]) -> list[Entity]:
        """Return all rows of all executions, the sentinel first."""
        found = self._tables.query_all(self._table, partition_filter(instance_id), columns)
        return sorted([row async for row in found], key=lambda row: row["RowKey"] != SENTINEL)

    async def _blobs(self, instance_id: str) -> list[str]:
        return [blob.name for blob in await self._properties(instance_id)]

    async def _properties(self, instance_id: str) -> list[BlobProperties]:
        prefixes = dict.fromkeys((f"{instance_id}/", f"{escape_key(instance_id)}/"))
        return [blob for prefix in prefixes for blob in await self._payloads.found(prefix)]

    async def _delete(self, rows: Sequence[Entity], *, is_guarded: bool = False) -> None:
        """Delete rows. With `is_guarded`, raises `PreconditionFailed` if one was changed since it was read."""
        if not rows:
            return
        operations = [
            Operation("delete", {name: row[name] for name in _KEYS}, row.etag if is_guarded else None) for row in rows
        ]
        try:
            await self._tables.transaction(self._table, operations)
        except TransactionFailed as failure:
            if failure.status == 412:
                raise PreconditionFailed(failure.status, failure.code, str(failure)) from failure
            # 400: Azurite cannot read some characters of a key in a transaction.
            if failure.status not in (400, 404):
                raise
            await self._delete_row(operations[0])
            await for_each(operations[1:], self._delete_row, 8)

    async def _delete_row(self, operation: Operation) -> None:
        key = operation.entity
        try:
            await self._tables.delete(self._table, key["PartitionKey"], key["RowKey"], operation.etag or "*")
        except NotFound:
            return


def _owes(first: Entity) -> bool:
    """True when a host may still have to do something that follows from the last commit."""
    is_unfinished = bool(first.get(UNFINISHED)) and first.get("IsCheckpointComplete") is False
    return bool(first.get(OWED) or first.get(OWED_MESSAGES)) or is_unfinished


def _pieces(items: Sequence[Item], size: int) -> list[Sequence[Item]]:
    return [items[at : at + size] for at in range(0, len(items), size)]
