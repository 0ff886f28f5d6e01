"""Decodes the protobuf actions of 2.x orchestrator code.

Source: docs/protocol/durable-v2.md#actions
"""

from collections.abc import Callable, Mapping
from typing import Any

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
    UnknownNumberedAction,
)
from durable_host.durable.proto import pb
from durable_host.durable.sdk.v2_events import read_events, read_status
from durable_host.durable.sdk.v2_values import read_failure, read_trace, text_of, ticks_of


def read_action(message: pb.OrchestratorAction) -> NumberedAction:
    """Return an action. Raises `UnknownHistoryEvent` if an event in it cannot be read."""
    kind = message.WhichOneof("orchestratorActionType") or ""
    if kind == "sendEntityMessage":
        return _entity_message(message.id, message.sendEntityMessage)
    read = _READERS.get(kind)
    if read is None:
        return UnknownNumberedAction(id=message.id, kind=kind or "nothing")
    return read(message.id, getattr(message, kind))


def _schedule_task(id: int, message: pb.ScheduleTaskAction) -> ScheduleTask:
    return ScheduleTask(
        id=id,
        name=message.name,
        version=text_of(message, "version"),
        input=text_of(message, "input"),
        tags=_tags(message.tags),
        trace=read_trace(message),
    )


def _create_child(id: int, message: pb.CreateSubOrchestrationAction) -> CreateSubOrchestration:
    return CreateSubOrchestration(
        id=id,
        instance_id=message.instanceId,
        name=message.name,
        version=text_of(message, "version"),
        input=text_of(message, "input"),
        tags=_tags(message.tags),
        trace=read_trace(message),
    )


def _send_event(id: int, message: pb.SendEventAction) -> SendEvent:
    return SendEvent(id=id, instance_id=message.instance.instanceId, name=message.name, input=text_of(message, "data"))


def _complete(id: int, message: pb.CompleteOrchestrationAction) -> CompleteOrchestration:
    """Return the completion. Where there is a failure, the result of .NET code is its message again, as plain text."""
    return CompleteOrchestration(
        id=id,
        status=read_status(message.orchestrationStatus),
        result=None if message.HasField("failureDetails") else text_of(message, "result"),
        details=text_of(message, "details"),
        failure=read_failure(message.failureDetails) if message.HasField("failureDetails") else None,
        new_version=text_of(message, "newVersion"),
        carried=read_events(message.carryoverEvents),
    )


def _terminate(id: int, message: pb.TerminateOrchestrationAction) -> TerminateOrchestration:
    return TerminateOrchestration(
        id=id, instance_id=message.instanceId, reason=text_of(message, "reason"), recurse=message.recurse
    )


def _entity_message(id: int, message: pb.SendEntityMessageAction) -> NumberedAction:
    match message.WhichOneof("EntityMessageType"):
        case "entityOperationSignaled":
            signal = message.entityOperationSignaled
            return EntitySignaled(
                id=id,
                request_id=signal.requestId,
                target=signal.targetInstanceId.value,
                operation=signal.operation,
                input=text_of(signal, "input"),
                due=ticks_of(signal.scheduledTime) if signal.HasField("scheduledTime") else None,
            )
        case "entityOperationCalled":
            call = message.entityOperationCalled
            return EntityCalled(
                id=id,
                request_id=call.requestId,
                target=call.targetInstanceId.value,
                operation=call.operation,
                input=text_of(call, "input"),
                parent=text_of(call, "parentInstanceId"),
                parent_execution=text_of(call, "parentExecutionId"),
                due=ticks_of(call.scheduledTime) if call.HasField("scheduledTime") else None,
            )
        case "entityLockRequested":
            lock = message.entityLockRequested
            return EntityLockRequested(
                id=id,
                critical_section_id=lock.criticalSectionId,
                lock_set=tuple(lock.lockSet),
                position=lock.position,
                parent=text_of(lock, "parentInstanceId"),
            )
        case "entityUnlockSent":
            unlock = message.entityUnlockSent
            return EntityUnlockSent(
                id=id,
                critical_section_id=unlock.criticalSectionId,
                target=unlock.targetInstanceId.value,
                parent=text_of(unlock, "parentInstanceId"),
            )
        case _:
            return UnknownNumberedAction(id=id, kind="sendEntityMessage without a message")


def _tags(tags: Mapping[str, str]) -> dict[str, str] | None:
    return dict(tags) or None


_READERS: dict[str, Callable[[int, Any], NumberedAction]] = {
    "scheduleTask": _schedule_task,
    "createSubOrchestration": _create_child,
    "createTimer": lambda id, m: StartTimer(id=id, fire_at=ticks_of(m.fireAt)),
    "sendEvent": _send_event,
    "completeOrchestration": _complete,
    "terminateOrchestration": _terminate,
    "rewindOrchestration": lambda id, _: RewindOrchestration(id=id),
}
