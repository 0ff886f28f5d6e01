"""Rewinds failed instances in place.

Source: docs/protocol/task-hub-storage-clients.md#rewind
"""

from collections.abc import Sequence
from sqlite3 import Connection

from durable_host.durable.engine.renumbering import answered_id, with_one_numbering
from durable_host.durable.engine.retry_timers import retry_timers
from durable_host.durable.model.events import (
    ExecutionCompleted,
    GenericEvent,
    HistoryEvent,
    OrchestrationInstance,
    SubOrchestrationInstanceCreated,
    SubOrchestrationInstanceFailed,
    TaskFailed,
    TaskScheduled,
)
from durable_host.durable.model.messages import TaskMessage
from durable_host.durable.model.status import OrchestrationStatus
from durable_host.durable.taskhub.sqlite import codec, history, messages

_Row = tuple[int, HistoryEvent]
"""The ordinal of a row, and its event."""


def rewind(connection: Connection, instance_id: str, reason: str | None, now: int) -> None:
    """Remove failures from the history, including those of failed children, and wake the deepest failed instances."""
    stored = history.rows(connection, instance_id)
    seen = with_one_numbering([event for _, event in stored]).events
    rows = [(ordinal, event) for (ordinal, _), event in zip(stored, seen, strict=True)]
    rewound, failed_children = _failures(connection, rows)
    numbered = [(event.event_name, _number_of(event)) for _, event in rows]
    rewound += [rows[index] for index in retry_timers(numbered)]
    for ordinal, event in rewound:
        history.replace_row(connection, instance_id, ordinal, _without_effect(event))
    history.invalidate(connection, instance_id)
    connection.execute(
        "UPDATE instances SET runtime_status = ?, last_updated_time = ? WHERE instance_id = ?",
        (int(OrchestrationStatus.Pending), now, codec.storable(instance_id)),
    )
    for child in failed_children:
        rewind(connection, child, reason, now)
    if not failed_children:
        wake_up = TaskMessage(GenericEvent(data=reason, timestamp=now), OrchestrationInstance(instance_id))
        messages.insert(connection, [wake_up], now)


def _failures(connection: Connection, rows: Sequence[_Row]) -> tuple[list[_Row], list[str]]:
    """Return the rows of failures and of the calls that failed, and the failed children that still have a history."""
    scheduled: dict[int, tuple[int, TaskScheduled]] = {}
    created: dict[int, tuple[int, SubOrchestrationInstanceCreated]] = {}
    rewound: list[_Row] = []
    failed_children: list[str] = []
    for ordinal, event in rows:
        if isinstance(event, TaskScheduled):
            scheduled[event.event_id] = (ordinal, event)
        elif isinstance(event, SubOrchestrationInstanceCreated):
            created[event.event_id] = (ordinal, event)
        elif isinstance(event, TaskFailed):
            rewound += [(ordinal, event), *_known(scheduled.get(event.task_scheduled_id))]
        elif isinstance(event, SubOrchestrationInstanceFailed):
            rewound.append((ordinal, event))
            start = created.get(event.task_scheduled_id)
            if start is not None and _has_history(connection, start[1].instance_id):
                failed_children.append(start[1].instance_id)
            else:
                rewound += _known(start)
        elif isinstance(event, ExecutionCompleted) and event.orchestration_status == OrchestrationStatus.Failed:
            rewound.append((ordinal, event))
    return rewound, failed_children


def _known(row: _Row | None) -> Sequence[_Row]:
    return [] if row is None else [row]


def _number_of(event: HistoryEvent) -> int:
    number = answered_id(event)
    return event.event_id if number is None else number


def _has_history(connection: Connection, instance_id: str) -> bool:
    return history.load(connection, instance_id).execution_id is not None


def _without_effect(event: HistoryEvent) -> GenericEvent:
    return GenericEvent(
        event_id=event.event_id,
        is_played=event.is_played,
        timestamp=event.timestamp,
        reason=f"Rewound: {event.event_name}",
    )
