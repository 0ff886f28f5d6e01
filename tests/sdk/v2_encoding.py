"""Encodes answers of a 2.x worker: the reverse of `durable_host.durable.sdk.v2_actions`."""

from durable_host.durable.model.numbered import (
    CompleteOrchestration,
    CreateSubOrchestration,
    EntityCalled,
    EntityLockRequested,
    EntitySignaled,
    EntityUnlockSent,
    NumberedAction,
    RewindOrchestration,
    ScheduleTask,
    SendEvent,
    StartTimer,
    TerminateOrchestration,
)
from durable_host.durable.proto import pb
from durable_host.durable.sdk.v2_events import event_messages, status_number
from durable_host.durable.sdk.v2_values import failure_message, moment, trace_message, wrapped
from durable_host.durable.user_code import NumberedAnswer


def response_message(instance_id: str, answer: NumberedAnswer) -> pb.OrchestratorResponse:
    message = pb.OrchestratorResponse(
        instanceId=instance_id,
        actions=[action_message(action) for action in answer.actions],
        customStatus=wrapped(answer.custom_status),
    )
    if answer.worker_trace is not None:
        message.orchestrationTraceContext.ParseFromString(answer.worker_trace)
        message.orchestrationTraceContext.SetInParent()
    return message


def action_message(action: NumberedAction) -> pb.OrchestratorAction:
    message = pb.OrchestratorAction(id=action.id)
    match action:
        case ScheduleTask():
            message.scheduleTask.CopyFrom(
                pb.ScheduleTaskAction(
                    name=action.name,
                    version=wrapped(action.version),
                    input=wrapped(action.input),
                    tags=action.tags,
                    parentTraceContext=trace_message(action.trace),
                )
            )
        case CreateSubOrchestration():
            message.createSubOrchestration.CopyFrom(
                pb.CreateSubOrchestrationAction(
                    instanceId=action.instance_id,
                    name=action.name,
                    version=wrapped(action.version),
                    input=wrapped(action.input),
                    tags=action.tags,
                    parentTraceContext=trace_message(action.trace),
                )
            )
        case StartTimer():
            message.createTimer.CopyFrom(pb.CreateTimerAction(fireAt=moment(action.fire_at)))
        case SendEvent():
            message.sendEvent.CopyFrom(
                pb.SendEventAction(
                    instance=pb.OrchestrationInstance(instanceId=action.instance_id),
                    name=action.name,
                    data=wrapped(action.input),
                )
            )
        case CompleteOrchestration():
            message.completeOrchestration.CopyFrom(
                pb.CompleteOrchestrationAction(
                    orchestrationStatus=status_number(action.status),
                    result=wrapped(action.result),
                    details=wrapped(action.details),
                    newVersion=wrapped(action.new_version),
                    carryoverEvents=[_without_time(one) for one in event_messages(action.carried)],
                    failureDetails=None if action.failure is None else failure_message(action.failure),
                )
            )
        case TerminateOrchestration():
            message.terminateOrchestration.CopyFrom(
                pb.TerminateOrchestrationAction(
                    instanceId=action.instance_id, reason=wrapped(action.reason), recurse=action.recurse
                )
            )
        case RewindOrchestration():
            message.rewindOrchestration.SetInParent()
        case _:
            message.sendEntityMessage.CopyFrom(_entity_message(action))
    return message


def _entity_message(action: NumberedAction) -> pb.SendEntityMessageAction:
    message = pb.SendEntityMessageAction()
    match action:
        case EntitySignaled():
            message.entityOperationSignaled.CopyFrom(
                pb.EntityOperationSignaledEvent(
                    requestId=action.request_id,
                    operation=action.operation,
                    scheduledTime=moment(action.due),
                    input=wrapped(action.input),
                    targetInstanceId=wrapped(action.target),
                )
            )
        case EntityCalled():
            message.entityOperationCalled.CopyFrom(
                pb.EntityOperationCalledEvent(
                    requestId=action.request_id,
                    operation=action.operation,
                    scheduledTime=moment(action.due),
                    input=wrapped(action.input),
                    parentInstanceId=wrapped(action.parent),
                    parentExecutionId=wrapped(action.parent_execution),
                    targetInstanceId=wrapped(action.target),
                )
            )
        case EntityLockRequested():
            message.entityLockRequested.CopyFrom(
                pb.EntityLockRequestedEvent(
                    criticalSectionId=action.critical_section_id,
                    lockSet=action.lock_set,
                    position=action.position,
                    parentInstanceId=wrapped(action.parent),
                )
            )
        case EntityUnlockSent():
            message.entityUnlockSent.CopyFrom(
                pb.EntityUnlockSentEvent(
                    criticalSectionId=action.critical_section_id,
                    parentInstanceId=wrapped(action.parent),
                    targetInstanceId=wrapped(action.target),
                )
            )
        case _:
            raise TypeError(f"not an action: {action!r}")
    return message


def _without_time(message: pb.HistoryEvent) -> pb.HistoryEvent:
    """Workers carry events over with the time 1970-01-01."""
    message.timestamp.SetInParent()
    return message
