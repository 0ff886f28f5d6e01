"""Turns the outcome of an activity into the message for its orchestration.

Source: docs/protocol/durable-activities.md#result, docs/protocol/durable-failures.md#failed-activities
"""

from durable_host.durable.model import identity
from durable_host.durable.model.events import HistoryEvent, TaskCompleted, TaskFailed, TaskScheduled
from durable_host.durable.model.messages import TaskMessage
from durable_host.durable.user_code import ActivityOutcome


def activity_result(request: TaskMessage, outcome: ActivityOutcome, *, now: int) -> TaskMessage:
    """Return the TaskCompleted or TaskFailed that answers the request. `now` is in ticks."""
    scheduled = request.event
    if not isinstance(scheduled, TaskScheduled):
        raise TypeError(f"not an activity request: {scheduled.event_name}")
    if outcome.error is None:
        result = None if outcome.result in {None, "null"} else outcome.result
        event = TaskCompleted(timestamp=now, task_scheduled_id=scheduled.event_id, result=result)
    else:
        event = TaskFailed(
            timestamp=now,
            task_scheduled_id=scheduled.event_id,
            reason=failure_reason(scheduled.name, outcome.error),
            details=outcome.details,
            failure_details=outcome.failure,
        )
    return _answer(request, event)


def _answer(request: TaskMessage, event: HistoryEvent) -> TaskMessage:
    id = identity.answer_to(request.id)
    return TaskMessage(event=event, target=request.target, sender=request.target, episode=request.episode, id=id)


def failure_reason(name: str, error: str) -> str:
    """Return the reason of a TaskFailed. `error` is `Type: message`."""
    return f"Activity function '{name}' failed: {error}"


def missing_activity_result(request: TaskMessage, *, now: int, reason: str | None = None) -> TaskMessage:
    """Return the failure for an activity that the app no longer has, or that the host does not serve because of
    `reason`.
    """
    scheduled = request.event
    if not isinstance(scheduled, TaskScheduled):
        raise TypeError(f"not an activity request: {scheduled.event_name}")
    name = scheduled.name
    why = reason or f"Activity function '{name}' does not exist."
    event = TaskFailed(
        timestamp=now,
        task_scheduled_id=scheduled.event_id,
        reason=f"Activity function '{name}' failed: {why}",
    )
    return _answer(request, event)
