"""Encodes history events as queue JSON, with one function per event class because every message is encoded here.

Only some kinds occur often in queues, but all are supported.

Source: docs/protocol/task-hub-storage-messages.md#event-json
"""

from collections.abc import Callable
from typing import Any

from durable_host.durable.model import events as e
from durable_host.durable.taskhub.azure import nested_json as nested
from durable_host.durable.taskhub.azure.json_net import boolean, nullable, number, time_json


def encode_event(event: e.HistoryEvent) -> str:
    """Return the JSON: `$type` first, then the members of the class, then EventId, IsPlayed and Timestamp."""
    kind = type(event)
    return (
        f'{{"$type":"{_TYPE_NAMES[kind]}",{_MEMBERS[kind](event)}'
        f'"EventId":{event.event_id},"IsPlayed":{boolean(event.is_played)},"Timestamp":{time_json(event.timestamp)}}}'
    )


def _execution_started(v: e.ExecutionStarted) -> str:
    return (
        f'"OrchestrationInstance":{nested.instance(v.orchestration_instance, typed=True)},"EventType":0,'
        f'"ParentInstance":{nested.parent(v.parent_instance, typed=True)},"Name":{nullable(v.name)},'
        f'"Version":{nullable(v.version)},"Input":{nullable(v.input)},"Tags":{nested.tags(v.tags, typed=True)},'
        f'"Correlation":{nullable(v.correlation)},'
        f'"ParentTraceContext":{nested.trace(v.parent_trace_context, typed=True)},'
        f'"ScheduledStartTime":{time_json(v.scheduled_start_time)},"Generation":{number(v.generation)},'
        f'"GenerateNewTrace":{boolean(v.generate_new_trace)},'
    )


def _execution_completed(v: e.ExecutionCompleted | e.ContinueAsNew) -> str:
    return (
        f'"EventType":{v.event_type},"OrchestrationStatus":{int(v.orchestration_status)},'
        f'"Result":{nullable(v.result)},"FailureDetails":{nested.failure(v.failure_details, typed=True)},'
    )


def _task_scheduled(v: e.TaskScheduled) -> str:
    return (
        f'"EventType":4,"Name":{nullable(v.name)},"Version":{nullable(v.version)},"Input":{nullable(v.input)},'
        f'"ParentTraceContext":{nested.trace(v.parent_trace_context, typed=True)},'
        f'"Tags":{nested.tags(v.tags, typed=True)},'
    )


def _completed(v: e.TaskCompleted | e.SubOrchestrationInstanceCompleted) -> str:
    return f'"EventType":{v.event_type},"TaskScheduledId":{v.task_scheduled_id},"Result":{nullable(v.result)},'


def _failed(v: e.TaskFailed | e.SubOrchestrationInstanceFailed) -> str:
    return (
        f'"EventType":{v.event_type},"TaskScheduledId":{v.task_scheduled_id},"Reason":{nullable(v.reason)},'
        f'"Details":{nullable(v.details)},"FailureDetails":{nested.failure(v.failure_details, typed=True)},'
    )


def _sub_created(v: e.SubOrchestrationInstanceCreated) -> str:
    return (
        f'"EventType":7,"Name":{nullable(v.name)},"Version":{nullable(v.version)},'
        f'"InstanceId":{nullable(v.instance_id)},"Input":{nullable(v.input)},'
        f'"ClientSpanId":{nullable(v.client_span_id)},"Tags":{nested.tags(v.tags, typed=True)},'
    )


def _event_raised(v: e.EventRaised) -> str:
    return (
        f'"EventType":15,"Name":{nullable(v.name)},"Input":{nullable(v.input)},'
        f'"ParentTraceContext":{nested.trace(v.parent_trace_context, typed=True)},'
    )


def _reason_only(v: e.ExecutionSuspended | e.ExecutionResumed) -> str:
    return f'"EventType":{v.event_type},"Reason":{nullable(v.reason)},'


def _rewound(v: e.ExecutionRewound) -> str:
    return (
        f'"EventType":21,"Reason":{nullable(v.reason)},"ParentExecutionId":{nullable(v.parent_execution_id)},'
        f'"InstanceId":{nullable(v.instance_id)},'
        f'"ParentTraceContext":{nested.trace(v.parent_trace_context, typed=True)},'
    )


def _execution_terminated(v: e.ExecutionTerminated) -> str:
    """Write `Recurse` only where it is set (docs/protocol/task-hub-storage-additions.md#recursive-termination)."""
    recurse = '"Recurse":true,' if v.recurse else ""
    return f'"EventType":3,"Input":{nullable(v.input)},{recurse}'


_MEMBERS: dict[type[e.HistoryEvent], Callable[[Any], str]] = {
    e.ExecutionStarted: _execution_started,
    e.ExecutionCompleted: _execution_completed,
    e.ContinueAsNew: _execution_completed,
    e.ExecutionTerminated: _execution_terminated,
    e.TaskScheduled: _task_scheduled,
    e.TaskCompleted: _completed,
    e.TaskFailed: _failed,
    e.SubOrchestrationInstanceCreated: _sub_created,
    e.SubOrchestrationInstanceCompleted: _completed,
    e.SubOrchestrationInstanceFailed: _failed,
    e.TimerCreated: lambda v: f'"EventType":10,"FireAt":{time_json(v.fire_at)},',
    e.TimerFired: lambda v: f'"EventType":11,"TimerId":{v.timer_id},"FireAt":{time_json(v.fire_at)},',
    e.OrchestratorStarted: lambda v: '"EventType":12,',
    e.OrchestratorCompleted: lambda v: '"EventType":13,',
    e.EventSent: lambda v: (
        f'"EventType":14,"InstanceId":{nullable(v.instance_id)},"Name":{nullable(v.name)},"Input":{nullable(v.input)},'
    ),
    e.EventRaised: _event_raised,
    e.GenericEvent: lambda v: f'"Data":{nullable(v.data)},"EventType":17,',
    e.ExecutionSuspended: _reason_only,
    e.ExecutionResumed: _reason_only,
    e.ExecutionRewound: _rewound,
}

_TYPE_NAMES = {
    kind: f"DurableTask.Core.History.{kind.event_name.removesuffix('Event')}Event" for kind in e.EVENT_CLASSES
}
