"""Ends an entity that is terminated, as the extension ends the orchestration that represents it.

Source: docs/protocol/task-hub-storage-entities.md#terminated-entities
"""

from collections.abc import Sequence

import msgspec

from durable_host.durable.engine.completion import ended_by_termination
from durable_host.durable.engine.diagnostic import Diagnostic
from durable_host.durable.engine.entity_execution import EntityExecution
from durable_host.durable.model.events import (
    EventRaised,
    ExecutionTerminated,
    HistoryEvent,
    OrchestratorCompleted,
    OrchestratorStarted,
)
from durable_host.durable.model.instance import InstanceUpdate

TERMINATED = "DH6152"


def end_of(execution: EntityExecution, termination: ExecutionTerminated, *, now: int) -> list[HistoryEvent]:
    """End `execution`, which must have started. Return the events to append to its history."""
    execution.end = ended_by_termination(termination.input).event(0, now)
    return [
        OrchestratorStarted(timestamp=now),
        msgspec.structs.replace(termination, is_played=True),
        execution.end,
        OrchestratorCompleted(timestamp=now),
    ]


def ended_row(execution: EntityExecution) -> InstanceUpdate:
    """Return the row update of an entity that has ended."""
    assert execution.end is not None
    return InstanceUpdate(
        execution_id=execution.execution_id or "",
        last_updated_time=execution.end.timestamp,
        custom_status=execution.scheduler.custom_status(),
        runtime_status=execution.end.orchestration_status,
        output=execution.end.result,
        completed_time=execution.end.timestamp,
        parent_instance_id="",
    )


def terminated(instance_id: str, now: int) -> Diagnostic:
    """Return the finding about a termination."""
    return Diagnostic(
        code=TERMINATED,
        instance_id=instance_id,
        severity="warning",
        text="The entity was terminated. As in Azure, it takes no operations until it is purged, and a caller waits "
        "forever. To delete an entity, purge it or use destruct_on_exit.",
        timestamp=now,
    )


def dropped(instance_id: str, operations: Sequence[EventRaised], now: int) -> Diagnostic:
    """Return the finding about operations that arrived after the end. It is reported once per entity."""
    return Diagnostic(
        code=TERMINATED,
        instance_id=instance_id,
        severity="warning",
        text=f"{len(operations)} operation(s) were dropped, because the entity was terminated. As in Azure, a caller "
        "waits forever. Purge the entity: the next operation creates it again.",
        timestamp=now,
        once=(TERMINATED, instance_id),
    )
