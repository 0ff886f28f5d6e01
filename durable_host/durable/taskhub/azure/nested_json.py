"""JSON of the objects nested in events: with `$type` in queue messages, without it in table rows.

Source: spec/task-hub-storage.md, sections 3.4 (nested types) and 6.2 ("json" columns).
"""

from collections.abc import Mapping
from typing import Any, cast

from durable_host.durable.model.events import FailureDetails, OrchestrationInstance, ParentInstance, TraceContext
from durable_host.durable.taskhub.azure.json_text import DICTIONARY_TYPE, boolean, nullable, quote, value

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
    """Raises TypeError for IDs that are no text."""
    if not isinstance(raw, dict):
        return None
    members = cast("dict[str, Any]", raw)
    instance_id, execution_id = members.get("InstanceId") or "", members.get("ExecutionId")
    if not isinstance(instance_id, str) or not isinstance(execution_id, str | None):
        raise TypeError("the ID of an instance or execution is no text")
    return OrchestrationInstance(instance_id, execution_id)


def read_parent(raw: Any) -> ParentInstance | None:
    if not isinstance(raw, dict):
        return None
    members = cast("dict[str, Any]", raw)
    return ParentInstance(
        name=members.get("Name") or "",
        orchestration_instance=read_instance(members.get("OrchestrationInstance")) or OrchestrationInstance(""),
        task_schedule_id=int(members.get("TaskScheduleId") or 0),
        version=members.get("Version"),
    )


def read_failure(raw: Any) -> FailureDetails | None:
    if not isinstance(raw, dict):
        return None
    members = cast("dict[str, Any]", raw)
    return FailureDetails(
        error_type=members.get("ErrorType"),
        error_message=members.get("ErrorMessage"),
        stack_trace=members.get("StackTrace"),
        inner_failure=read_failure(members.get("InnerFailure")),
        is_non_retriable=bool(members.get("IsNonRetriable")),
        properties=members.get("Properties"),
    )


def read_trace(raw: Any) -> TraceContext | None:
    if not isinstance(raw, dict):
        return None
    members = cast("dict[str, Any]", raw)
    return TraceContext(
        trace_parent=members.get("TraceParent"),
        trace_state=members.get("TraceState"),
        id=members.get("Id"),
        span_id=members.get("SpanId"),
        activity_start_time=members.get("ActivityStartTime"),
    )


def read_tags(raw: Any) -> dict[str, str] | None:
    if not isinstance(raw, dict):
        return None
    return {name: text for name, text in cast("dict[str, Any]", raw).items() if name != "$type"}
