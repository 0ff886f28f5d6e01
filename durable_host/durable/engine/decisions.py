"""Decisions: what an orchestration has decided to do, each with its number.

A new decision becomes a history event (with that number as its ID) and outgoing messages. During a replay it is matched
with the event that it became.

Source: docs/protocol/durable-replay.md#numbering, docs/protocol/durable-replay.md#replay-of-the-answer
"""

import msgspec

from durable_host.durable.model.actions import CallActivity, CallHttp, CallSubOrchestrator

HTTP_ACTIVITY = "BuiltIn::HttpActivity"


class Decision(msgspec.Struct, frozen=True):
    """Base of all decisions. `made_at` is the orchestration's time (ticks) when it was made."""

    id: int
    made_at: int


class TaskDecision(Decision, frozen=True):
    action: CallActivity | CallHttp

    @property
    def name(self) -> str:
        return self.action.name if isinstance(self.action, CallActivity) else HTTP_ACTIVITY


class TimerDecision(Decision, frozen=True):
    fire_at: int


class SubOrchestrationDecision(Decision, frozen=True):
    action: CallSubOrchestrator
    instance_id: str


class SendDecision(Decision, frozen=True):
    """A message to an entity. The answer is named after `request_id`; `timestamp` and `predecessor` are its sort
    labels.
    """

    instance_id: str
    event_name: str
    operation: str
    input: str | None
    is_signal: bool
    request_id: str
    timestamp: str
    predecessor: str
    due: int | None = None


ACTION_CLASS_NAMES: dict[type[Decision], str] = {
    TaskDecision: "ScheduleTaskOrchestratorAction",
    TimerDecision: "CreateTimerOrchestratorAction",
    SubOrchestrationDecision: "CreateSubOrchestrationAction",
    SendDecision: "SendEventOrchestratorAction",
}
