"""The JSON of objects nested in events: with `$type` in queue messages, without it in table rows.

Source: docs/protocol/task-hub-storage-messages.md#nested-types,
    docs/protocol/task-hub-storage-history.md#event-row-columns
"""

from collections.abc import Mapping
from typing import Any, cast

from durable_host.durable.model.events import FailureDetails, OrchestrationInstance, ParentInstance, TraceContext
from durable_host.durable.taskhub.azure.json_net import DICTIONARY_TYPE, boolean, nullable, quote, value

_INSTANCE_TYPE = '"$type":"DurableTask.Core.OrchestrationInstance",'
_PARENT_TYPE = '"$type":"DurableTask.Core.ParentInstance",'
_FAILURE_TYPE = '"$type":"DurableTask.Core.FailureDetails",'
_TRACE_TYPE = '"$type":"DurableTask.Core.Tracing.DistributedTraceContext",'
_CONTEXT_TYPE = '"$type":"DurableTask.Core.OrchestrationExecutionContext",'
_DICTIONARY = f'"$type":"{DICTIONARY_TYPE}"'


def instance(record: OrchestrationInstance, *, typed: bool) -> str:
    head = _INSTANCE_TYPE if typed else ""
    return f'{{{head}"InstanceId":{quote(record.instance_id)},"ExecutionId":{nullable(record.execution_id)}}}'


def parent(record: ParentInstance | None, *, typed: bool) -> str:
    if record is None:
        return "null"
    return (
        f'{{{_PARENT_TYPE if typed else ""}"Name":{nullable(record.name)},'
        f'"OrchestrationInstance":{instance(record.orchestration_instance, typed=typed)},'
        f'"TaskScheduleId":{record.task_schedule_id},"Version":{nullable(record.version)}}}'
    )


def failure(record: FailureDetails | None, *, typed: bool) -> str:
    if record is None:
        return "null"
    properties = "null" if record.properties is None else value(record.properties)
    return (
        f'{{{_FAILURE_TYPE if typed else ""}"ErrorType":{nullable(record.error_type)},'
        f'"ErrorMessage":{nullable(record.error_message)},"StackTrace":{nullable(record.stack_trace)},'
        f'"InnerFailure":{failure(record.inner_failure, typed=typed)},'
        f'"IsNonRetriable":{boolean(record.is_non_retriable)},"Properties":{properties}}}'
    )


def trace(record: TraceContext | None, *, typed: bool) -> str:
    if record is None:
        return "null"
    return (
        f'{{{_TRACE_TYPE if typed else ""}"TraceParent":{nullable(record.trace_parent)},'
        f'"TraceState":{nullable(record.trace_state)},"Id":{nullable(record.id)},'
        f'"SpanId":{nullable(record.span_id)},"ActivityStartTime":{nullable(record.activity_start_time)}}}'
    )


def tags(items: Mapping[str, str] | None, *, typed: bool) -> str:
    if items is None:
        return "null"
    members = [_DICTIONARY] if typed else []
    members += [f"{quote(name)}:{nullable(text)}" for name, text in items.items()]
    return "{" + ",".join(members) + "}"


def execution_context(items: Mapping[str, str] | None) -> str:
    if items is None:
        return "null"
    return f'{{{_CONTEXT_TYPE}"OrchestrationTags":{tags(items, typed=True)}}}'


def read_instance(raw: Any) -> OrchestrationInstance | None:
    """Return the instance, or None for null. Like the other readers here, it raises ValueError for anything else."""
    members = _members(raw, "OrchestrationInstance")
    if members is None:
        return None
    return OrchestrationInstance(_text(members, "InstanceId") or "", _text(members, "ExecutionId"))


def read_parent(raw: Any) -> ParentInstance | None:
    members = _members(raw, "ParentInstance")
    if members is None:
        return None
    number = members.get("TaskScheduleId")
    if number is not None and type(number) is not int:
        raise ValueError(f"TaskScheduleId is {number!r}, expected an integer")
    return ParentInstance(
        name=_text(members, "Name") or "",
        orchestration_instance=read_instance(members.get("OrchestrationInstance")) or OrchestrationInstance(""),
        task_schedule_id=number or 0,
        version=_text(members, "Version"),
    )


def read_failure(raw: Any) -> FailureDetails | None:
    members = _members(raw, "FailureDetails")
    if members is None:
        return None
    properties = _members(members.get("Properties"), "Properties")
    return FailureDetails(
        error_type=_text(members, "ErrorType"),
        error_message=_text(members, "ErrorMessage"),
        stack_trace=_text(members, "StackTrace"),
        inner_failure=read_failure(members.get("InnerFailure")),
        is_non_retriable=members.get("IsNonRetriable") is True,
        properties=properties,
    )


def read_trace(raw: Any) -> TraceContext | None:
    members = _members(raw, "ParentTraceContext")
    if members is None:
        return None
    return TraceContext(
        trace_parent=_text(members, "TraceParent"),
        trace_state=_text(members, "TraceState"),
        id=_text(members, "Id"),
        span_id=_text(members, "SpanId"),
        activity_start_time=_text(members, "ActivityStartTime"),
    )


def read_tags(raw: Any) -> dict[str, str] | None:
    """Return the tags. A null tag becomes an empty one."""
    members = _members(raw, "Tags")
    if members is None:
        return None
    return {name: _text(members, name) or "" for name in members if name != "$type"}


def _members(raw: Any, name: str) -> dict[str, Any] | None:
    if raw is None or isinstance(raw, dict):
        return cast("dict[str, Any] | None", raw)
    raise ValueError(f"{name} is {type(raw).__name__}, expected an object")


def _text(members: dict[str, Any], name: str) -> str | None:
    text = members.get(name)
    if text is None or isinstance(text, str):
        return text
    raise ValueError(f"{name} is {type(text).__name__}, expected text")
