"""What the last events of a history say: the instance has ended, or its end was taken back by a rewind."""

from collections.abc import Sequence

from durable_host.durable.model.events import ExecutionCompleted, GenericEvent, HistoryEvent, OrchestratorCompleted


def has_ended(events: Sequence[HistoryEvent]) -> bool:
    """Whether the last episode ended the execution."""
    return any(isinstance(event, ExecutionCompleted) for event in events[-2:])


def is_rewound(events: Sequence[HistoryEvent]) -> bool:
    """Whether the last thing that happened is a rewind: the end of the instance was taken out of its history, and no
    episode has followed. The message that wakes the instance may be missing then.
    """
    ends = [event for event in events[-3:] if not isinstance(event, OrchestratorCompleted)]
    return bool(ends) and isinstance(ends[-1], GenericEvent) and ends[-1].reason == "Rewound: ExecutionCompleted"
