"""An orchestration that carries out decisions, and what each of them becomes.

Source: docs/protocol/task-hub-storage-processing.md#decisions
"""

from typing import NamedTuple

from durable_host.durable.engine.options import EngineOptions
from durable_host.durable.engine.refusals import Refusal
from durable_host.durable.model import identity
from durable_host.durable.model.events import ExecutionStarted, HistoryEvent, OrchestrationInstance, TraceContext
from durable_host.durable.model.messages import TaskMessage
from durable_host.durable.user_code import UserCode


class Scheduled(NamedTuple):
    """What a decision became. `request` is the identity of the request for an activity."""

    event: HistoryEvent
    messages: list[TaskMessage]
    refusal: Refusal | None = None
    request: str | None = None


class SendingOrchestration(NamedTuple):
    """The orchestration whose decisions are carried out, and what it takes to do so. `now` in ticks."""

    instance: OrchestrationInstance
    started: ExecutionStarted
    episode: int
    now: int
    code: UserCode
    options: EngineOptions

    @property
    def trace(self) -> TraceContext | None:
        """Trace context of what the orchestration calls: its own span, where it has one."""
        context = self.started.parent_trace_context
        return context if context is None or context.id is None else TraceContext(context.id, context.trace_state)

    def identity(self, kind: type[HistoryEvent], number: int, *content: str | None, unstored: str | None = None) -> str:
        """Identity of what the decision `number`, of this kind, sends."""
        return identity.decided(self.instance, self.episode, kind.event_name, number, content, unstored=unstored)

    def message(self, event: HistoryEvent, id: str, target: OrchestrationInstance | None = None) -> TaskMessage:
        return TaskMessage(
            event=event, target=target or self.instance, sender=self.instance, episode=self.episode, id=id
        )
