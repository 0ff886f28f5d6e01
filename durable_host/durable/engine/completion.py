"""Ends an execution: the completion event and the message to the parent.

Source: docs/protocol/task-hub-storage-processing.md#completion,
    docs/protocol/task-hub-storage-processing.md#decisions,
    docs/protocol/durable-replay.md#completion,
    docs/protocol/durable-failures.md#failed-orchestrators,
    docs/protocol/durable-failures.md#failed-children
"""

import msgspec

from durable_host.durable.engine.faults import OrchestrationFault
from durable_host.durable.engine.state import Ending, OrchestrationState
from durable_host.durable.model import identity
from durable_host.durable.model.events import (
    ExecutionCompleted,
    FailureDetails,
    HistoryEvent,
    OrchestrationInstance,
    ParentInstance,
    SubOrchestrationInstanceCompleted,
    SubOrchestrationInstanceFailed,
)
from durable_host.durable.model.messages import TaskMessage
from durable_host.durable.model.status import OrchestrationStatus

FIRE_AND_FORGET = "FireAndForget"
"""Tag of a child whose parent does not wait for its result."""
_NO_DETAILS = " \n "


class Completion:
    """The final status and result of an execution. `details` are sent to the parent only."""

    __slots__ = ("details", "failure_details", "result", "status")

    def __init__(
        self,
        status: OrchestrationStatus,
        result: str | None,
        details: str | None = None,
        failure_details: FailureDetails | None = None,
    ) -> None:
        self.status = status
        self.result = result
        self.details = details
        self.failure_details = failure_details

    def event(self, event_id: int, now: int) -> ExecutionCompleted:
        return ExecutionCompleted(
            event_id=event_id,
            timestamp=now,
            orchestration_status=self.status,
            result=self.result,
            failure_details=self.failure_details,
        )

    @property
    def output(self) -> str | None:
        """The output column of the instance row: `Type: Message` of a structured failure, otherwise the result."""
        details = self.failure_details
        return self.result if details is None else f"{details.error_type}: {details.error_message}"

    def message_to(self, parent: ParentInstance, sender: OrchestrationInstance, episode: int, now: int) -> TaskMessage:
        """Return the message with the result, addressed to the execution that called this one."""
        number = parent.task_schedule_id
        event: HistoryEvent
        if self.status is OrchestrationStatus.Completed:
            event = SubOrchestrationInstanceCompleted(timestamp=now, task_scheduled_id=number, result=self.result)
        else:
            event = SubOrchestrationInstanceFailed(
                timestamp=now,
                task_scheduled_id=number,
                reason=self.output,
                details=self.details,
                failure_details=self.failure_details,
            )
        id = identity.decided(sender, episode, ExecutionCompleted.event_name, number, (event.event_name,))
        return TaskMessage(event=event, target=parent.orchestration_instance, sender=sender, episode=episode, id=id)


def repeated_answer(state: OrchestrationState, start: TaskMessage) -> TaskMessage | None:
    """Return a child's result again for a parent that has called it a second time, or None while the child runs.

    The parent may have discarded the first result because it arrived before the call was committed. The message gets an
    identity of its own, so that it is not mistaken for a duplicate.
    """
    end = next((event for event in reversed(state.history) if isinstance(event, ExecutionCompleted)), None)
    if end is None or state.parent is None or start.target == state.instance or FIRE_AND_FORGET in (state.tags or {}):
        return None
    completion = Completion(end.orchestration_status, end.result, failure_details=end.failure_details)
    message = completion.message_to(state.parent, state.instance, state.episodes, end.timestamp)
    return msgspec.structs.replace(message, id=identity.answer_to(start.id))


def failure_text(name: str, error: str) -> str:
    """Return the result of a failed orchestrator, without the empty details line that the SDK adds to a failed call."""
    return f"Orchestrator function '{name}' failed: {error.removesuffix(_NO_DETAILS)}"


def ended_by_code(name: str, ending: Ending) -> Completion:
    """Return the completion of an orchestrator that returned or raised."""
    if ending.error is None:
        return Completion(OrchestrationStatus.Completed, ending.output)
    details = f"Message: {ending.error}, StackTrace: {ending.error_details or ''}"
    return Completion(OrchestrationStatus.Failed, failure_text(name, ending.error), details)


def ended_by_fault(name: str, fault: OrchestrationFault) -> Completion:
    """Return the completion of an orchestration that the engine failed."""
    result = fault.text
    if result is not None and not fault.is_whole_text:
        result = failure_text(name, result)
    return Completion(OrchestrationStatus.Failed, result, fault.details, fault.failure_details)


def ended_by_termination(reason: str | None) -> Completion:
    return Completion(OrchestrationStatus.Terminated, reason)
