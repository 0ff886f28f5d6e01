"""Replacements for messages that storage permanently rejects, so that nothing waits forever."""

import msgspec

from durable_host.durable.engine.activity_results import activity_result
from durable_host.durable.engine.entity_messages import response_json
from durable_host.durable.engine.entity_request import UnreadableEntityMessage, read_request
from durable_host.durable.engine.inputs import json_string
from durable_host.durable.model import identity
from durable_host.durable.model.events import (
    EventRaised,
    ExecutionStarted,
    OrchestrationInstance,
    SubOrchestrationInstanceCompleted,
    SubOrchestrationInstanceFailed,
    TaskCompleted,
    TaskFailed,
    TaskScheduled,
    TimerFired,
)
from durable_host.durable.model.messages import TaskMessage
from durable_host.durable.user_code import ActivityOutcome


def in_place_of(message: TaskMessage, reason: str, *, now: int) -> TaskMessage | None:
    """Return the failure of the call or result that cannot be sent, or None if nothing waits for it.

    A timer is returned unchanged to be sent again: it has no data that storage could reject.
    """
    event = message.event
    match event:
        case TaskScheduled():
            return activity_result(message, ActivityOutcome(error=reason), now=now)
        case TaskCompleted():
            failed = TaskFailed(timestamp=now, task_scheduled_id=event.task_scheduled_id, reason=reason)
            return msgspec.structs.replace(message, event=failed)
        case SubOrchestrationInstanceCompleted():
            number = event.task_scheduled_id
            failed = SubOrchestrationInstanceFailed(timestamp=now, task_scheduled_id=number, reason=reason)
            return msgspec.structs.replace(message, event=failed)
        case TaskFailed() | SubOrchestrationInstanceFailed() if event.reason != reason:
            return msgspec.structs.replace(
                message, event=type(event)(timestamp=now, task_scheduled_id=event.task_scheduled_id, reason=reason)
            )
        case ExecutionStarted() if event.parent_instance is not None:
            parent = event.parent_instance
            failed = SubOrchestrationInstanceFailed(
                timestamp=now, task_scheduled_id=parent.task_schedule_id, reason=reason
            )
            id = identity.answer_to(message.id)
            return TaskMessage(failed, parent.orchestration_instance, message.target, id=id)
        case TimerFired():
            return message
        case EventRaised():
            return _of_entity_message(message, event, reason, now)
        case _:
            return None


def _of_entity_message(message: TaskMessage, event: EventRaised, reason: str, now: int) -> TaskMessage | None:
    error = response_json(json_string(reason) or "", is_error=True)
    if message.sender.instance_id.startswith("@") and not message.target.instance_id.startswith("@"):
        if event.input == error:
            return None
        return msgspec.structs.replace(message, event=msgspec.structs.replace(event, input=error))
    try:
        request = read_request(event.input)
    except UnreadableEntityMessage:
        return None
    if request.parent is None or request.is_signal:
        return None
    answer = EventRaised(timestamp=now, name=request.id, input=error)
    target = OrchestrationInstance(request.parent, request.parent_execution)
    return TaskMessage(answer, target, message.target, id=identity.answer_to(message.id))
