"""The history as a table: one record per event, with its position, its time and everything it has."""

import sys
from collections.abc import Sequence
from typing import Any

import msgspec

from durable_host.dashboard.payloads import IN_LIST, cut, time_text
from durable_host.durable.model import event_parts
from durable_host.durable.model.events import (
    EVENT_CLASS_BY_NAME,
    FailureDetails,
    HistoryEvent,
    OrchestrationInstance,
    ParentInstance,
    SubOrchestrationInstanceCreated,
    TaskScheduled,
    TimerCreated,
    TraceContext,
)
from durable_host.durable.model.status import OrchestrationStatus

_TIMES = {"fire_at", "scheduled_start_time"}
_TEXTS = {"input", "result", "details", "data", "reason"}
_BASE = {"event_id", "is_played", "timestamp", "name", "task_scheduled_id", "timer_id"}


class HistoryTable:
    """The events of one execution. Completions have the name of their call."""

    def __init__(self, events: Sequence[HistoryEvent]) -> None:
        self._events = events
        self._names: dict[int, str] = {}
        for event in events:
            if isinstance(event, TaskScheduled | SubOrchestrationInstanceCreated):
                self._names[event.event_id] = event.name
            elif isinstance(event, TimerCreated):
                self._names[event.event_id] = "timer"

    def page(self, after: int, top: int, *, is_full: bool = False) -> tuple[list[dict[str, Any]], int | None]:
        """Return at most `top` records after the position `after` (-1: all), and the last one's if more follow.

        With `is_full`, texts are not cut.
        """
        first = max(0, after + 1)
        last = min(len(self._events), first + top)
        limit = sys.maxsize if is_full else IN_LIST
        records = [self._record(ordinal, limit) for ordinal in range(first, last)]
        return records, last - 1 if records and last < len(self._events) else None

    def _record(self, ordinal: int, limit: int) -> dict[str, Any]:
        event = self._events[ordinal]
        answered: int | None = getattr(event, "task_scheduled_id", getattr(event, "timer_id", None))
        number = event.event_id if event.event_id >= 0 else answered
        name: str | None = getattr(event, "name", None)
        if name is None and number is not None:
            name = self._names.get(number)
        record: dict[str, Any] = {
            "ordinal": ordinal,
            "type": event.event_name,
            "time": time_text(event.timestamp),
            "taskId": number,
            "name": name or None,
        }
        for field in event.__struct_fields__:
            value = getattr(event, field)
            if field not in _BASE and value is not None and value != "" and value is not False:
                record |= _members(field, value, limit)
        return record


def record_names() -> frozenset[str]:
    """The names that a record may have in addition to those that each one has."""
    fields = {field for kind in EVENT_CLASS_BY_NAME.values() for field in kind.__struct_fields__} - _BASE
    return frozenset(map(_camel, fields)) | {"instanceId", "executionId", "parent"}


def _members(field: str, value: Any, limit: int) -> dict[str, Any]:
    name = _camel(field)
    if field in _TIMES:
        return {name: time_text(value)}
    if field in _TEXTS:
        text, is_cut = cut(value, limit)
        return {name: text, f"{name}IsTruncated": True} if is_cut else {name: text}
    match value:
        case OrchestrationStatus():
            return {name: value.name}
        case OrchestrationInstance():
            return {"instanceId": value.instance_id, "executionId": value.execution_id}
        case ParentInstance():
            return {"parent": {"id": value.orchestration_instance.instance_id, "name": value.name}}
        case FailureDetails():
            return {name: event_parts.failure(value)}
        case TraceContext():
            return {name: event_parts.trace(value)}
        case _:
            return {name: msgspec.to_builtins(value)}


def _camel(field: str) -> str:
    head, *rest = field.split("_")
    return head + "".join(part.capitalize() for part in rest)
