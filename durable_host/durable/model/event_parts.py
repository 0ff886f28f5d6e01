"""Objects inside history events as JSON for people and the SDK, with DurableTask.Core's names and without types."""

from typing import Any

from durable_host import timestamp
from durable_host.durable.model.events import FailureDetails, TraceContext


def time(ticks: int | None) -> str | None:
    """Return a time as text, such as `2024-05-01T10:20:29.001Z`."""
    return None if ticks is None else timestamp.to_text(ticks)


def failure(details: FailureDetails | None) -> dict[str, Any] | None:
    """Return the error of a task or an orchestration, with its inner errors."""
    if details is None:
        return None
    return {
        "ErrorType": details.error_type,
        "ErrorMessage": details.error_message,
        "StackTrace": details.stack_trace,
        "InnerFailure": failure(details.inner_failure),
        "IsNonRetriable": details.is_non_retriable,
        "Properties": details.properties,
    }


def trace(context: TraceContext | None) -> dict[str, Any] | None:
    """Return the trace that an event belongs to."""
    if context is None:
        return None
    return {
        "TraceParent": context.trace_parent,
        "TraceState": context.trace_state,
        "Id": context.id,
        "SpanId": context.span_id,
        "ActivityStartTime": context.activity_start_time,
    }
