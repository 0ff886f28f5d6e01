"""The orchestration that carries out decisions, and what each decision becomes.

Source: docs/protocol/task-hub-storage-processing.md#decisions
"""

from typing import NamedTuple

from durable_host.durable.engine.options import EngineOptions
from durable_host.durable.engine.refusals import Refusal
from durable_host.durable.model import identity
from durable_host.durable.model.events import (
    ExecutionStarted,
    HistoryEvent,
    OrchestrationInstance,
    ParentInstance,
    SubOrchestrationInstanceCreated,
    TimerCreated,
    TimerFired,
    TraceContext,
)
from durable_host.durable.model.messages import TaskMessage
from durable_host.durable.user_code import UserCode, numbers_its_actions


class Scheduled(NamedTuple):
    """What a decision became. `request` is the identity of an activity's request."""

    event: HistoryEvent
    messages: list[TaskMessage]
    refusal: Refusal | None = None
    request: str | None = None


class SendingOrchestration(NamedTuple):
    """The orchestration whose decisions are carried out, and everything that this requires. `now` is in ticks."""

    instance: OrchestrationInstance
    started: ExecutionStarted
    episode: int
    now: int
    code: UserCode
    options: EngineOptions

    @property
    def trace(self) -> TraceContext | None:
        """The trace context for its calls: the orchestration's own span, if it has one."""
        context = self.started.parent_trace_context
        return context if context is None or context.id is None else TraceContext(context.id, context.trace_state)

    def identity(self, kind: type[HistoryEvent], number: int, *content: str | None, unstored: str | None = None) -> str:
        """Return the identity of what the decision `number` of this kind sends."""
        return identity.decided(self.instance, self.episode, kind.event_name, number, content, unstored=unstored)

    def timer(self, number: int, fire_at: int) -> Scheduled:
        """Return the event and message of the timer `number`."""
        event = TimerCreated(event_id=number, timestamp=self.now, fire_at=fire_at)
        fired = TimerFired(timestamp=self.now, timer_id=number, fire_at=fire_at)
        return Scheduled(event, [self.message(fired, self.identity(TimerCreated, number, str(fire_at)))])

    def start_of_child(
        self,
        call: SubOrchestrationInstanceCreated,
        input: str | None,
        *,
        tags: dict[str, str] | None,
        message_tags: dict[str, str],
        trace: TraceContext | None,
    ) -> TaskMessage:
        """Return the start message of the child named in `call`. `input` is its input, which `call` may omit."""
        id = self.identity(SubOrchestrationInstanceCreated, call.event_id, call.instance_id, call.name, input)
        child = OrchestrationInstance(
            call.instance_id, identity.execution_of(id, is_of_v2=numbers_its_actions(self.code))
        )
        started = ExecutionStarted(
            timestamp=self.now,
            orchestration_instance=child,
            parent_instance=ParentInstance(
                name=self.started.name,
                orchestration_instance=self.instance,
                task_schedule_id=call.event_id,
                version=self.started.version,
            ),
            name=call.name,
            version=call.version,
            input=input,
            tags=tags,
            parent_trace_context=trace,
        )
        return TaskMessage(
            event=started, target=child, sender=self.instance, episode=self.episode, tags=message_tags, id=id
        )

    def message(self, event: HistoryEvent, id: str, target: OrchestrationInstance | None = None) -> TaskMessage:
        return TaskMessage(
            event=event, target=target or self.instance, sender=self.instance, episode=self.episode, id=id
        )
