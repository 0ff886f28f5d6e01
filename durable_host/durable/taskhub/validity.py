"""The requirements for a message in any hub: kinds, ranges, lengths, well-formed IDs.

A message that the engine or the instance's storage cannot accept would be redelivered forever and block the instance.
The limits are those of .NET (Int32, DateTime) and of a table row.

Source: docs/protocol/task-hub-storage-queues.md#unreadable-messages,
    docs/protocol/task-hub-storage.md#instance-id-limits,
    docs/protocol/task-hub-storage-messages.md#event-json
"""

import math
from collections.abc import Callable
from typing import Any, Final, cast

import msgspec

from durable_host.durable.model import events as e
from durable_host.durable.model.ids import is_too_long, is_well_formed, utf16_units
from durable_host.durable.model.messages import TaskMessage
from durable_host.timestamp import MAX_TICKS

LONGEST_COLUMN: Final = 30_720
"""The longest text that is stored in its row, in UTF-16 units."""

DEEPEST: Final = 64
"""How many levels of nested JSON are allowed, as in Json.NET."""

_INT32: Final = range(-(2**31), 2**31)
_INT64: Final = range(-(2**63), 2**63)


class InvalidHubMessage(ValueError):
    """No task hub may deliver this message. The exception text says why."""


def check(message: TaskMessage, *, is_work_item: bool) -> None:
    """Raise `InvalidHubMessage` for an invalid message. `is_work_item`: the message is in the queue of activity
    requests.
    """
    event = message.event
    checks = _CHECKS.get(type(event))
    if checks is None or message.is_activity is not is_work_item:
        where = "the work-item queue" if is_work_item else "a control queue"
        raise InvalidHubMessage(f"{event.event_name} is not a message of {where}")
    target = message.target
    if not target.instance_id:
        raise InvalidHubMessage("it has no target instance")
    _instance(target, "OrchestrationInstance")
    if message.sender != target:
        _instance(message.sender, "Sender")
    _int32(message.episode, "Episode")
    _tags(message.tags, "OrchestrationTags")
    _int32(event.event_id, "EventId")
    _time(event.timestamp, "Timestamp")
    for field, member, check_field in checks:
        check_field(getattr(event, field), member)
    if isinstance(event, e.ExecutionStarted):
        _start(event, target)


def _start(event: e.ExecutionStarted, target: e.OrchestrationInstance) -> None:
    started = event.orchestration_instance
    if not started.execution_id:
        raise InvalidHubMessage("it starts an execution without an ID")
    is_same = e.is_same_execution(target.execution_id, started.execution_id)
    if started.instance_id != target.instance_id or not is_same:
        raise InvalidHubMessage("it starts a different execution from the one it is addressed to")
    parent = event.parent_instance
    if parent is not None and not parent.orchestration_instance.instance_id:
        raise InvalidHubMessage("its ParentInstance has no instance ID")


def _id(text: str | None, member: str) -> None:
    if text is None:
        return
    if not is_well_formed(text):
        raise InvalidHubMessage(f"{member} contains an unpaired surrogate")
    if is_too_long(text):
        raise InvalidHubMessage(f"{member} has {len(text)} characters, more than a table key can hold")


def _instance(record: e.OrchestrationInstance, member: str) -> None:
    for text, name in ((record.instance_id, "InstanceId"), (record.execution_id, "ExecutionId")):
        if text is not None and not (is_well_formed(text) and not is_too_long(text)):
            _id(text, f"{name} of {member}")


def _parent(record: e.ParentInstance | None, member: str) -> None:
    if record is not None:
        _name(record.name, f"Name of {member}")
        _name(record.version, f"Version of {member}")
        _instance(record.orchestration_instance, member)
        _int32(record.task_schedule_id, f"TaskScheduleId of {member}")


def _int32(number: int | None, member: str) -> None:
    if number is not None and number not in _INT32:
        raise InvalidHubMessage(f"{member} is out of range: expected a 32-bit integer")


def _time(ticks: int | None, member: str) -> None:
    if ticks is not None and not 0 <= ticks <= MAX_TICKS:
        raise InvalidHubMessage(f"{member} is out of range: expected a time of the years 1 to 9999")


def _name(text: str | None, member: str) -> None:
    """Check a text that identifies something and is stored in its row."""
    if text is None:
        return
    if not is_well_formed(text):
        raise InvalidHubMessage(f"{member} contains an unpaired surrogate")
    _column(text, member)


def _column(text: str | None, member: str) -> None:
    if text is not None and len(text) * 2 > LONGEST_COLUMN and utf16_units(text) > LONGEST_COLUMN:
        raise InvalidHubMessage(f"{member} has more than {LONGEST_COLUMN} characters")


def _tags(tags: dict[str, str] | None, member: str) -> None:
    if tags:
        _column("".join([*tags.keys(), *tags.values()]), member)


def _trace(trace: e.TraceContext | None, member: str) -> None:
    if trace is not None:
        texts = (trace.trace_parent, trace.trace_state, trace.id, trace.span_id, trace.activity_start_time)
        _column("".join(text for text in texts if text), member)


def _failure(failure: e.FailureDetails | None, member: str) -> None:
    depth = 0
    while failure is not None:
        depth += 1
        if depth > DEEPEST:
            raise InvalidHubMessage(f"{member} is nested too deeply")
        _value(failure.properties, f"Properties of {member}")
        failure = failure.inner_failure


def _value(value: Any, member: str, depth: int = 0) -> None:
    """Check a JSON value that both storages must be able to write again."""
    if depth > DEEPEST:
        raise InvalidHubMessage(f"{member} is nested too deeply")
    if isinstance(value, float) and not math.isfinite(value):
        raise InvalidHubMessage(f"{member} holds {value}, which is not JSON")
    if isinstance(value, int) and value not in _INT64:
        raise InvalidHubMessage(f"{member} holds a number of more than 64 bits")
    if isinstance(value, dict):
        for each in cast("dict[str, Any]", value).values():
            _value(each, member, depth + 1)
    elif isinstance(value, list):
        for each in cast("list[Any]", value):
            _value(each, member, depth + 1)


def _member(field: str) -> str:
    return "".join(part.capitalize() for part in field.split("_"))


_FieldCheck = Callable[[Any, str], None]
_FIELD_CHECKS: dict[str, _FieldCheck] = {
    "orchestration_instance": _instance,
    "parent_instance": _parent,
    "name": _name,
    "version": _name,
    "tags": _tags,
    "parent_trace_context": _trace,
    "scheduled_start_time": _time,
    "generation": _int32,
    "task_scheduled_id": _int32,
    "timer_id": _int32,
    "fire_at": _time,
    "failure_details": _failure,
    "data": _column,
    "instance_id": _id,
    "parent_execution_id": _id,
}
_QUEUED: tuple[type[e.HistoryEvent], ...] = (
    e.ExecutionStarted,
    e.ExecutionTerminated,
    e.TaskScheduled,
    e.TaskCompleted,
    e.TaskFailed,
    e.SubOrchestrationInstanceCompleted,
    e.SubOrchestrationInstanceFailed,
    e.TimerFired,
    e.EventRaised,
    e.GenericEvent,
    e.ExecutionSuspended,
    e.ExecutionResumed,
    e.ExecutionRewound,
)
_CHECKS: dict[type[e.HistoryEvent], tuple[tuple[str, str, _FieldCheck], ...]] = {
    kind: tuple(
        (field.name, _member(field.name), _FIELD_CHECKS[field.name])
        for field in msgspec.structs.fields(kind)
        if field.name in _FIELD_CHECKS
    )
    for kind in _QUEUED
}
