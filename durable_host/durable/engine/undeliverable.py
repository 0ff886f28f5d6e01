"""The failure that a sender hears when storage refuses its message for good."""

from durable_host.durable.engine.activities import activity_result
from durable_host.durable.engine.entity_messages import response_json
from durable_host.durable.engine.entity_request import Unreadable, read_request
from durable_host.durable.engine.inputs import json_string
from durable_host.durable.model import identity
from durable_host.durable.model.events import (
    EventRaised,
    ExecutionStarted,
    OrchestrationInstance,
    SubOrchestrationInstanceFailed,
    TaskScheduled,
)
from durable_host.durable.model.messages import TaskMessage
from durable_host.durable.sdk.port import ActivityOutcome


def failure_of(message: TaskMessage, reason: str, *, now: int) -> TaskMessage | None:
    """The answer to a call of an activity, a child or an entity; None when nobody waits for one."""
    event = message.event
    if isinstance(event, TaskScheduled):
        return activity_result(message, ActivityOutcome(error=reason), now=now)
    id = identity.answer_to(message.id)
    if isinstance(event, ExecutionStarted) and event.parent_instance is not None:
        parent = event.parent_instance
        failed = SubOrchestrationInstanceFailed(timestamp=now, task_scheduled_id=parent.task_schedule_id, reason=reason)
        return TaskMessage(failed, parent.orchestration_instance, message.target, id=id)
    if isinstance(event, EventRaised) and message.target.instance_id.startswith("@"):
        try:
            request = read_request(event.input)
        except Unreadable:
            return None
        if request.parent is None or request.is_signal:
            return None
        answer = EventRaised(
            timestamp=now, name=request.id, input=response_json(json_string(reason) or "", is_error=True)
        )
        target = OrchestrationInstance(request.parent, request.parent_execution)
        return TaskMessage(answer, target, message.target, id=id)
    return None
