"""Task messages, exchanged between clients, orchestrations, activities and entities.

`TaskMessage` is independent of storage: each task hub adapter decides how it becomes a queue message or a database row.

Source: docs/protocol/task-hub-storage-messages.md#envelope,
    docs/protocol/task-hub-storage-messages.md#task-message
"""

import msgspec

from durable_host import timestamp
from durable_host.durable.model.events import (
    EventRaised,
    ExecutionStarted,
    HistoryEvent,
    OrchestrationInstance,
    TaskScheduled,
    TimerFired,
)

NO_SENDER = OrchestrationInstance("", "")


class TaskMessage(msgspec.Struct, frozen=True):
    """One event addressed to one instance.

    `target` is the orchestration that the message is for; for activity requests and results, it is the orchestration
    that scheduled the activity. `sender` is `NO_SENDER` for clients. `episode` is the sender's episode number, or None
    for clients. `tags` is set (and may be empty) only on activity requests and sub-orchestration starts. `id` is the
    message's identity (`identity.py`), or None if it is not known.
    """

    event: HistoryEvent
    target: OrchestrationInstance
    sender: OrchestrationInstance = NO_SENDER
    episode: int | None = None
    tags: dict[str, str] | None = None
    id: str | None = None

    @property
    def is_activity(self) -> bool:
        """True for requests that go to the work-item queue."""
        return isinstance(self.event, TaskScheduled)

    @property
    def is_start_of_client(self) -> bool:
        """True for a message that starts an instance for a client, not a sub-orchestration for its parent."""
        return isinstance(self.event, ExecutionStarted) and self.event.is_of_client

    @property
    def due(self) -> int | None:
        """The ticks before which the message must not be delivered, or None."""
        event = self.event
        if isinstance(event, TimerFired):
            return event.fire_at
        return _due_of(event, self.target)


def _due_of(event: HistoryEvent, target: OrchestrationInstance) -> int | None:
    if isinstance(event, ExecutionStarted):
        return event.scheduled_start_time
    if isinstance(event, EventRaised) and target.instance_id.startswith("@") and event.name[2:3] == "@":
        try:
            return timestamp.parse(event.name[3:])
        except ValueError:
            return None
    return None
