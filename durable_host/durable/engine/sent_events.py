"""Derives the message of an EventSent from the event alone.

Source: docs/protocol/task-hub-storage-additions.md#owed-work
"""

from durable_host.durable.engine.entity_request import UnreadableEntityMessage, read_request
from durable_host.durable.engine.sending import SendingOrchestration
from durable_host.durable.model.events import EventRaised, EventSent, OrchestrationInstance
from durable_host.durable.model.messages import TaskMessage


def message_of_sent(event: EventSent, sender: SendingOrchestration) -> TaskMessage:
    """Return the EventRaised for the target. Its identity is the same each time it is derived."""
    try:
        request = read_request(event.input, None)
        content = (request.operation, request.input, request.id)
    except UnreadableEntityMessage:
        content = (event.name, event.input, None)
    raised = EventRaised(
        timestamp=event.timestamp, name=event.name, input=event.input, parent_trace_context=sender.trace
    )
    id = sender.identity(EventSent, event.event_id, event.instance_id, *content)
    return sender.message(raised, id, OrchestrationInstance(event.instance_id))
