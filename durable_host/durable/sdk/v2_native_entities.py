"""Converts messages to and from entities from and to the protocol's own form: events 23 to 29.

The history keeps DurableTask.Core's form: an EventSent with the request, and an EventRaised with the answer that is
named after the request. Both forms are equivalent.

Source: docs/protocol/durable-v2.md#messages-in-history
"""

from contextlib import suppress
from typing import Any

import msgspec

from durable_host.durable.engine.entity_request import EntityRequest, UnreadableEntityMessage, read_request
from durable_host.durable.engine.entity_texts import (
    LOCK_ACQUIRED,
    failure_text,
    lock_text,
    operation_text,
    read_failure_record,
    release_text,
    result_text,
)
from durable_host.durable.model.events import EventRaised, EventSent, FailureDetails, HistoryEvent
from durable_host.durable.proto import pb
from durable_host.durable.sdk.v2_values import (
    failure_message,
    moment,
    payload,
    read_failure,
    text_of,
    ticks_of,
    wrapped,
)


class NativeEntityEvents:
    """Converts the events of one execution. They must be in order, because an answer is recognized by its request.

    Workers for .NET send DurableTask.Core's form themselves. Such requests stay as they are, and the answers have this
    form too.
    """

    def __init__(self) -> None:
        self._calls: set[str] = set()
        self._locks: set[str] = set()
        self._of_core: set[str] = set()

    def form_of(self, event: HistoryEvent) -> pb.HistoryEvent | None:
        """Return the native form of a message to or from an entity, or None for any other event."""
        if isinstance(event, EventSent) and event.instance_id.startswith("@"):
            return self._sent(event)
        if isinstance(event, EventRaised):
            return self._answer(event)
        return None

    def _sent(self, event: EventSent) -> pb.HistoryEvent | None:
        message = pb.HistoryEvent(eventId=event.event_id, timestamp=moment(event.timestamp))
        with suppress(UnreadableEntityMessage):
            request = read_request(event.input)
            if _is_of_core(event):
                self._of_core.add(request.id.casefold())
                return None
            if event.name == "release":
                message.entityUnlockSent.CopyFrom(
                    pb.EntityUnlockSentEvent(
                        criticalSectionId=request.id,
                        parentInstanceId=wrapped(request.parent),
                        targetInstanceId=wrapped(event.instance_id),
                    )
                )
                return message
            if event.name.startswith("op"):
                self._request(message, request, event.instance_id)
                return message
        return None

    def _request(self, message: pb.HistoryEvent, request: EntityRequest, target: str) -> None:
        due = moment(request.due.ticks) if request.due is not None else None
        if request.is_lock:
            self._locks.add(request.id.casefold())
            message.entityLockRequested.CopyFrom(
                pb.EntityLockRequestedEvent(
                    criticalSectionId=request.id,
                    lockSet=[f"@{name}@{key}" for name, key in request.lock_set],
                    position=request.position,
                    parentInstanceId=wrapped(request.parent),
                )
            )
        elif request.is_signal:
            message.entityOperationSignaled.CopyFrom(
                pb.EntityOperationSignaledEvent(
                    requestId=request.id,
                    operation=request.operation or "",
                    scheduledTime=due,
                    input=payload(request.input),
                    targetInstanceId=wrapped(target),
                )
            )
        else:
            self._calls.add(request.id.casefold())
            message.entityOperationCalled.CopyFrom(
                pb.EntityOperationCalledEvent(
                    requestId=request.id,
                    operation=request.operation or "",
                    scheduledTime=due,
                    input=payload(request.input),
                    parentInstanceId=wrapped(request.parent),
                    parentExecutionId=wrapped(request.parent_execution),
                    targetInstanceId=wrapped(target),
                )
            )

    def _answer(self, event: EventRaised) -> pb.HistoryEvent | None:
        message = pb.HistoryEvent(eventId=event.event_id, timestamp=moment(event.timestamp))
        if event.name.casefold() in self._of_core:
            result, failure = read_answer(event.input)
            text = result_text(result) if failure is None else failure_text(failure)
            message.eventRaised.CopyFrom(pb.EventRaisedEvent(name=event.name, input=wrapped(text)))
            return message
        if event.name.casefold() in self._locks:
            message.entityLockGranted.criticalSectionId = event.name
            return message
        if event.name.casefold() not in self._calls:
            return None
        result, failure = read_answer(event.input)
        if failure is not None:
            message.entityOperationFailed.CopyFrom(
                pb.EntityOperationFailedEvent(requestId=event.name, failureDetails=failure_message(failure))
            )
        else:
            message.entityOperationCompleted.CopyFrom(
                pb.EntityOperationCompletedEvent(requestId=event.name, output=payload(result))
            )
        return message


class _CoreRequest(msgspec.Struct):
    op: Any = msgspec.UNSET
    lock: Any = msgspec.field(default=msgspec.UNSET, name="IsLockRequest")


def _is_of_core(event: EventSent) -> bool:
    """Return True if DurableTask.Core wrote the request. It writes a member that requests of other workers lack."""
    try:
        request = msgspec.json.decode(event.input or "", type=_CoreRequest)
    except msgspec.MsgspecError:
        return False
    return request.op is msgspec.UNSET if event.name == "release" else request.lock is not msgspec.UNSET


class _Answer(msgspec.Struct, rename="camel"):
    result: str | None = None
    exception_type: str | None = None
    failure_details: Any = None


def read_answer(text: str | None) -> tuple[str | None, FailureDetails | None]:
    """Return the result or the failure in an entity's answer. Failures of 1.x apps contain only a text."""
    try:
        answer = msgspec.json.decode(text or "null", type=_Answer)
    except msgspec.MsgspecError:
        return text, None
    failure = read_failure_record(answer.failure_details)
    if failure is not None:
        return None, failure
    if answer.exception_type is None:
        return answer.result, None
    said = answer.result or ""
    with suppress(msgspec.MsgspecError):
        said = msgspec.json.decode(said, type=str)
    return None, FailureDetails(error_type=answer.exception_type, error_message=said)


def core_form(message: pb.HistoryEvent, common: dict[str, Any]) -> HistoryEvent | None:
    """Return DurableTask.Core's form of a native event, or None for any other event."""
    return _core_request(message, common) or _core_answer(message, common)


def _core_request(message: pb.HistoryEvent, common: dict[str, Any]) -> EventSent | None:
    match message.WhichOneof("eventType"):
        case "entityOperationSignaled":
            event = message.entityOperationSignaled
            due = ticks_of(event.scheduledTime) if event.HasField("scheduledTime") else None
            text = operation_text(
                operation=event.operation,
                request_id=event.requestId,
                input=text_of(event, "input"),
                is_signal=True,
                due=due,
            )
            return EventSent(**common, instance_id=event.targetInstanceId.value, name="op", input=text)
        case "entityOperationCalled":
            event = message.entityOperationCalled
            text = operation_text(
                operation=event.operation,
                request_id=event.requestId,
                input=text_of(event, "input"),
                parent=text_of(event, "parentInstanceId"),
                parent_execution=text_of(event, "parentExecutionId"),
            )
            return EventSent(**common, instance_id=event.targetInstanceId.value, name="op", input=text)
        case "entityLockRequested":
            event = message.entityLockRequested
            text = lock_text(
                critical_section_id=event.criticalSectionId,
                lock_set=list(event.lockSet),
                position=event.position,
                parent=event.parentInstanceId.value,
                parent_execution=None,
            )
            target = event.lockSet[event.position] if 0 <= event.position < len(event.lockSet) else ""
            return EventSent(**common, instance_id=target, name="op", input=text)
        case "entityUnlockSent":
            event = message.entityUnlockSent
            text = release_text(
                critical_section_id=event.criticalSectionId,
                parent=event.parentInstanceId.value,
                parent_execution=None,
            )
            return EventSent(**common, instance_id=event.targetInstanceId.value, name="release", input=text)
        case _:
            return None


def _core_answer(message: pb.HistoryEvent, common: dict[str, Any]) -> EventRaised | None:
    match message.WhichOneof("eventType"):
        case "entityOperationCompleted":
            event = message.entityOperationCompleted
            return EventRaised(**common, name=event.requestId, input=result_text(text_of(event, "output")))
        case "entityOperationFailed":
            event = message.entityOperationFailed
            return EventRaised(**common, name=event.requestId, input=failure_text(read_failure(event.failureDetails)))
        case "entityLockGranted":
            event = message.entityLockGranted
            return EventRaised(**common, name=event.criticalSectionId, input=result_text(LOCK_ACQUIRED))
        case _:
            return None
