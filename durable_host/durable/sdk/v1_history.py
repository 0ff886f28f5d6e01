"""Encodes history events for the 1.x SDK.

Source: docs/protocol/durable-payload.md#rules-for-history-events, docs/protocol/durable-payload.md#event-types
"""

from collections.abc import Callable
from typing import Any

from durable_host import timestamp
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
    OrchestrationInstance,
    OrchestratorStarted,
    ParentInstance,
    SubOrchestrationInstanceCompleted,
    SubOrchestrationInstanceCreated,
    SubOrchestrationInstanceFailed,
    TaskCompleted,
    TaskFailed,
    TaskScheduled,
    TimerCreated,
    TimerFired,
)

REACTED_TO: tuple[type[HistoryEvent], ...] = (
    ExecutionStarted,
    TaskCompleted,
    TaskFailed,
    SubOrchestrationInstanceCompleted,
    SubOrchestrationInstanceFailed,
    TimerFired,
    OrchestratorStarted,
    EventSent,
    EventRaised,
    ContinueAsNew,
)
"""The events that have an effect in the SDK's executor. A live session does not need any others."""


NO_REASON = "No reason was given."


def event_json(event: HistoryEvent) -> dict[str, Any]:
    """Return the event as a JSON object with all keys of its type."""
    fields = _FIELDS.get(type(event))
    return {
        "EventType": event.event_type,
        "EventId": event.event_id,
        "IsPlayed": event.is_played,
        "Timestamp": timestamp.to_text(event.timestamp),
        **(fields(event) if fields is not None else {}),
    }


def _execution_started(event: ExecutionStarted) -> dict[str, Any]:
    return {
        "OrchestrationInstance": _instance(event.orchestration_instance),
        "ParentInstance": _parent(event.parent_instance),
        "Name": event.name,
        "Version": event.version,
        "Input": event.input,
        "Tags": event.tags,
        "Correlation": event.correlation,
        "ParentTraceContext": event_parts.trace(event.parent_trace_context),
        "ScheduledStartTime": event_parts.time(event.scheduled_start_time),
        "Generation": event.generation,
        "GenerateNewTrace": event.generate_new_trace,
    }


def _completion(event: ExecutionCompleted | ContinueAsNew) -> dict[str, Any]:
    return {
        "OrchestrationStatus": int(event.orchestration_status),
        "Result": event.result,
        "FailureDetails": event_parts.failure(event.failure_details),
    }


def _task_failed(event: TaskFailed | SubOrchestrationInstanceFailed) -> dict[str, Any]:
    """Return the members of a failure. Missing texts are replaced, because the SDK's exception would show `None`."""
    return {
        "TaskScheduledId": event.task_scheduled_id,
        "Reason": NO_REASON if event.reason is None else event.reason,
        "Details": event.details or "",
        "FailureDetails": event_parts.failure(event.failure_details),
    }


def _task_completed(event: TaskCompleted | SubOrchestrationInstanceCompleted) -> dict[str, Any]:
    return {"TaskScheduledId": event.task_scheduled_id, "Result": event.result}


def _task_scheduled(event: TaskScheduled) -> dict[str, Any]:
    return {
        "Name": event.name,
        "Version": event.version,
        "Input": event.input,
        "ParentTraceContext": event_parts.trace(event.parent_trace_context),
        "Tags": event.tags,
    }


def _child_created(event: SubOrchestrationInstanceCreated) -> dict[str, Any]:
    return {
        "Name": event.name,
        "Version": event.version,
        "InstanceId": event.instance_id,
        "Input": event.input,
        "ClientSpanId": event.client_span_id,
        "Tags": event.tags,
    }


def _event_raised(event: EventRaised) -> dict[str, Any]:
    return {
        "Name": event.name,
        "Input": event.input,
        "ParentTraceContext": event_parts.trace(event.parent_trace_context),
    }


def _rewound(event: ExecutionRewound) -> dict[str, Any]:
    return {
        "Reason": event.reason,
        "ParentExecutionId": event.parent_execution_id,
        "InstanceId": event.instance_id,
        "ParentTraceContext": event_parts.trace(event.parent_trace_context),
    }


def _timer_fired(event: TimerFired) -> dict[str, Any]:
    return {"TimerId": event.timer_id, "FireAt": timestamp.to_text(event.fire_at)}


def _event_sent(event: EventSent) -> dict[str, Any]:
    return {"InstanceId": event.instance_id, "Name": event.name, "Input": event.input}


def _instance(instance: OrchestrationInstance) -> dict[str, Any]:
    return {"InstanceId": instance.instance_id, "ExecutionId": instance.execution_id}


def _parent(parent: ParentInstance | None) -> dict[str, Any] | None:
    if parent is None:
        return None
    return {
        "Name": parent.name,
        "OrchestrationInstance": _instance(parent.orchestration_instance),
        "TaskScheduleId": parent.task_schedule_id,
        "Version": parent.version,
    }


_FIELDS: dict[type[HistoryEvent], Callable[[Any], dict[str, Any]]] = {
    ExecutionStarted: _execution_started,
    ExecutionCompleted: _completion,
    ExecutionTerminated: lambda event: {"Input": event.input},
    TaskScheduled: _task_scheduled,
    TaskCompleted: _task_completed,
    TaskFailed: _task_failed,
    SubOrchestrationInstanceCreated: _child_created,
    SubOrchestrationInstanceCompleted: _task_completed,
    SubOrchestrationInstanceFailed: _task_failed,
    TimerCreated: lambda event: {"FireAt": timestamp.to_text(event.fire_at)},
    TimerFired: _timer_fired,
    EventSent: _event_sent,
    EventRaised: _event_raised,
    ContinueAsNew: _completion,
    GenericEvent: lambda event: {"Data": event.data},
    ExecutionSuspended: lambda event: {"Reason": event.reason},
    ExecutionResumed: lambda event: {"Reason": event.reason},
    ExecutionRewound: _rewound,
}
