"""One orchestration of 2.x code for the engine's tests: scripted answers, and messages by hand."""

import itertools
from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from durable_host import timestamp
from durable_host.durable.engine.episode import EpisodeOutcome, finish_episode, start_episode
from durable_host.durable.engine.options import EngineOptions
from durable_host.durable.engine.state import OrchestrationState
from durable_host.durable.model.events import (
    ExecutionCompleted,
    ExecutionStarted,
    FailureDetails,
    HistoryEvent,
    OrchestrationInstance,
    OrchestratorCompleted,
    OrchestratorStarted,
)
from durable_host.durable.model.messages import TaskMessage
from durable_host.durable.model.numbered import CompleteOrchestration, NumberedAction
from durable_host.durable.model.status import OrchestrationStatus
from durable_host.durable.user_code import NumberedAnswer, OrchestratorAnswer, OrchestratorTurn

START = timestamp.parse("2026-01-02T03:04:05Z")
SECOND = timestamp.TICKS_PER_SECOND
Answer = NumberedAnswer | OrchestratorAnswer | Sequence[NumberedAction]


class AnyCode:
    """Every function exists, but those named `missing`."""

    numbers_its_actions = True

    def __getattr__(self, name: str) -> Any:
        if name.startswith("has_"):
            return lambda function: function != "missing"
        return lambda *_: ()


class Scripted:
    """`deliver` runs one episode, to which the code gives the answers in order."""

    def __init__(self, *, options: EngineOptions | None = None, **started: Any) -> None:
        self.options = options or EngineOptions()
        self.now = START
        self.turns: list[OrchestratorTurn] = []
        self.sent: list[TaskMessage] = []
        self.diagnostics: list[Any] = []
        self._ids = itertools.count(2)
        self.instance = OrchestrationInstance("i1", "e1")
        self.state = OrchestrationState("i1", is_numbered=True)
        self.start_event = ExecutionStarted(
            timestamp=START, orchestration_instance=self.instance, **{"name": "code", **started}
        )

    def begin(self, *answers: Answer, events: Sequence[HistoryEvent] = ()) -> EpisodeOutcome:
        return self.deliver(self.start_event, *events, answers=answers)

    def deliver(self, *messages: HistoryEvent | TaskMessage, answers: Sequence[Answer] = ((),)) -> EpisodeOutcome:
        wrapped = [
            one if isinstance(one, TaskMessage) else TaskMessage(one, OrchestrationInstance("i1")) for one in messages
        ]
        started = start_episode(self.state, wrapped, now=self.now, options=self.options)
        turn, script = started.turn, list(answers)
        while True:
            answer = None
            if turn is not None:
                self.turns.append(msgspec.structs.replace(turn, history=list(turn.history)))
                given = script.pop(0)
                answer = given if isinstance(given, msgspec.Struct) else NumberedAnswer(actions=given)
            outcome = finish_episode(
                self.state,
                answer,  # pyright: ignore[reportArgumentType]
                now=self.now,
                new_id=lambda: f"e{next(self._ids)}",
                code=AnyCode(),  # pyright: ignore[reportArgumentType]
                options=self.options,
            )
            turn = outcome.next_turn
            if turn is None:
                self.sent.extend(outcome.outbound)
                self.diagnostics.extend(outcome.diagnostics)
                self.now += SECOND
                return outcome

    @property
    def new_events(self) -> list[HistoryEvent]:
        """What the code saw as new in its last turn."""
        turn = self.turns[-1]
        return list(turn.history[turn.new_from :])

    def kinds(self) -> list[tuple[str, int]]:
        """The history as (event name, event id), without what surrounds the episodes."""
        around = (OrchestratorStarted, OrchestratorCompleted)
        return [(one.event_name, one.event_id) for one in self.state.history if not isinstance(one, around)]


def completed(id: int, result: str | None = None, **fields: Any) -> CompleteOrchestration:
    return CompleteOrchestration(id=id, status=OrchestrationStatus.Completed, result=result, **fields)


def failed(id: int, type: str, text: str, inner: FailureDetails | None = None) -> CompleteOrchestration:
    failure = FailureDetails(type, text, inner_failure=inner)
    return CompleteOrchestration(id=id, status=OrchestrationStatus.Failed, failure=failure)


def continued(id: int, input: str, **fields: Any) -> CompleteOrchestration:
    return CompleteOrchestration(id=id, status=OrchestrationStatus.ContinuedAsNew, result=input, **fields)


def end_of(history: Sequence[HistoryEvent]) -> ExecutionCompleted:
    return next(one for one in reversed(history) if isinstance(one, ExecutionCompleted))


def only(messages: Sequence[TaskMessage], wanted: Callable[[TaskMessage], bool]) -> TaskMessage:
    found = [one for one in messages if wanted(one)]
    assert len(found) == 1, found
    return found[0]
