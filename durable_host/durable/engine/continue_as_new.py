"""The history with which the next generation starts after continue-as-new.

Source: docs/protocol/task-hub-storage-processing.md#continue-as-new
"""

from collections.abc import Sequence

import msgspec

from durable_host.durable.model.actions import ContinueAsNewAction
from durable_host.durable.model.events import (
    EventRaised,
    ExecutionStarted,
    HistoryEvent,
    OrchestrationInstance,
    OrchestratorCompleted,
    OrchestratorStarted,
)


def next_generation(
    history: Sequence[HistoryEvent],
    started: ExecutionStarted,
    action: ContinueAsNewAction,
    *,
    ended_at: int,
    now: int,
    execution_id: str,
) -> list[HistoryEvent]:
    """Return the first history events of the new execution.

    External events after `ended_at`, the index of the event during which the code continued as new, are carried over.
    Early events that the old generation never awaited are lost, as in the 1.x protocol.
    """
    restarted = msgspec.structs.replace(
        started,
        orchestration_instance=OrchestrationInstance(started.orchestration_instance.instance_id, execution_id),
        input=action.input,
        timestamp=now,
        is_played=False,
        generation=None,
        scheduled_start_time=None,
    )
    carried = [
        msgspec.structs.replace(event, is_played=False)
        for event in history[ended_at + 1 :]
        if isinstance(event, EventRaised)
    ]
    return [OrchestratorStarted(timestamp=now), restarted, *carried, OrchestratorCompleted(timestamp=now)]
