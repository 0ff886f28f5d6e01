"""The history of an instance as status answers show it: `historyEvents`.

Scheduled events are folded into their completions, bookkeeping is left out.

Source: docs/protocol/durable-http-api.md#history-in-a-status
"""

from collections.abc import Iterable
from typing import Any

from durable_host import timestamp
from durable_host.durable.api.embedded_json import embedded
from durable_host.durable.model.events import (
    ContinueAsNew,
    EventRaised,
    EventSent,
    ExecutionCompleted,
    ExecutionResumed,
    ExecutionRewound,
    ExecutionStarted,
    ExecutionSuspended,
    ExecutionTerminated,
    FailureDetails,
    GenericEvent,
    HistoryEvent,
    OrchestratorCompleted,
    OrchestratorStarted,
    SubOrchestrationInstanceCompleted,
    SubOrchestrationInstanceCreated,
    SubOrchestrationInstanceFailed,
    TaskCompleted,
    TaskFailed,
    TaskScheduled,
    TimerCreated,
    TimerFired,
    TraceContext,
)

_Scheduled = TaskScheduled | SubOrchestrationInstanceCreated


def project(events: Iterable[HistoryEvent], *, show_input: bool, show_output: bool) -> list[dict[str, Any]]:
    """Events in the form of the answer; `show_output` adds results, `show_input` inputs."""
    shown: list[dict[str, Any] | None] = []
    scheduled: dict[int, tuple[int, _Scheduled]] = {}
    for event in events:
        if isinstance(event, OrchestratorStarted | OrchestratorCompleted):
            continue
        entry: dict[str, Any] = {"EventType": event.event_name}
        entry |= _members(event, show_input, show_output)
        entry["Timestamp"] = timestamp.to_text(event.timestamp)
        if isinstance(event, _Scheduled):
            scheduled[event.event_id] = (len(shown), event)
        elif isinstance(event, ExecutionStarted):
            entry["FunctionName"] = event.name
        elif isinstance(event, _COMPLETIONS) and (origin := scheduled.pop(event.task_scheduled_id, None)):
            position, cause = origin
            shown[position] = None
            entry["ScheduledTime"] = timestamp.to_text(cause.timestamp)
            entry["FunctionName"] = cause.name
            if show_input:
                entry["Input"] = cause.input
        shown.append(entry)
    return [entry for entry in shown if entry is not None]


_COMPLETIONS = (TaskCompleted, TaskFailed, SubOrchestrationInstanceCompleted, SubOrchestrationInstanceFailed)


def _members(event: HistoryEvent, show_input: bool, show_output: bool) -> dict[str, Any]:
    """The members of one event between its type and its timestamp."""
    members: dict[str, Any] = {}
    if isinstance(event, ExecutionStarted):
        members["Correlation"] = event.correlation
        members["ScheduledStartTime"] = _time(event.scheduled_start_time)
    elif isinstance(event, ExecutionCompleted | ContinueAsNew):
        members["OrchestrationStatus"] = event.orchestration_status.name
    elif isinstance(event, _Scheduled):
        members["Name"] = event.name
        if isinstance(event, SubOrchestrationInstanceCreated):
            members["InstanceId"] = event.instance_id
    elif isinstance(event, TaskFailed | SubOrchestrationInstanceFailed):
        members |= {"Reason": event.reason, "Details": event.details}
    elif isinstance(event, TimerCreated | TimerFired):
        members["FireAt"] = _time(event.fire_at)
    elif isinstance(event, EventSent):
        members |= {"InstanceId": event.instance_id, "Name": event.name}
    elif isinstance(event, EventRaised):
        members["Name"] = event.name
    elif isinstance(event, GenericEvent):
        members["Data"] = event.data
        if event.reason is not None:
            members["Reason"] = event.reason
    elif isinstance(event, ExecutionSuspended | ExecutionResumed | ExecutionRewound):
        members["Reason"] = event.reason
    if show_output and isinstance(
        event, ExecutionCompleted | ContinueAsNew | TaskCompleted | SubOrchestrationInstanceCompleted
    ):
        members["Result"] = embedded(event.result)
    if isinstance(event, ExecutionStarted | EventSent | EventRaised | TaskScheduled | SubOrchestrationInstanceCreated):
        if show_input:
            members["Input"] = event.input
    elif isinstance(event, ExecutionTerminated):
        members["Input"] = event.input
    if isinstance(event, ExecutionCompleted | ContinueAsNew | TaskFailed | SubOrchestrationInstanceFailed):
        members["FailureDetails"] = _failure(event.failure_details)
    if isinstance(event, ExecutionStarted | EventRaised | TaskScheduled) and event.parent_trace_context is not None:
        members["ParentTraceContext"] = _trace(event.parent_trace_context)
    return members


def _time(ticks: int | None) -> str | None:
    return timestamp.to_text(ticks) if ticks is not None else None


def _failure(details: FailureDetails | None) -> dict[str, Any] | None:
    if details is None:
        return None
    return {
        "ErrorType": details.error_type,
        "ErrorMessage": details.error_message,
        "StackTrace": details.stack_trace,
        "InnerFailure": _failure(details.inner_failure),
        "IsNonRetriable": details.is_non_retriable,
        "Properties": details.properties,
    }


def _trace(context: TraceContext) -> dict[str, Any]:
    return {
        "TraceParent": context.trace_parent,
        "TraceState": context.trace_state,
        "Id": context.id,
        "SpanId": context.span_id,
        "ActivityStartTime": context.activity_start_time,
    }
