"""Which start messages run, back-off, and worker-side decisions without storage.

Source: docs/protocol/task-hub-storage-processing.md#start-filter,
    docs/protocol/task-hub-storage-queues.md#poll-back-off
"""

import pytest

from durable_host.durable.model.events import ExecutionStarted, OrchestrationInstance
from durable_host.durable.model.instance import InstanceState
from durable_host.durable.model.status import OrchestrationStatus as S
from durable_host.durable.taskhub.azure.start_filter import filter_start


def start(execution_id: str = "e", *, generation: int | None = 0, timestamp: int = 100) -> ExecutionStarted:
    return ExecutionStarted(
        orchestration_instance=OrchestrationInstance("a", execution_id), generation=generation, timestamp=timestamp
    )


def row(execution_id: str | None = "e", status: S = S.Pending, *, created: int = 100, generation: int | None = 0):
    return InstanceState(
        instance_id="a",
        execution_id=execution_id,
        name="F",
        runtime_status=status,
        created_time=created,
        generation=generation,
    )


@pytest.mark.parametrize(
    ("event", "state", "dequeue_count", "dequeued_at", "verdict"),
    [
        (start(), row(), 1, 200, "process"),
        (start("E"), row("e"), 1, 200, "process"),
        (start(), row(None), 1, 200, "process"),
        (start(), row(status=S.Running), 5, 200, "process"),
        (start(), row(status=S.Terminated), 1, 200, "delete"),
        (start(), row("other", created=50), 1, 200, "delete"),
        (start(), row("other", S.Running, created=50), 1, 200, "wait"),
        (start(), row("other", S.Running, created=50), 2, 200, "delete"),
        (start(), row("other", S.Running, created=250), 2, 200, "wait"),
        (start(generation=1), row("other", created=50), 1, 200, "wait"),
        (start(), row("other", S.Running, created=150, generation=1), 1, 200, "delete"),
        (start(), row("e", S.Running, created=150, generation=1), 1, 200, "process"),
        (start(), row("other", created=150, generation=None), 1, 200, "wait"),
        (start(generation=None), row("other", created=50), 1, 200, "delete"),
        (start(), row("other", created=150), 10, 120, "delete"),
        (start(), None, 1, 200, "wait"),
        (start(), None, 9, 200, "wait"),
        (start(), None, 10, 200, "delete"),
    ],
)
def test_start_message_is_filtered_by_the_row(event, state, dequeue_count, dequeued_at, verdict) -> None:
    assert filter_start(event, state, dequeue_count, dequeued_at) == verdict
