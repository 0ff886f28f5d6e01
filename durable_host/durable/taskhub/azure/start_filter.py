"""Decides what to do with a start message from a queue: run it, delete it, or wait for the instance's row.

A client sends the start before it writes the row, and clients that lose a race leave their messages behind. A start
with an older generation than the row, which the official backend receives ten times, is deleted at once.

Source: docs/protocol/task-hub-storage-processing.md#start-filter
"""

from typing import Literal

from durable_host.durable.model.events import ExecutionStarted, is_same_execution
from durable_host.durable.model.instance import InstanceState
from durable_host.durable.model.status import OrchestrationStatus

_ATTEMPTS = 10
Verdict = Literal["process", "delete", "wait"]


def filter_start(event: ExecutionStarted, row: InstanceState | None, dequeue_count: int, dequeued_at: int) -> Verdict:
    """Decide. `row` is the instance's current row; `dequeued_at` (ticks) is when the queue delivered the message."""
    if row is not None:
        if is_same_execution(row.execution_id, event.orchestration_instance.execution_id):
            terminated = row.execution_id and row.runtime_status is OrchestrationStatus.Terminated
            return "delete" if terminated else "process"
        if event.generation is not None and row.generation is not None and event.generation < row.generation:
            return "delete"
        if (event.generation or 0) == (row.generation or 0) and (
            (row.created_time < event.timestamp and row.runtime_status is OrchestrationStatus.Pending)
            or (dequeue_count > 1 and dequeued_at > row.created_time)
        ):
            return "delete"
    return "delete" if dequeue_count >= _ATTEMPTS else "wait"
