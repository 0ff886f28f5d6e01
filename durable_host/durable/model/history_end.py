"""Checks the last events of a history: whether the instance has ended, or a rewind has removed its end."""

from collections.abc import Sequence

from durable_host.durable.model.events import ExecutionCompleted, GenericEvent, HistoryEvent, OrchestratorCompleted


def has_ended(events: Sequence[HistoryEvent]) -> bool:
    """True when the last episode ended the execution."""
    return any(isinstance(event, ExecutionCompleted) for event in events[-2:])


def is_rewound(events: Sequence[HistoryEvent]) -> bool:
    """True when a rewind has removed the end of the instance from its history and no episode has followed.

    The message that wakes the instance may then be missing.
    """
    ends = [event for event in events[-3:] if not isinstance(event, OrchestratorCompleted)]
    return bool(ends) and isinstance(ends[-1], GenericEvent) and ends[-1].reason == "Rewound: ExecutionCompleted"
