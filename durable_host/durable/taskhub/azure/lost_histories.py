"""Instances whose history was deleted with its table: they cannot continue, so they fail with the reason."""

from durable_host.clock import Clock
from durable_host.durable.model.status import TERMINAL_STATUSES, OrchestrationStatus
from durable_host.durable.taskhub.azure.names import HubNames
from durable_host.storage import EdmDateTime, Entity, NotFound, PreconditionFailed, TableService

_COLUMNS = ("PartitionKey", "RowKey", "ExecutionId")
_BEGUN = frozenset(OrchestrationStatus) - TERMINAL_STATUSES - {OrchestrationStatus.Pending}


class LostHistories:
    """Call `find` while the History table is missing, so that no instance can begin, and `fail` once it is back."""

    def __init__(self, tables: TableService, names: HubNames, clock: Clock) -> None:
        self._tables = tables
        self._names = names
        self._clock = clock

    async def find(self) -> list[Entity]:
        """Return the rows of orchestrations that have begun and not ended, or none if the History table exists."""
        try:
            await self._tables.query(self._names.history, top=1)
            return []
        except NotFound:
            pass
        begun = " or ".join(f"RuntimeStatus eq '{status.name}'" for status in sorted(_BEGUN))
        query = f"({begun}) and (PartitionKey lt '@' or PartitionKey ge 'A')"
        try:
            return [row async for row in self._tables.query_all(self._names.instances, query, _COLUMNS)]
        except NotFound:
            return []

    async def fail(self, rows: list[Entity]) -> None:
        """Write the failure to each row, unless the row was changed in the meantime."""
        now = EdmDateTime(self._clock.now())
        for row in rows:
            end = {
                "PartitionKey": row["PartitionKey"],
                "RowKey": row["RowKey"],
                "RuntimeStatus": OrchestrationStatus.Failed.name,
                "Output": f"The history of this instance was lost: the table '{self._names.history}' was deleted.",
                "CompletedTime": now,
                "LastUpdatedTime": now,
            }
            try:
                await self._tables.merge(self._names.instances, end, row.etag)
            except (NotFound, PreconditionFailed):
                continue
