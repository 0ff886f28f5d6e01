"""Rewinds a failed orchestration: rewrites its failures in place, so that a replay schedules the calls again.

Source: docs/protocol/task-hub-storage-clients.md#rewind
"""

from collections.abc import Sequence
from typing import Any

from durable_host.clock import Clock
from durable_host.durable.engine.renumbering import numbers_in
from durable_host.durable.engine.retry_timers import retry_timers
from durable_host.durable.model.events import GenericEvent, OrchestrationInstance
from durable_host.durable.model.messages import TaskMessage
from durable_host.durable.model.status import OrchestrationStatus
from durable_host.durable.taskhub.azure.history_reader import FIRST_ROW, current_rows
from durable_host.durable.taskhub.azure.instance_query import partition_filter
from durable_host.durable.taskhub.azure.instance_store import InstanceStore
from durable_host.durable.taskhub.azure.names import SENTINEL, HubNames, escape_key
from durable_host.durable.taskhub.port import TaskHubRefused
from durable_host.storage import EdmDateTime, Entity, PreconditionFailed, TableService

_ATTEMPTS = 3
_FAILURES = ("TaskFailed", "SubOrchestrationInstanceFailed")
_RESULTS = ("SubOrchestrationInstanceCompleted", "SubOrchestrationInstanceFailed")
_NUMBER = {
    "TaskFailed": "TaskScheduledId",
    "SubOrchestrationInstanceFailed": "TaskScheduledId",
    "TimerFired": "TimerId",
}
_CHILD = "SubOrchestrationInstanceCreated"
_CHILD_REWOUND = f"Rewound: {_CHILD}"
_INTERRUPTED = (OrchestrationStatus.Failed.name, OrchestrationStatus.Pending.name)


class Rewinder:
    """Rewinds an instance and the failed children that caused its failure."""

    def __init__(self, tables: TableService, names: HubNames, instances: InstanceStore, clock: Clock) -> None:
        self._tables = tables
        self._names = names
        self._instances = instances
        self._clock = clock

    async def rewind(self, instance_id: str, reason: str | None) -> list[TaskMessage]:
        """Rewrite the rows. Return the wake-up messages to send now, one for each deepest failed instance.

        A rewind that was interrupted can be repeated: it continues where it stopped. Raises TaskHubRefused if the
        instance has no history.
        """
        wakeups: list[TaskMessage] = []
        await self._rewind(instance_id, reason, wakeups, frozenset())
        return wakeups

    async def _rewind(
        self, instance_id: str, reason: str | None, wakeups: list[TaskMessage], above: frozenset[str]
    ) -> None:
        children: list[str] = []
        for attempt in range(_ATTEMPTS):
            try:
                await self._rewrite(instance_id, children)
                break
            except PreconditionFailed:
                if attempt == _ATTEMPTS - 1:
                    raise
        for attempt in range(_ATTEMPTS):
            try:
                await self._reopen(instance_id)
                break
            except PreconditionFailed:
                if attempt == _ATTEMPTS - 1:
                    raise
        above |= {instance_id}
        children = [child for child in dict.fromkeys(children) if child not in above]
        for child in children:
            await self._rewind(child, reason, wakeups, above)
        if not children:
            event = GenericEvent(data=reason, timestamp=self._clock.now())
            wakeups.append(TaskMessage(event, OrchestrationInstance(instance_id)))

    async def _reopen(self, instance_id: str) -> None:
        """Set the row of a failed instance back to Pending."""
        row = await self._instances.get_row(instance_id, ("RuntimeStatus",))
        if row is not None and row.get("RuntimeStatus") == OrchestrationStatus.Failed.name:
            if not await self._has_history(instance_id):
                text = f"The instance '{instance_id}' cannot be rewound: its history is missing or is being purged."
                raise TaskHubRefused(text, public_text=text, kind="NoHistory")
            pending = {
                "RuntimeStatus": OrchestrationStatus.Pending.name,
                "LastUpdatedTime": EdmDateTime(self._clock.now()),
            }
            await self._instances.merge(instance_id, pending, row.etag)

    async def _rewrite(self, instance_id: str, children: list[str]) -> None:
        """Rewrite the failures of the current execution, and add its failed children to `children`."""
        query = partition_filter(instance_id)
        rows, _ = current_rows([row async for row in self._tables.query_all(self._names.history, query)])
        numbers = _NumbersOfRows(rows)
        for row in rows:
            if row.get("Reason") == _CHILD_REWOUND and not numbers.has_answer(row):
                child = row.get("InstanceId") or ""
                if row.get("EventType") == _CHILD and await self._status(child) in _INTERRUPTED:
                    children.append(child)
        for row in numbers.retry_timers():  # The failures show which these are, so they stay until it is done.
            await self._replace(row, {"Reason": f"Rewound: {row['EventType']}", "EventType": "GenericEvent"})
        failures = [
            row
            for row in rows
            if row.get("EventType") in _FAILURES
            or (row.get("OrchestrationStatus") == "Failed" and row.get("EventType") != "GenericEvent")
        ]
        for failure in failures:
            kind = failure["EventType"]
            if kind == "TaskFailed":
                for row in numbers.called(failure, "TaskScheduled"):
                    await self._replace(row, {"Reason": "Rewound: TaskScheduled", "EventType": "GenericEvent"})
            elif kind == "SubOrchestrationInstanceFailed":
                for row in numbers.called(failure, _CHILD):
                    await self._rewrite_child(row, children)
            await self._replace(failure, {"Reason": f"Rewound: {kind}", "EventType": "GenericEvent"})

    async def _rewrite_child(self, row: Entity, children: list[str]) -> None:
        """Rewind a child that has failed. A child without a history, or not of this parent, is called again."""
        child = row.get("InstanceId") or ""
        if await self._status(child) == OrchestrationStatus.Failed.name and await self._has_history(child):
            children.append(child)
            await self._replace(row, {"Reason": _CHILD_REWOUND})
        else:
            await self._replace(row, {"Reason": _CHILD_REWOUND, "EventType": "GenericEvent"})

    async def _has_history(self, instance_id: str) -> bool:
        """False when there is neither the sentinel nor the first row: a purge deletes them first."""
        for key in (SENTINEL, FIRST_ROW):
            if await self._tables.get(self._names.history, escape_key(instance_id), key, ("RowKey",)) is not None:
                return True
        return False

    async def _status(self, instance_id: str) -> str | None:
        row = await self._instances.get_row(instance_id, ("RuntimeStatus",))
        return row.get("RuntimeStatus") if row is not None else None

    async def _replace(self, row: Entity, changes: dict[str, Any]) -> None:
        row.update(changes)
        row.pop("ReasonBlobName", None)
        row.etag = await self._tables.replace(self._names.history, row, row.etag)


class _NumbersOfRows:
    """Matches rows of calls and results, even if both SDK generations have written them."""

    def __init__(self, rows: Sequence[Entity]) -> None:
        self._rows = rows
        signs = ((index, numbers_in(row.get("Data"))) for index, row in enumerate(rows))
        found = next(((index, numbers) for index, numbers in signs if numbers is not None), None)
        sign, self._numbers = found or (0, dict[int, int | None]())
        self._older = {row["RowKey"] for row in rows[:sign]}

    def called(self, result: Entity, kind: str) -> list[Entity]:
        """Return the calls of a kind that a result answers. A retry of 2.x code repeats the number of its call."""
        number = self._of(result, "TaskScheduledId")
        return [row for row in self._rows if row.get("EventType") == kind and self._of(row, "EventId") == number]

    def has_answer(self, child: Entity) -> bool:
        """True when the call of a child has a result."""
        number = self._of(child, "EventId")
        return any(
            row.get("EventType") in _RESULTS and self._of(row, "TaskScheduledId") == number for row in self._rows
        )

    def retry_timers(self) -> list[Entity]:
        """Return the rows of timers between two attempts of a call by 2.x code."""
        kinds = [row.get("EventType") or "" for row in self._rows]
        numbers = [
            (kind, self._of(row, _NUMBER.get(kind, "EventId"))) for kind, row in zip(kinds, self._rows, strict=True)
        ]
        return [self._rows[index] for index in retry_timers(numbers)]

    def _of(self, row: Entity, column: str) -> int | None:
        number = row.get(column)
        return self._numbers.get(number, number) if number is not None and row["RowKey"] in self._older else number
