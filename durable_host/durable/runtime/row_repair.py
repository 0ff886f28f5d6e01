"""Repairs instance rows that are outdated because of a crash or a missing history.

Source: docs/protocol/task-hub-storage-instances.md#row-writes,
    docs/protocol/task-hub-storage-processing.md#executable-check
"""

from durable_host.durable.engine.state import OrchestrationState
from durable_host.durable.model.events import ExecutionCompleted, ExecutionTerminated
from durable_host.durable.model.instance import InstanceState, InstanceUpdate
from durable_host.durable.model.status import OrchestrationStatus


def terminated_row(row: InstanceState | None, event: ExecutionTerminated, *, now: int) -> InstanceUpdate | None:
    """Return the row of an instance that was terminated before it began, or None if there is nothing to write."""
    if row is None or row.runtime_status.is_terminal:
        return None
    return InstanceUpdate(
        execution_id=row.execution_id or "",
        last_updated_time=event.timestamp,
        runtime_status=OrchestrationStatus.Terminated,
        output=event.input,
        completed_time=now,
    )


def repaired_row(
    row: InstanceState | None, state: OrchestrationState, *, has_begun: bool = False
) -> InstanceUpdate | None:
    """Return the update for a row that does not show that the instance began or ended, or None if it is correct.

    A row of another execution is outdated if it says that execution is running: the instance has continued as new
    since. It is also outdated if it says pending and `has_begun` is true, because that start was consumed. Otherwise a
    client has replaced the instance.
    """
    if row is not None and row.execution_id == state.execution_id:
        if row.runtime_status is state.status:
            return None
    elif row is not None and (
        row.runtime_status.is_terminal or (row.runtime_status is OrchestrationStatus.Pending and not has_begun)
    ):
        return None
    if not state.is_terminal:
        return running_row(state)
    end = next((one for one in reversed(state.history) if isinstance(one, ExecutionCompleted)), None)
    if end is None or state.started is None:
        return None
    details = end.failure_details
    return InstanceUpdate(
        execution_id=state.execution_id or "",
        last_updated_time=state.history[-1].timestamp,
        started=state.started,
        runtime_status=state.status,
        output=end.result if details is None else f"{details.error_type}: {details.error_message}",
        completed_time=end.timestamp,
        parent_instance_id=state.parent_id,
    )


def running_row(state: OrchestrationState) -> InstanceUpdate:
    """Return the row of a running instance as its first episode should have written it."""
    return InstanceUpdate(
        execution_id=state.execution_id or "",
        last_updated_time=state.history[-1].timestamp,
        started=state.started,
        runtime_status=state.status,
        parent_instance_id=state.parent_id,
    )
