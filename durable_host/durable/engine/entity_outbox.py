"""The messages that one batch of an entity sends.

Source: docs/protocol/task-hub-storage-entities.md#entity-messages,
    docs/protocol/task-hub-storage-entities.md#entity-batch
"""

from collections.abc import Iterable

import msgspec

from durable_host.durable.engine.entity_execution import EntityExecution
from durable_host.durable.engine.entity_messages import request_event_name, response_json
from durable_host.durable.engine.entity_request import EntityRequest, request_record
from durable_host.durable.engine.entity_texts import failure_text
from durable_host.durable.model import identity
from durable_host.durable.model.events import EventRaised, FailureDetails, HistoryEvent, OrchestrationInstance
from durable_host.durable.model.messages import TaskMessage


class Outbox:
    """The messages of one batch, in order."""

    def __init__(self, execution: EntityExecution, now: int) -> None:
        self.sent: list[TaskMessage] = []
        self.instance_id = execution.instance_id
        self.sender = OrchestrationInstance(execution.instance_id, execution.execution_id)
        self._episode = execution.episode
        self.now = now

    def send(
        self,
        target: str,
        name: str,
        input: str | None,
        execution_id: str | None = None,
        *,
        what: tuple[str | None, ...] | None = None,
    ) -> None:
        """Add a message. `what` is the content that identifies it: without the parts that change when the batch is
        repeated.
        """
        event = EventRaised(name=name, input=input, timestamp=self.now)
        content = (target, name, input) if what is None else what
        self.add(event, OrchestrationInstance(target, execution_id), self.identity(EventRaised, content))

    def identity(self, kind: type[HistoryEvent], content: Iterable[str | None]) -> str:
        """Return the identity of the next message, derived from its content."""
        return identity.decided(self.sender, self._episode, kind.event_name, len(self.sent), content)

    def add(
        self, event: HistoryEvent, target: OrchestrationInstance, id: str, tags: dict[str, str] | None = None
    ) -> None:
        self.sent.append(TaskMessage(event, target, self.sender, self._episode, tags, id=id))

    def respond(self, request: EntityRequest, result: str, *, is_error: bool = False) -> None:
        if request.parent is not None:
            text = response_json(result, is_error=is_error)
            self.send(request.parent, request.id, text, request.parent_execution)

    def respond_failure(self, request: EntityRequest, failure: FailureDetails) -> None:
        """Send the structured failure to a caller that expects one."""
        if request.parent is not None:
            self.send(request.parent, request.id, failure_text(failure), request.parent_execution)

    def forward(self, request: EntityRequest, position: int) -> None:
        """Forward a lock request to the entity at `position` of its set."""
        name, key = request.lock_set[position]
        self.send(f"@{name}@{key}", "op", _request_text(msgspec.structs.replace(request, position=position)))

    def reschedule(self, request: EntityRequest) -> None:
        """Send a request that arrived too early to this entity again."""
        due = None if request.due is None else request.due.ticks
        self.send(self.instance_id, request_event_name(due, self.now), _request_text(request))


def _request_text(request: EntityRequest) -> str:
    return msgspec.json.encode(request_record(request, with_type=True)).decode()
