"""The history of an instance in status responses: `historyEvents`.

Scheduled events are merged into their completions, and bookkeeping events are omitted.

Source: docs/protocol/durable-http-api.md#history-in-a-status
"""

from collections.abc import Iterable
from typing import Any

from durable_host import timestamp
from durable_host.durable.api.embedded_json import embedded
from durable_host.durable.model import event_parts
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
)

_Scheduled = TaskScheduled | SubOrchestrationInstanceCreated


def project(events: Iterable[HistoryEvent], *, show_input: bool, show_output: bool) -> list[dict[str, Any]]:
    """Return the events as they appear in the response. `show_output` adds results, `show_input` inputs."""
    shown: list[dict[str, Any] | None] = []
    scheduled: dict[int, tuple[int, _Scheduled]] = {}
    for event in events:
        if isinstance(event, OrchestratorStarted | OrchestratorCompleted):
            continue
        entry: dict[str, Any] = {"EventType": event.event_name}
        if isinstance(event, GenericEvent):
            entry = {"Data": event.data} | entry
        entry |= _members(event, show_input, show_output)
        entry["Timestamp"] = timestamp.to_text(event.timestamp)
        if isinstance(event, _Scheduled):
            scheduled[event.event_id] = (len(shown), event)
        elif isinstance(event, ExecutionStarted):
            entry["FunctionName"] = event.name
        elif isinstance(event, _COMPLETIONS) and (origin := scheduled.pop(event.task_scheduled_id, None)):
            position, cause = origin
            shown[position] = None
            entry["ScheduledTime"] = timestamp.to_text(cause.timestamp).removesuffix("Z") + "+00:00"
            entry["FunctionName"] = cause.name
            if isinstance(cause, SubOrchestrationInstanceCreated):
                entry["InstanceId"] = cause.instance_id
            if show_input:
                entry["Input"] = cause.input
        shown.append(entry)
    return [entry for entry in shown if entry is not None]


_COMPLETIONS = (TaskCompleted, TaskFailed, SubOrchestrationInstanceCompleted, SubOrchestrationInstanceFailed)


def _members(event: HistoryEvent, show_input: bool, show_output: bool) -> dict[str, Any]:
    """Return the members of one event between its type and its timestamp."""
    match event:
        case ExecutionStarted():
            return _input(event.input, show_input) | {
                "Correlation": event.correlation,
                "ParentTraceContext": event_parts.trace(event.parent_trace_context),
                "ScheduledStartTime": event_parts.time(event.scheduled_start_time),
                "Generation": event.generation,
                "GenerateNewTrace": event.generate_new_trace,
            }
        case ExecutionCompleted() | ContinueAsNew():
            status = {"OrchestrationStatus": event.orchestration_status.name}
            return (
                status
                | _result(event.result, show_output)
                | {"FailureDetails": event_parts.failure(event.failure_details)}
            )
        case TaskScheduled():
            members = {"Name": event.name} | _input(event.input, show_input)
            if event.parent_trace_context is not None:
                members["ParentTraceContext"] = event_parts.trace(event.parent_trace_context)
            return members | {"Tags": event.tags}
        case SubOrchestrationInstanceCreated():
            members = {"Name": event.name, "InstanceId": event.instance_id} | _input(event.input, show_input)
            return members | {"ClientSpanId": event.client_span_id, "Tags": event.tags}
        case TaskCompleted() | SubOrchestrationInstanceCompleted():
            return _result(event.result, show_output)
        case TaskFailed() | SubOrchestrationInstanceFailed():
            failure = event_parts.failure(event.failure_details)
            return {"Reason": event.reason, "Details": event.details, "FailureDetails": failure}
        case TimerCreated() | TimerFired():
            return {"FireAt": event_parts.time(event.fire_at)}
        case EventSent():
            return {"InstanceId": event.instance_id, "Name": event.name} | _input(event.input, show_input)
        case EventRaised():
            trace = {"ParentTraceContext": event_parts.trace(event.parent_trace_context)}
            return {"Name": event.name} | _input(event.input, show_input) | trace
        case ExecutionTerminated():
            return _input(event.input, show_input)
        case ExecutionSuspended() | ExecutionResumed() | ExecutionRewound():
            return {"Reason": event.reason}
        case _:
            return {}


def _input(text: str | None, is_shown: bool) -> dict[str, Any]:
    return {"Input": text} if is_shown else {}


def _result(text: str | None, is_shown: bool) -> dict[str, Any]:
    return {"Result": embedded(text)} if is_shown else {}
