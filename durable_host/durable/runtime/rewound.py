"""A rewind that was interrupted, as the history shows it."""

from collections.abc import Sequence

from durable_host.durable.model.events import GenericEvent, HistoryEvent, OrchestratorCompleted


def is_rewound(events: Sequence[HistoryEvent]) -> bool:
    """Whether the last thing that happened is a rewind: the end of the instance was taken out of its history, and no
    episode has followed. The message that wakes the instance may be missing then.
    """
    ends = [event for event in events[-3:] if not isinstance(event, OrchestratorCompleted)]
    return bool(ends) and isinstance(ends[-1], GenericEvent) and ends[-1].reason == "Rewound: ExecutionCompleted"
