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
    """A call of an activity. With `failure`, the task is not run and fails with this text and details."""

    action: CallActivity | CallHttp
    failure: "tuple[str, str | None] | None" = None

    @property
    def name(self) -> str:
        return self.action.name if isinstance(self.action, CallActivity) else HTTP_ACTIVITY


class TimerDecision(Decision, frozen=True):
    fire_at: int


class SubOrchestrationDecision(Decision, frozen=True):
    """A call of a child. With `failure`, it is not started and the task fails with this text and details."""

    action: CallSubOrchestrator
    instance_id: str
    failure: "tuple[str, str | None] | None" = None


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


class LockDecision(Decision, frozen=True):
    """A message that requests the lock of `entities`, sent to the first one. The answer is named after `request_id`.

    With `is_release`, the message releases the lock of `entities[0]`.
    """

    entities: tuple[str, ...]
    request_id: str
    is_release: bool = False

    @property
    def event_name(self) -> str:
        return "release" if self.is_release else "op"


ACTION_CLASS_NAMES: dict[type[Decision], str] = {
    TaskDecision: "ScheduleTaskOrchestratorAction",
    TimerDecision: "CreateTimerOrchestratorAction",
    SubOrchestrationDecision: "CreateSubOrchestrationAction",
    SendDecision: "SendEventOrchestratorAction",
    LockDecision: "SendEventOrchestratorAction",
}
