"""Values that many 2.x messages contain: optional texts, times, failures, traces.

Source: docs/protocol/durable-v2.md#messages
"""

from typing import Any, cast

from google.protobuf import json_format, struct_pb2
from google.protobuf.timestamp_pb2 import Timestamp
from google.protobuf.wrappers_pb2 import StringValue

from durable_host.durable.model.events import FailureDetails, OrchestrationInstance, ParentInstance, TraceContext
from durable_host.durable.proto import pb
from durable_host.timestamp import MAX_TICKS, MIN_TICKS, TICKS_PER_SECOND, UNIX_EPOCH_TICKS

UNKNOWN_TYPE = "(unknown)"
NANOSECONDS_PER_TICK = 100


def wrapped(text: str | None) -> StringValue | None:
    """Return an optional text as a message, or None for an absent one."""
    return None if text is None else StringValue(value=utf8(text))


def payload(text: str | None) -> StringValue | None:
    """Return an optional payload as a message, None for an empty one, which apps of .NET cannot parse."""
    return wrapped(text or None)


def text_of(message: Any, field: str) -> str | None:
    """Return the optional text in a field of a message, or None if it is absent."""
    return getattr(message, field).value if message.HasField(field) else None


def moment(ticks: int | None) -> Timestamp | None:
    """Return a time. Clients and workers of Python truncate it to microseconds, those of .NET need all digits: they
    derive identifiers from times.
    """
    if ticks is None:
        return None
    seconds, fraction = divmod(ticks - UNIX_EPOCH_TICKS, TICKS_PER_SECOND)
    return Timestamp(seconds=seconds, nanos=fraction * NANOSECONDS_PER_TICK)


def ticks_of(stamp: Timestamp) -> int:
    """Return the ticks of a time, limited to the years 1 to 9999."""
    ticks = UNIX_EPOCH_TICKS + stamp.seconds * TICKS_PER_SECOND + stamp.nanos // NANOSECONDS_PER_TICK
    return min(max(ticks, MIN_TICKS), MAX_TICKS)


def failure_message(
    failure: FailureDetails | None, reason: str | None = None, details: str | None = None
) -> pb.TaskFailureDetails:
    """Return a failure as a tree. A failure that is stored only as `reason` and `details` has no known type."""
    if failure is None:
        return pb.TaskFailureDetails(
            errorType=UNKNOWN_TYPE, errorMessage=utf8(reason or ""), stackTrace=wrapped(details)
        )
    message = pb.TaskFailureDetails(
        errorType=utf8(failure.error_type or ""),
        errorMessage=utf8(failure.error_message or ""),
        stackTrace=wrapped(failure.stack_trace),
        isNonRetriable=failure.is_non_retriable,
    )
    if failure.inner_failure is not None:
        message.innerFailure.CopyFrom(failure_message(failure.inner_failure))
    for name, value in (failure.properties or {}).items():
        message.properties[utf8(name)].CopyFrom(_value(value))
    return message


def read_failure(message: pb.TaskFailureDetails) -> FailureDetails:
    """Return the whole tree of a failure."""
    properties = {name: _plain(value) for name, value in message.properties.items()}
    return FailureDetails(
        error_type=message.errorType,
        error_message=message.errorMessage,
        stack_trace=text_of(message, "stackTrace"),
        inner_failure=read_failure(message.innerFailure) if message.HasField("innerFailure") else None,
        is_non_retriable=message.isNonRetriable,
        properties=properties or None,
    )


def trace_message(trace: TraceContext | None) -> pb.TraceContext | None:
    """Return the trace context for user code: the orchestration's own span, if the host has created one."""
    parent = None if trace is None else trace.id or trace.trace_parent
    if trace is None or parent is None:
        return None
    return pb.TraceContext(traceParent=parent, spanID=trace.span_id or "", traceState=wrapped(trace.trace_state))


def read_trace(message: Any, field: str = "parentTraceContext") -> TraceContext | None:
    if not message.HasField(field):
        return None
    trace = getattr(message, field)
    return TraceContext(
        trace_parent=trace.traceParent or None, trace_state=text_of(trace, "traceState"), span_id=trace.spanID or None
    )


def instance_message(instance: OrchestrationInstance) -> pb.OrchestrationInstance:
    return pb.OrchestrationInstance(instanceId=instance.instance_id, executionId=wrapped(instance.execution_id))


def read_instance(message: pb.OrchestrationInstance) -> OrchestrationInstance:
    return OrchestrationInstance(message.instanceId, text_of(message, "executionId"))


def parent_message(parent: ParentInstance | None) -> pb.ParentInstanceInfo | None:
    if parent is None:
        return None
    return pb.ParentInstanceInfo(
        taskScheduledId=parent.task_schedule_id,
        name=wrapped(parent.name),
        version=wrapped(parent.version or None),
        orchestrationInstance=instance_message(parent.orchestration_instance),
    )


def read_parent(message: Any) -> ParentInstance | None:
    if not message.HasField("parentInstance"):
        return None
    parent = message.parentInstance
    return ParentInstance(
        name=parent.name.value,
        orchestration_instance=read_instance(parent.orchestrationInstance),
        task_schedule_id=parent.taskScheduledId,
        version=text_of(parent, "version"),
    )


def utf8(text: str) -> str:
    """Replace unpaired surrogates with `?`, because protobuf needs text that UTF-8 can encode."""
    return text if text.isascii() else text.encode("utf-8", "replace").decode("utf-8")


def _value(value: Any) -> struct_pb2.Value:
    try:
        return json_format.ParseDict(value, struct_pb2.Value())
    except json_format.ParseError:
        return struct_pb2.Value(string_value=utf8(str(value)))


def _plain(value: struct_pb2.Value) -> Any:
    return cast("Any", json_format.MessageToDict(value))
