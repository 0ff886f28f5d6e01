"""Decides whether a received message can be processed now.

Source: docs/protocol/task-hub-storage-processing.md#early-results,
    docs/protocol/task-hub-storage-processing.md#executable-check,
    docs/protocol/task-hub-storage-additions.md#result-matching
"""

from collections.abc import Container, Hashable
from typing import Literal, Protocol

from durable_host.durable.engine.completion import FIRE_AND_FORGET
from durable_host.durable.engine.matching import Misfit, answer_key
from durable_host.durable.engine.refusals import SAME_AS_PARENT
from durable_host.durable.engine.state import OrchestrationState
from durable_host.durable.model import identity
from durable_host.durable.model.events import ExecutionStarted, SubOrchestrationInstanceFailed, is_same_execution
from durable_host.durable.model.messages import TaskMessage

Triage = Literal["process", "defer", "discard"]
StartTriage = Literal["start", "duplicate", "conflict"]

ZOMBIE_DEQUEUES = 5
_CHILD_RUNNING = "An Orchestration instance with the status {status} already exists."


class Received(Protocol):
    """A message as the task hub delivers it (`taskhub.port.ReceivedMessage`)."""

    message: TaskMessage
    dequeue_count: int


def classify(
    state: OrchestrationState, received: Received, *, starts: bool = False, taken: Container[Hashable] = ()
) -> Triage:
    """Return what to do with a received message in the instance's current state.

    `starts` is true when the same batch contains the ExecutionStarted of the message's execution. `taken` holds the
    keys (`ExecutionCalls.key_of`) of the results in the batch that are processed. `defer` means to release the message,
    because it may have arrived before the commit of the call that it answers. A discarded ExecutionTerminated must
    still be written to the instance row (docs/protocol/task-hub-storage-processing.md#executable-check).
    """
    message = received.message
    if isinstance(message.event, ExecutionStarted):
        return "process" if classify_start(state, message) == "start" else "discard"
    is_result = answer_key(message) is not None
    early: Triage = "defer" if is_result and received.dequeue_count <= ZOMBIE_DEQUEUES else "discard"
    if not state.is_started:
        return "process" if starts and not is_result else early
    if not _is_current(state, message):
        return early
    if state.is_terminal:
        return "discard"
    if is_result and not state.calls.knows(message):
        return early
    return "process" if state.calls.misfit(message, state.instance, taken) is None else "discard"


def why_dropped(state: OrchestrationState, message: TaskMessage, taken: Container[Hashable] = ()) -> Misfit | None:
    """Return why a discarded message does not fit a running execution, or None where discarding is expected."""
    if not state.is_started or state.is_terminal or not _is_current(state, message):
        return None
    key = answer_key(message)
    if key is not None and not state.calls.knows(message):
        return Misfit("anything", f"the history contains no call {key}")
    return state.calls.misfit(message, state.instance, taken)


def classify_start(state: OrchestrationState, message: TaskMessage) -> StartTriage:
    """Return what a start message means for an instance whose current execution is `state`.

    `start`: run it in place of the execution in `state`. `duplicate`: discard it, because it repeats the current start
    (a parent whose episode ran twice sends two), or comes from a run whose decisions were replaced. `conflict`: another
    execution is running; answer the parent with `conflict_reply`.
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
        return "start" if _is_new_decision(state.started, message) else "duplicate"
    return "start" if state.is_terminal else "conflict"


def _is_new_decision(started: ExecutionStarted, message: TaskMessage) -> bool:
    """True when the call that started this execution was never committed and the parent has since made a different one.

    The execution ID in a start from this host is derived from everything that was decided; one from another host is
    always new.
    """
    event = message.event
    assert isinstance(event, ExecutionStarted)
    is_ours = message.id is not None and identity.is_derived(message.id)
    is_same = (started.name, started.version, started.input) == (event.name, event.version, event.input)
    return event.timestamp > started.timestamp and (is_ours or not is_same)


def conflict_reply(state: OrchestrationState, message: TaskMessage, *, now: int) -> TaskMessage | None:
    """Return the failure for a parent whose child uses the ID of a running instance, or None when no parent waits."""
    event = message.event
    if not isinstance(event, ExecutionStarted) or event.parent_instance is None:
        return None
    if FIRE_AND_FORGET in (event.tags or {}):
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


def _is_current(state: OrchestrationState, message: TaskMessage) -> bool:
    return is_same_execution(message.target.execution_id, state.execution_id)
