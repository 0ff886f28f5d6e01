"""Checks that a replay makes the decisions recorded in the history.

Kinds and names are compared (names are not case-sensitive); inputs, versions, times and targets are not.

Source: docs/protocol/durable-replay.md#non-determinism
"""

from durable_host.durable.engine.decisions import (
    ACTION_CLASS_NAMES,
    Decision,
    LockDecision,
    SendDecision,
    SubOrchestrationDecision,
    TaskDecision,
    TimerDecision,
)
from durable_host.durable.model.events import (
    EventSent,
    HistoryEvent,
    SubOrchestrationInstanceCreated,
    TaskScheduled,
    TimerCreated,
)

ScheduledEvent = TaskScheduled | TimerCreated | SubOrchestrationInstanceCreated | EventSent

COMPLETION_CLASS_NAME = "OrchestrationCompleteOrchestratorAction"
PREFIX = "Non-Deterministic workflow detected: "
_QUESTION = "Was a change made to the orchestrator code after this instance had already started running?"
_SAME_KIND: dict[type[HistoryEvent], type[Decision] | tuple[type[Decision], ...]] = {
    TaskScheduled: TaskDecision,
    TimerCreated: TimerDecision,
    SubOrchestrationInstanceCreated: SubOrchestrationDecision,
    EventSent: (SendDecision, LockDecision),
}


def mismatch(event: ScheduledEvent, decision: Decision | None, *, is_completing: bool = False) -> str | None:
    """Return why `event` of the history does not match the decision with its number, or None if it does.

    `is_completing` is true when the replay ends the orchestration with a completion of that number.
    """
    if decision is None:
        if is_completing:
            return _other_kind(event, COMPLETION_CLASS_NAME)
        return (
            f"{PREFIX}{_subject(event)} but the current replay execution hasn't (yet?) scheduled this task. {_QUESTION}"
        )
    if not isinstance(decision, _SAME_KIND[type(event)]):
        return _other_kind(event, ACTION_CLASS_NAMES[type(decision)])
    return _other_name(event, decision)


def _other_kind(event: ScheduledEvent, produced: str) -> str:
    return (
        f"{PREFIX}{_numbered(event)}, but the current orchestration replay instead produced a {produced} action with "
        f"this sequence number. {_QUESTION}"
    )


def _other_name(event: ScheduledEvent, decision: Decision) -> str | None:
    kind, name = "", ""
    if isinstance(event, TaskScheduled) and isinstance(decision, TaskDecision):
        kind, name = "an activity task", decision.name
    elif isinstance(event, SubOrchestrationInstanceCreated) and isinstance(decision, SubOrchestrationDecision):
        kind, name = "a sub-orchestration task", decision.action.name
    elif isinstance(event, EventSent) and isinstance(decision, SendDecision | LockDecision):
        kind, name = "a send event task", decision.event_name
    if not kind or isinstance(event, TimerCreated) or event.name.casefold() == name.casefold():
        return None
    return (
        f"{PREFIX}{_numbered(event)}, but the current orchestration replay instead scheduled {kind} named '{name}' "
        f"with this sequence number.  {_QUESTION}"
    )


def _subject(event: ScheduledEvent) -> str:
    past = "A previous execution of this orchestration scheduled"
    match event:
        case TaskScheduled():
            return (
                f"{past} an activity task with sequence ID {event.event_id} and name '{event.name}' "
                f"(version '{event.version or ''}'),"
            )
        case TimerCreated():
            return f"{past} a timer task with sequence number {event.event_id}"
        case SubOrchestrationInstanceCreated():
            return (
                f"{past} a sub-orchestration task with sequence ID {event.event_id} and name '{event.name}' "
                f"(version '{event.version or ''}', instance ID '{event.instance_id}'),"
            )
        case EventSent():
            return (
                f"{past} a send event task with sequence ID {event.event_id}, type 'EventSent' name '{event.name}', "
                f"instance ID '{event.instance_id}',"
            )


def _numbered(event: ScheduledEvent) -> str:
    past = "A previous execution of this orchestration scheduled"
    match event:
        case TaskScheduled():
            return f"{past} an activity task with sequence number {event.event_id} named '{event.name}'"
        case TimerCreated():
            return f"{past} a timer task with sequence number {event.event_id}"
        case SubOrchestrationInstanceCreated():
            return f"{past} a sub-orchestration task with sequence number {event.event_id} named '{event.name}'"
        case EventSent():
            return f"{past} a send event task with sequence number {event.event_id} named '{event.name}'"
