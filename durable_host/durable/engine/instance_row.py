"""What an episode writes: its history rows and the update of the instance row.

Source: docs/protocol/task-hub-storage-history.md#played-flags,
    docs/protocol/task-hub-storage-instances.md#row-writes
"""

from collections.abc import Sequence

import msgspec

from durable_host.durable.model.events import (
    ExecutionCompleted,
    ExecutionResumed,
    ExecutionStarted,
    ExecutionSuspended,
    ExecutionTerminated,
    HistoryEvent,
    OrchestratorCompleted,
    OrchestratorStarted,
)
from durable_host.durable.model.instance import InstanceUpdate
from durable_host.durable.model.status import OrchestrationStatus


def committed_form(events: Sequence[HistoryEvent]) -> list[HistoryEvent]:
    """Return the events with the played flag that is stored: true for those that arrived as messages."""
    return [
        msgspec.structs.replace(event, is_played=True)
        if event.event_id < 0
        and not event.is_played
        and not isinstance(event, OrchestratorStarted | OrchestratorCompleted)
        else event
        for event in events
    ]


def row_update(
    execution_id: str, parent: str, new_events: Sequence[HistoryEvent], custom_status: str | None, *, now: int
) -> tuple[InstanceUpdate, bool]:
    """Return the update, and True when an event changes more than LastUpdatedTime. Later events overwrite earlier ones.

    `parent` is "" when there is no parent. `custom_status` None means that it is not known, so the column is not
    changed.
    """
    started: ExecutionStarted | None = None
    status: OrchestrationStatus | None = None
    output: str | None = None
    completed_time: int | None = None
    for event in new_events:
        match event:
            case ExecutionStarted():
                started = event
            case ExecutionCompleted():
                details = event.failure_details
                status, completed_time = event.orchestration_status, now
                output = event.result if details is None else f"{details.error_type}: {details.error_message}"
            case ExecutionTerminated():
                status, completed_time, output = OrchestrationStatus.Terminated, now, event.input
            case ExecutionSuspended():
                status, output = OrchestrationStatus.Suspended, event.reason
            case ExecutionResumed():
                status, output = OrchestrationStatus.Running, event.reason
            case _:
                pass
    update = InstanceUpdate(
        execution_id=execution_id,
        last_updated_time=new_events[-1].timestamp if new_events else now,
        custom_status="null" if custom_status is None and started is not None else custom_status,
        started=started,
        runtime_status=status,
        output=output,
        completed_time=completed_time,
        parent_instance_id=parent,
    )
    return update, started is not None or status is not None
