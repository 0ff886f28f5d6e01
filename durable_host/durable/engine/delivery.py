"""Whether a received message can be worked on now. Source: spec/task-hub-storage.md, sections 8.2 to 8.4."""

from typing import Literal, Protocol

from durable_host.durable.engine.refusals import SAME_AS_PARENT
from durable_host.durable.engine.state import OrchestrationState
from durable_host.durable.model import identity
from durable_host.durable.model.events import (
    EventRaised,
    ExecutionStarted,
    HistoryEvent,
    SubOrchestrationInstanceCompleted,
    SubOrchestrationInstanceFailed,
    TaskCompleted,
    TaskFailed,
    TimerFired,
)
from durable_host.durable.model.messages import TaskMessage

Delivery = Literal["process", "defer", "discard"]
StartDelivery = Literal["start", "duplicate", "conflict"]

ZOMBIE_DEQUEUES = 5
_CHILD_RUNNING = "An Orchestration instance with the status {status} already exists."


class Received(Protocol):
    """A message as the task hub delivered it (`taskhub.port.ReceivedMessage`)."""

    message: TaskMessage
    dequeue_count: int


def classify(state: OrchestrationState, received: Received, *, starts: bool = False) -> Delivery:
    """What to do with a received message, given the instance's current state.

    `starts`: the same batch holds the ExecutionStarted of the message's execution. `defer` means: give it back, it
    may have overtaken the commit it answers. A discarded ExecutionTerminated still has to be written to the
    instance's row (section 8.4).
    """
    message = received.message
    if isinstance(message.event, ExecutionStarted):
        return "process" if judge_start(state, message) == "start" else "discard"
    if starts and not state.is_started:
        return "process"
    if not state.is_started or not _is_current(state, message):
        return "defer" if _may_overtake(message) and received.dequeue_count <= ZOMBIE_DEQUEUES else "discard"
    if state.is_terminal:
        return "discard"
    return "process" if _is_known(state, message) else "defer"


def judge_start(state: OrchestrationState, message: TaskMessage) -> StartDelivery:
    """What a start message means for an instance whose current execution is `state`.

    `start`: run it, on an empty state when `state` has ended; `duplicate`: the same start again (a parent whose
    episode was run twice sends a second one), discard it; `conflict`: another execution is running, answer a parent
    with `conflict_reply`.
    """
    event = message.event
    assert isinstance(event, ExecutionStarted)
    if state.started is None:
        return "start"
    if event.orchestration_instance.execution_id == state.execution_id:
        return "duplicate"
    ours, theirs = state.started.parent_instance, event.parent_instance
    if (
        ours is not None
        and theirs is not None
        and ours.task_schedule_id == theirs.task_schedule_id
        and ours.orchestration_instance == theirs.orchestration_instance
    ):
        return "duplicate"
    return "start" if state.is_terminal else "conflict"


def conflict_reply(state: OrchestrationState, message: TaskMessage, *, now: int) -> TaskMessage | None:
    """The failure for a parent that started a child whose id is in use by a running instance."""
    event = message.event
    if not isinstance(event, ExecutionStarted) or event.parent_instance is None:
        return None
    parent = event.parent_instance
    reason = (
        SAME_AS_PARENT
        if parent.orchestration_instance.instance_id == message.target.instance_id
        else _CHILD_RUNNING.format(status=state.status.name)
    )
    failed = SubOrchestrationInstanceFailed(timestamp=now, task_scheduled_id=parent.task_schedule_id, reason=reason)
    id = identity.answer_to(message.id)
    return TaskMessage(event=failed, target=parent.orchestration_instance, sender=message.target, id=id)


def _may_overtake(message: TaskMessage) -> bool:
    return answered_id(message.event) is not None or _is_entity_answer(message)


def _is_known(state: OrchestrationState, message: TaskMessage) -> bool:
    """False when the history does not hold yet what the message answers."""
    number = answered_id(message.event)
    if number is not None:
        return number in state.scheduled_ids
    if _is_entity_answer(message):
        event = message.event
        return isinstance(event, EventRaised) and event.name.casefold() in state.request_ids
    return True


def answered_id(event: HistoryEvent) -> int | None:
    """The number of the decision that a completion answers, None for other events."""
    match event:
        case TaskCompleted() | TaskFailed() | SubOrchestrationInstanceCompleted() | SubOrchestrationInstanceFailed():
            return event.task_scheduled_id
        case TimerFired():
            return event.timer_id
        case _:
            return None


def _is_entity_answer(message: TaskMessage) -> bool:
    return (
        isinstance(message.event, EventRaised)
        and message.sender.instance_id.startswith("@")
        and not message.target.instance_id.startswith("@")
    )


def _is_current(state: OrchestrationState, message: TaskMessage) -> bool:
    meant, current = message.target.execution_id, state.execution_id
    return not meant or current is None or meant.casefold() == current.casefold()
