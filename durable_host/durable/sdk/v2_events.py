"""Converts history events of the 2.x protocol from and to protobuf.

Source: docs/protocol/durable-v2.md#history-events
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, cast

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
from durable_host.durable.model.status import OrchestrationStatus
from durable_host.durable.proto import pb
from durable_host.durable.sdk.v2_native_entities import NativeEntityEvents, core_form
from durable_host.durable.sdk.v2_values import (
    failure_message,
    instance_message,
    moment,
    parent_message,
    payload,
    read_failure,
    read_instance,
    read_parent,
    read_trace,
    text_of,
    ticks_of,
    trace_message,
    utf8,
    wrapped,
)


class UnknownHistoryEvent(ValueError):
    """A history event contains no member that this host knows."""


def event_messages(events: Iterable[HistoryEvent], *, native_entities: bool = False) -> list[pb.HistoryEvent]:
    """Return the events of one execution, from its beginning.

    With `native_entities`, messages to and from entities have the protocol's own form (events 23 to 29) instead of
    DurableTask.Core's.
    """
    native = NativeEntityEvents() if native_entities else None
    messages: list[pb.HistoryEvent] = []
    for event in events:
        message = native.form_of(event) if native is not None else None
        messages.append(event_message(event) if message is None else message)
    return messages


def event_message(event: HistoryEvent) -> pb.HistoryEvent:
    """Return one event. Events that the protocol does not use become generic events, which every SDK skips."""
    member, write = _WRITERS.get(type(event), _UNUSED)
    return pb.HistoryEvent(eventId=event.event_id, timestamp=moment(event.timestamp), **{member: write(event)})


def read_events(messages: Iterable[pb.HistoryEvent]) -> list[HistoryEvent]:
    """Return the events. Raises `UnknownHistoryEvent`."""
    return [read_event(message) for message in messages]


def read_event(message: pb.HistoryEvent) -> HistoryEvent:
    """Return one event; messages to and from entities in DurableTask.Core's form. Raises `UnknownHistoryEvent`."""
    kind = message.WhichOneof("eventType")
    common = {"event_id": message.eventId, "timestamp": ticks_of(message.timestamp)}
    read = _READERS.get(kind or "")
    if read is not None:
        return read(getattr(message, kind or ""), common)
    in_core_form = core_form(message, common)
    if in_core_form is None:
        raise UnknownHistoryEvent(f"A history event of the kind {kind or 'nothing'} cannot be read.")
    return in_core_form


def _started(event: ExecutionStarted) -> pb.ExecutionStartedEvent:
    """Return the message. An empty version or parent is omitted, because user code would see it as a value."""
    return pb.ExecutionStartedEvent(
        name=utf8(event.name),
        version=payload(event.version),
        input=payload(event.input),
        orchestrationInstance=instance_message(event.orchestration_instance),
        parentInstance=parent_message(event.parent_instance),
        scheduledStartTimestamp=moment(event.scheduled_start_time),
        parentTraceContext=trace_message(event.parent_trace_context),
        tags=event.tags,
    )


def _completed(event: ExecutionCompleted) -> pb.ExecutionCompletedEvent:
    failure = event.failure_details
    return pb.ExecutionCompletedEvent(
        orchestrationStatus=status_number(event.orchestration_status),
        result=payload(event.result),
        failureDetails=None if failure is None else failure_message(failure),
    )


def _task_scheduled(event: TaskScheduled) -> pb.TaskScheduledEvent:
    return pb.TaskScheduledEvent(
        name=event.name,
        version=payload(event.version),
        input=payload(event.input),
        parentTraceContext=trace_message(event.parent_trace_context),
        tags=event.tags,
    )


def _child_created(event: SubOrchestrationInstanceCreated) -> pb.SubOrchestrationInstanceCreatedEvent:
    return pb.SubOrchestrationInstanceCreatedEvent(
        instanceId=event.instance_id,
        name=event.name,
        version=payload(event.version),
        input=payload(event.input),
        tags=event.tags,
    )


def _failed(event: TaskFailed | SubOrchestrationInstanceFailed) -> dict[str, Any]:
    return {
        "taskScheduledId": event.task_scheduled_id,
        "failureDetails": failure_message(event.failure_details, event.reason, event.details),
    }


def _rewound(event: ExecutionRewound) -> pb.ExecutionRewoundEvent:
    return pb.ExecutionRewoundEvent(
        reason=payload(event.reason),
        parentExecutionId=wrapped(event.parent_execution_id),
        instanceId=wrapped(event.instance_id),
        parentTraceContext=trace_message(event.parent_trace_context),
    )


_UNUSED: tuple[str, Callable[[Any], Any]] = ("genericEvent", lambda event: pb.GenericEvent())
_WRITERS: dict[type[HistoryEvent], tuple[str, Callable[[Any], Any]]] = {
    ExecutionStarted: ("executionStarted", _started),
    ExecutionCompleted: ("executionCompleted", _completed),
    ExecutionTerminated: (
        "executionTerminated",
        lambda event: pb.ExecutionTerminatedEvent(input=payload(event.input), recurse=event.recurse),
    ),
    TaskScheduled: ("taskScheduled", _task_scheduled),
    TaskCompleted: (
        "taskCompleted",
        lambda event: pb.TaskCompletedEvent(taskScheduledId=event.task_scheduled_id, result=payload(event.result)),
    ),
    TaskFailed: ("taskFailed", lambda event: pb.TaskFailedEvent(**_failed(event))),
    SubOrchestrationInstanceCreated: ("subOrchestrationInstanceCreated", _child_created),
    SubOrchestrationInstanceCompleted: (
        "subOrchestrationInstanceCompleted",
        lambda event: pb.SubOrchestrationInstanceCompletedEvent(
            taskScheduledId=event.task_scheduled_id, result=payload(event.result)
        ),
    ),
    SubOrchestrationInstanceFailed: (
        "subOrchestrationInstanceFailed",
        lambda event: pb.SubOrchestrationInstanceFailedEvent(**_failed(event)),
    ),
    TimerCreated: ("timerCreated", lambda event: pb.TimerCreatedEvent(fireAt=moment(event.fire_at))),
    TimerFired: ("timerFired", lambda event: pb.TimerFiredEvent(fireAt=moment(event.fire_at), timerId=event.timer_id)),
    OrchestratorStarted: ("orchestratorStarted", lambda event: pb.OrchestratorStartedEvent()),
    OrchestratorCompleted: ("orchestratorCompleted", lambda event: pb.OrchestratorCompletedEvent()),
    EventSent: (
        "eventSent",
        lambda event: pb.EventSentEvent(
            instanceId=utf8(event.instance_id), name=utf8(event.name), input=payload(event.input)
        ),
    ),
    EventRaised: (
        "eventRaised",
        lambda event: pb.EventRaisedEvent(name=utf8(event.name), input=payload(event.input)),
    ),
    ExecutionSuspended: ("executionSuspended", lambda event: pb.ExecutionSuspendedEvent(input=payload(event.reason))),
    ExecutionResumed: ("executionResumed", lambda event: pb.ExecutionResumedEvent(input=payload(event.reason))),
    ExecutionRewound: ("executionRewound", _rewound),
    GenericEvent: ("genericEvent", lambda event: pb.GenericEvent(data=payload(event.data))),
}
"""For each event, the member of the message and what returns its content."""


def _read_started(message: pb.ExecutionStartedEvent, common: dict[str, Any]) -> ExecutionStarted:
    scheduled = message.scheduledStartTimestamp if message.HasField("scheduledStartTimestamp") else None
    return ExecutionStarted(
        **common,
        name=message.name,
        version=text_of(message, "version"),
        input=text_of(message, "input"),
        orchestration_instance=read_instance(message.orchestrationInstance),
        parent_instance=read_parent(message),
        scheduled_start_time=None if scheduled is None else ticks_of(scheduled),
        parent_trace_context=read_trace(message),
        tags=_tags(message.tags),
    )


def _read_completed(message: pb.ExecutionCompletedEvent, common: dict[str, Any]) -> ExecutionCompleted:
    return ExecutionCompleted(
        **common,
        orchestration_status=read_status(message.orchestrationStatus),
        result=text_of(message, "result"),
        failure_details=read_failure(message.failureDetails) if message.HasField("failureDetails") else None,
    )


def status_number(status: OrchestrationStatus) -> pb.OrchestrationStatus:
    """Return the protocol's number of a status, which is DurableTask.Core's."""
    return cast("pb.OrchestrationStatus", status.value)


def read_status(number: int) -> OrchestrationStatus:
    """Return the status with a number of the protocol. An unknown number counts as Failed."""
    try:
        return OrchestrationStatus(number)
    except ValueError:
        return OrchestrationStatus.Failed


def _read_task_failed(message: pb.TaskFailedEvent, common: dict[str, Any]) -> TaskFailed:
    failure = read_failure(message.failureDetails)
    return TaskFailed(
        **common,
        task_scheduled_id=message.taskScheduledId,
        reason=failure.error_message,
        details=failure.stack_trace,
        failure_details=failure,
    )


def _read_child_failed(
    message: pb.SubOrchestrationInstanceFailedEvent, common: dict[str, Any]
) -> SubOrchestrationInstanceFailed:
    failure = read_failure(message.failureDetails)
    return SubOrchestrationInstanceFailed(
        **common,
        task_scheduled_id=message.taskScheduledId,
        reason=failure.error_message,
        details=failure.stack_trace,
        failure_details=failure,
    )


def _read_rewound(message: pb.ExecutionRewoundEvent, common: dict[str, Any]) -> ExecutionRewound:
    return ExecutionRewound(
        **common,
        reason=text_of(message, "reason"),
        parent_execution_id=text_of(message, "parentExecutionId"),
        instance_id=text_of(message, "instanceId"),
        parent_trace_context=read_trace(message),
    )


def _tags(tags: Mapping[str, str]) -> dict[str, str] | None:
    return dict(tags) or None


_READERS: dict[str, Callable[[Any, dict[str, Any]], HistoryEvent]] = {
    "executionStarted": _read_started,
    "executionCompleted": _read_completed,
    "executionTerminated": lambda m, common: ExecutionTerminated(
        **common, input=text_of(m, "input"), recurse=m.recurse
    ),
    "taskScheduled": lambda m, common: TaskScheduled(
        **common,
        name=m.name,
        version=text_of(m, "version"),
        input=text_of(m, "input"),
        parent_trace_context=read_trace(m),
        tags=_tags(m.tags),
    ),
    "taskCompleted": lambda m, common: TaskCompleted(
        **common, task_scheduled_id=m.taskScheduledId, result=text_of(m, "result")
    ),
    "taskFailed": _read_task_failed,
    "subOrchestrationInstanceCreated": lambda m, common: SubOrchestrationInstanceCreated(
        **common,
        instance_id=m.instanceId,
        name=m.name,
        version=text_of(m, "version"),
        input=text_of(m, "input"),
        tags=_tags(m.tags),
    ),
    "subOrchestrationInstanceCompleted": lambda m, common: SubOrchestrationInstanceCompleted(
        **common, task_scheduled_id=m.taskScheduledId, result=text_of(m, "result")
    ),
    "subOrchestrationInstanceFailed": _read_child_failed,
    "timerCreated": lambda m, common: TimerCreated(**common, fire_at=ticks_of(m.fireAt)),
    "timerFired": lambda m, common: TimerFired(**common, fire_at=ticks_of(m.fireAt), timer_id=m.timerId),
    "orchestratorStarted": lambda m, common: OrchestratorStarted(**common),
    "orchestratorCompleted": lambda m, common: OrchestratorCompleted(**common),
    "eventSent": lambda m, common: EventSent(
        **common, instance_id=m.instanceId, name=m.name, input=text_of(m, "input")
    ),
    "eventRaised": lambda m, common: EventRaised(**common, name=m.name, input=text_of(m, "input")),
    "genericEvent": lambda m, common: GenericEvent(**common, data=text_of(m, "data")),
    "continueAsNew": lambda m, common: ContinueAsNew(**common, result=text_of(m, "input")),
    "executionSuspended": lambda m, common: ExecutionSuspended(**common, reason=text_of(m, "input")),
    "executionResumed": lambda m, common: ExecutionResumed(**common, reason=text_of(m, "input")),
    "executionRewound": _read_rewound,
}
