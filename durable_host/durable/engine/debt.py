"""Derives the messages of a commit from its history rows, to send those that a crashed process still owed.

The rows record the decisions but not the inputs of activities and sub-orchestrations, so the code is replayed to get
them. Numbers, times and identities come from the rows.

Source: docs/protocol/task-hub-storage-additions.md#owed-work
"""

import contextlib
from collections.abc import Mapping, Sequence

import msgspec

from durable_host.durable.engine.completion import Completion
from durable_host.durable.engine.decisions import Decision, SubOrchestrationDecision, TaskDecision
from durable_host.durable.engine.faults import OrchestrationFault
from durable_host.durable.engine.numbered_debt import Answers, messages_from_code
from durable_host.durable.engine.options import EngineOptions
from durable_host.durable.engine.outbound import carry_out
from durable_host.durable.engine.renumbering import answered_id
from durable_host.durable.engine.sending import SendingOrchestration
from durable_host.durable.engine.sent_events import message_of_sent
from durable_host.durable.engine.state import OrchestrationState
from durable_host.durable.engine.walker import NonDeterminism, Walker
from durable_host.durable.model import identity
from durable_host.durable.model.events import (
    EventRaised,
    EventSent,
    ExecutionCompleted,
    ExecutionStarted,
    HistoryEvent,
    OrchestrationInstance,
    OrchestratorStarted,
    SubOrchestrationInstanceCompleted,
    SubOrchestrationInstanceCreated,
    SubOrchestrationInstanceFailed,
    TaskFailed,
    TaskScheduled,
    TimerCreated,
    TimerFired,
)
from durable_host.durable.model.messages import TaskMessage
from durable_host.durable.model.status import OrchestrationStatus
from durable_host.durable.user_code import OrchestratorAnswer, UserCode

_ROWS = (TaskScheduled, TimerCreated, SubOrchestrationInstanceCreated, EventSent)
_INPUT_LOST = "The host stopped before it sent this call, and the code no longer makes the call when it is replayed."


def is_in_history_rows(message: TaskMessage, instance: OrchestrationInstance) -> bool:
    """True when a message of a commit can be derived from the history rows of the execution `instance`."""
    if message.sender != instance or instance.instance_id.startswith("@"):
        return False
    match message.event:
        case TaskScheduled() | TimerFired() | ExecutionStarted() | SubOrchestrationInstanceCompleted():
            return True
        case EventRaised():
            return True
        case _:
            return False


def first_owed(events: Sequence[HistoryEvent]) -> int | None:
    """Return the index of the first row of a commit from which a message can be derived, or None."""
    return next(
        (index for index, event in enumerate(events) if isinstance(event, (*_ROWS, ExecutionCompleted))),
        None,
    )


class OwedRows:
    """The rows whose messages are owed: activities from `first_ordinal` on, everything else within `ordinals`."""

    def __init__(self, state: OrchestrationState, first_ordinal: int, ordinals: range) -> None:
        self._state = state
        history = state.history
        answered = {answered_id(event): index for index, event in enumerate(history)}
        episode = 0
        self.rows: list[tuple[int, HistoryEvent]] = []
        """Pairs of episode number and event."""
        self._older: dict[int, int] = {}
        for index, event in enumerate(history):
            episode += isinstance(event, OrchestratorStarted)
            if index < first_ordinal:
                continue
            if index in state.older:
                self._older[id(event)] = state.older[index]
            is_open = answered.get(event.event_id, -1) < index  # A retry of 2.x code has the number of its call.
            if isinstance(event, TaskScheduled):
                if is_open and not state.is_terminal:
                    self.rows.append((episode, event))
            elif index in ordinals and (
                (isinstance(event, TimerCreated | SubOrchestrationInstanceCreated) and is_open)
                or isinstance(event, EventSent | ExecutionCompleted)
            ):
                self.rows.append((episode, event))

    @property
    def needs_code(self) -> bool:
        """True when the code must be replayed to get inputs."""
        return bool(self.episodes_to_repeat)

    @property
    def episodes_to_repeat(self) -> list[int]:
        """The numbers (from 1) of the episodes that made calls whose inputs are needed."""
        kinds = TaskScheduled | SubOrchestrationInstanceCreated
        return sorted({episode for episode, event in self.rows if isinstance(event, kinds)})

    def messages(
        self,
        answer: OrchestratorAnswer | None,
        *,
        code: UserCode,
        options: EngineOptions,
        answers: Answers | None = None,
    ) -> list[TaskMessage]:
        """Return the owed messages as they would have been sent.

        For 1.x code, `answer` is the result of a replay of the whole history. For 2.x code, `answers` holds one result
        for each of `episodes_to_repeat`.
        """
        state = self._state
        assert state.started is not None
        decisions: Mapping[int, Decision] = {}
        if answer is not None:
            decisions = _decisions(state, answer, options)
        messages: list[TaskMessage] = []
        for episode, event in self.rows:
            sender = SendingOrchestration(state.instance, state.started, episode, event.timestamp, code, options)
            number = self._older.get(id(event), event.event_id)
            answered = messages_from_code(event, sender, answers, number) if answers is not None else None
            if answered is None:
                answered = _messages_of(msgspec.structs.replace(event, event_id=number), sender, decisions)
            messages += answered
        return messages


class _Recorder(Walker):
    """A walker that records the decisions it matched with the history."""

    def __init__(self, state: OrchestrationState, options: EngineOptions) -> None:
        super().__init__(state.instance_id, state.execution_id or "", options)
        self.matched: dict[int, Decision] = {}

    def schedule(self, number: int) -> Decision | None:
        decision = super().schedule(number)
        if decision is not None:
            self.matched[number] = decision
        return decision


def _decisions(state: OrchestrationState, answer: OrchestratorAnswer, options: EngineOptions) -> Mapping[int, Decision]:
    """Return the decisions of the replay by number. Some are missing if the code has changed since."""
    walker = _Recorder(state, options)
    ended_at = answer.ended_at if answer.is_done or answer.error is not None else None
    with contextlib.suppress(NonDeterminism, OrchestrationFault):
        walker.walk(state.history, answer.steps, ended_at=ended_at)
    return walker.matched


def _messages_of(
    event: HistoryEvent, sender: SendingOrchestration, decisions: Mapping[int, Decision]
) -> list[TaskMessage]:
    match event:
        case TimerCreated():
            return sender.timer(event.event_id, event.fire_at).messages
        case EventSent():
            return [message_of_sent(event, sender)]
        case ExecutionCompleted():
            return _end(event, sender)
        case TaskScheduled() | SubOrchestrationInstanceCreated():
            decision = decisions.get(event.event_id)
            if _fits(event, decision):
                assert decision is not None
                return carry_out(decision, sender).messages
            return [_lost(event, sender)]
        case _:
            return []


def _fits(event: HistoryEvent, decision: Decision | None) -> bool:
    if isinstance(event, TaskScheduled):
        return isinstance(decision, TaskDecision) and decision.name == event.name
    return (
        isinstance(event, SubOrchestrationInstanceCreated)
        and isinstance(decision, SubOrchestrationDecision)
        and decision.instance_id == event.instance_id
    )


def _lost(event: HistoryEvent, sender: SendingOrchestration) -> TaskMessage:
    """Return a failure for a call that the code no longer makes. The instance continues, and its replay reports the
    mismatch.
    """
    number = event.event_id
    if isinstance(event, TaskScheduled):
        failed: HistoryEvent = TaskFailed(timestamp=sender.now, task_scheduled_id=number, reason=_INPUT_LOST)
        request = sender.identity(TaskScheduled, number, event.name)
        return msgspec.structs.replace(sender.message(failed, request), id=identity.answer_to(request))
    assert isinstance(event, SubOrchestrationInstanceCreated)
    failed = SubOrchestrationInstanceFailed(timestamp=sender.now, task_scheduled_id=number, reason=_INPUT_LOST)
    message = sender.message(failed, sender.identity(SubOrchestrationInstanceFailed, number, _INPUT_LOST))
    return msgspec.structs.replace(message, sender=OrchestrationInstance(event.instance_id))


def _end(event: ExecutionCompleted, sender: SendingOrchestration) -> list[TaskMessage]:
    """Return the message to the parent of a completed child. That of a failed child cannot be derived from the rows."""
    parent = sender.started.parent_instance
    if parent is None or "FireAndForget" in (sender.started.tags or {}):
        return []
    if event.orchestration_status is not OrchestrationStatus.Completed:
        return []
    completion = Completion(OrchestrationStatus.Completed, result=event.result)
    return [completion.message_to(parent, sender.instance, sender.episode, event.timestamp)]
