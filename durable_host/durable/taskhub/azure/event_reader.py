"""Reads history events from queue JSON and from table rows, which have the same members with a few spelled differently.

Reading is tolerant: unknown members are ignored and missing ones get their defaults. A required member that is missing
or has the wrong type raises ValueError.

Source: docs/protocol/task-hub-storage-messages.md#tolerant-reading,
    docs/protocol/task-hub-storage-messages.md#event-json,
    docs/protocol/task-hub-storage-history.md#event-row-columns
"""

from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from durable_host import timestamp
from durable_host.durable.model import events as e
from durable_host.durable.model.status import OrchestrationStatus
from durable_host.durable.taskhub.azure import nested_json as nested

_TYPE_PREFIX = "DurableTask.Core.History."


def event_class(members: Mapping[str, Any]) -> type[e.HistoryEvent]:
    """Return the class by `$type` (without its assembly), otherwise by the number in EventType."""
    type_name = members.get("$type")
    if isinstance(type_name, str):
        name = type_name.split(",", 1)[0].strip().removeprefix(_TYPE_PREFIX).removesuffix("Event")
        known = e.EVENT_CLASS_BY_NAME.get(name) or e.EVENT_CLASS_BY_NAME.get(name + "Event")
        if known is None:
            raise ValueError(f"the event type '{type_name:.100}' is not known")
        return known
    if type_name is not None:
        raise ValueError(f"the event's $type is {type_name!r:.100}, expected text")
    number = members.get("EventType")
    known = e.EVENT_CLASS_BY_NUMBER.get(number) if isinstance(number, int) else None
    if known is None:
        raise ValueError(f"the event has no $type and its EventType is {number!r:.100}")
    return known


def read_event(members: Mapping[str, Any]) -> e.HistoryEvent:
    """Return the event of a queue message."""
    kind = event_class(members)
    return build(kind, members, read_ticks(members.get("Timestamp")))


def build(kind: type[e.HistoryEvent], members: Mapping[str, Any], moment: int) -> e.HistoryEvent:
    """Return an event of class `kind`. Nested objects in `members` are parsed JSON values; times are text or ticks."""
    values: dict[str, Any] = {
        "event_id": _integer(members.get("EventId", -1), "EventId"),
        "is_played": _boolean(members.get("IsPlayed"), "IsPlayed"),
        "timestamp": moment,
    }
    for member, field, convert, default in _FIELDS[kind]:
        raw = members.get(member, default)
        if raw is msgspec.UNSET:
            raise ValueError(f"{kind.event_name} has no {member}")
        values[field] = convert(raw, member)
    return kind(**values)


def read_ticks(raw: Any, member: str = "Timestamp") -> int:
    """Return the ticks of a JSON timestamp, or 0 for None."""
    if raw is None:
        return 0
    if isinstance(raw, str):
        return timestamp.parse(raw)
    raise ValueError(f"{member} is {raw!r:.100}, expected a time")


def _text(raw: Any, member: str) -> str | None:
    if raw is None or isinstance(raw, str):
        return raw
    raise ValueError(f"{member} is {type(raw).__name__}, expected text")


def _name(raw: Any, member: str) -> str:
    return _text(raw, member) or ""


def _integer(raw: Any, member: str) -> int:
    if isinstance(raw, int) and not isinstance(raw, bool):
        return int(raw)
    raise ValueError(f"{member} is {raw!r:.100}, expected an integer")


def _optional_integer(raw: Any, member: str) -> int | None:
    return None if raw is None else _integer(raw, member)


def _boolean(raw: Any, member: str) -> bool:
    if raw is None or isinstance(raw, bool):
        return raw is True
    raise ValueError(f"{member} is {type(raw).__name__}, expected true or false")


def _time(raw: Any, member: str) -> int:
    if isinstance(raw, str):
        return timestamp.parse(raw)
    if isinstance(raw, int) and not isinstance(raw, bool):
        return int(raw)
    raise ValueError(f"{member} is {raw!r:.100}, expected a time")


def _optional_time(raw: Any, member: str) -> int | None:
    return None if raw is None else _time(raw, member)


def _status(raw: Any, member: str) -> OrchestrationStatus:
    try:
        return OrchestrationStatus[raw] if isinstance(raw, str) else OrchestrationStatus(raw)
    except (KeyError, ValueError, TypeError):
        raise ValueError(f"{member} is {raw!r:.100}, expected a status") from None


def _target(raw: Any, member: str) -> e.OrchestrationInstance:
    return nested.read_instance(raw) or e.OrchestrationInstance("")


def _nested(read: Callable[[Any], Any]) -> Callable[[Any, str], Any]:
    return lambda raw, member: read(raw)


_Field = tuple[str, str, Callable[[Any, str], Any], Any]
_REQUIRED = msgspec.UNSET
_NAME: _Field = ("Name", "name", _name, None)
_VERSION: _Field = ("Version", "version", _text, None)
_INPUT: _Field = ("Input", "input", _text, None)
_TAGS: _Field = ("Tags", "tags", _nested(nested.read_tags), None)
_REASON: _Field = ("Reason", "reason", _text, None)
_DETAILS: _Field = ("Details", "details", _text, None)
_RESULT: _Field = ("Result", "result", _text, None)
_FAILURE: _Field = ("FailureDetails", "failure_details", _nested(nested.read_failure), None)
_TRACE: _Field = ("ParentTraceContext", "parent_trace_context", _nested(nested.read_trace), None)
_SCHEDULED_ID: _Field = ("TaskScheduledId", "task_scheduled_id", _integer, _REQUIRED)
_FIRE_AT: _Field = ("FireAt", "fire_at", _time, _REQUIRED)
_STATUS: _Field = ("OrchestrationStatus", "orchestration_status", _status, _REQUIRED)
_INSTANCE_ID: _Field = ("InstanceId", "instance_id", _name, None)

_FIELDS: dict[type[e.HistoryEvent], tuple[_Field, ...]] = {
    e.ExecutionStarted: (
        ("OrchestrationInstance", "orchestration_instance", _target, None),
        ("ParentInstance", "parent_instance", _nested(nested.read_parent), None),
        _NAME,
        _VERSION,
        _INPUT,
        _TAGS,
        ("Correlation", "correlation", _text, None),
        _TRACE,
        ("ScheduledStartTime", "scheduled_start_time", _optional_time, None),
        ("Generation", "generation", _optional_integer, None),
        ("GenerateNewTrace", "generate_new_trace", _boolean, False),
    ),
    e.ExecutionCompleted: (_STATUS, _RESULT, _FAILURE),
    e.ContinueAsNew: (_STATUS, _RESULT, _FAILURE),
    e.ExecutionTerminated: (_INPUT, ("Recurse", "recurse", _boolean, None)),
    e.TaskScheduled: (_NAME, _VERSION, _INPUT, _TRACE, _TAGS),
    e.TaskCompleted: (_SCHEDULED_ID, _RESULT),
    e.TaskFailed: (_SCHEDULED_ID, _REASON, _DETAILS, _FAILURE),
    e.SubOrchestrationInstanceCreated: (
        _NAME,
        _VERSION,
        _INSTANCE_ID,
        _INPUT,
        ("ClientSpanId", "client_span_id", _text, None),
        _TAGS,
    ),
    e.SubOrchestrationInstanceCompleted: (_SCHEDULED_ID, _RESULT),
    e.SubOrchestrationInstanceFailed: (_SCHEDULED_ID, _REASON, _DETAILS, _FAILURE),
    e.TimerCreated: (_FIRE_AT,),
    e.TimerFired: (("TimerId", "timer_id", _integer, _REQUIRED), _FIRE_AT),
    e.OrchestratorStarted: (),
    e.OrchestratorCompleted: (),
    e.EventSent: (_INSTANCE_ID, _NAME, _INPUT),
    e.EventRaised: (_NAME, _INPUT, _TRACE),
    e.GenericEvent: (("Data", "data", _text, None), _REASON),
    e.ExecutionSuspended: (_REASON,),
    e.ExecutionResumed: (_REASON,),
    e.ExecutionRewound: (
        _REASON,
        ("ParentExecutionId", "parent_execution_id", _text, None),
        _INSTANCE_ID,
        _TRACE,
    ),
}
