"""Replays a saved history with the current code, to check whether running instances survive a change.

Source: docs/protocol/durable-replay.md#non-determinism says what counts as a difference.
"""

from collections.abc import Sequence

from durable_host.durable.engine.decisions import (
    Decision,
    SendDecision,
    SubOrchestrationDecision,
    TaskDecision,
    TimerDecision,
)
from durable_host.durable.engine.faults import OrchestrationFault
from durable_host.durable.engine.options import EngineOptions
from durable_host.durable.engine.state import OrchestrationState
from durable_host.durable.engine.walker import NonDeterminism, Walker
from durable_host.durable.model.events import (
    ExecutionCompleted,
    HistoryEvent,
    OrchestratorStarted,
)
from durable_host.durable.model.status import OrchestrationStatus
from durable_host.durable.user_code import OrchestratorAnswer, OrchestratorTurn

_ENDS = (OrchestrationStatus.Completed, OrchestrationStatus.Failed)


class ReplayFailed(AssertionError):
    """The code no longer makes the decisions in the history; the text says which, and where.

    `ordinal` is the position of the first history event that differs, `expected` that event and `actual` what the code
    does instead, as far as they are known. `position` is where the code stands, as `file:line in function`.
    """

    def __init__(
        self,
        text: str,
        *,
        ordinal: int | None = None,
        expected: str | None = None,
        actual: str | None = None,
        position: str | None = None,
    ) -> None:
        super().__init__(text)
        self.ordinal = ordinal
        self.expected = expected
        self.actual = actual
        self.position = position


def turn_of(events: Sequence[HistoryEvent]) -> OrchestratorTurn:
    """The whole history as one episode. Raises ValueError if it is not the history of an orchestration."""
    state = OrchestrationState.from_history("", events)
    started = [index for index, event in enumerate(events) if isinstance(event, OrchestratorStarted)]
    if state.started is None or not started or started[0] != 0:
        raise ValueError(
            "This history is not in its original order: it must begin with OrchestratorStarted. Save it with "
            "'func durable get-history --as-stored'."
        )
    instance = state.started.orchestration_instance
    return OrchestratorTurn(
        instance_id=instance.instance_id,
        execution_id=instance.execution_id or "",
        name=state.name,
        history=events,
        new_from=started[-1],
    )


def check(turn: OrchestratorTurn, answer: OrchestratorAnswer, options: EngineOptions) -> None:
    """Raise ReplayFailed if the code's answer does not match the history of the turn."""
    head = f"The replay of '{turn.name}' ({turn.instance_id}) differs from its history."
    if answer.is_plain_failure:
        raise ReplayFailed(f"{head}\n{answer.error}")
    walker = Walker(turn.instance_id, turn.execution_id, options)
    try:
        walker.walk(turn.history, answer.steps, ended_at=answer.ended_at)
    except NonDeterminism as error:
        where = f"\nThe code is at {error.position}." if error.position else ""
        raise ReplayFailed(
            f"{head}\n{error}\nEvent {error.history_index} of the history.{where}",
            ordinal=error.history_index,
            expected=call_text(error.event),
            actual=_decided(walker.pending.get(error.event.event_id)),
            position=error.position,
        ) from None
    except OrchestrationFault as error:
        raise ReplayFailed(f"{head}\n{error}") from None
    _check_end(head, turn, answer)


def _check_end(head: str, turn: OrchestratorTurn, answer: OrchestratorAnswer) -> None:
    """Raise ReplayFailed if the history has an end that the code does not reach."""
    ordinal = next((i for i, event in enumerate(turn.history) if isinstance(event, ExecutionCompleted)), None)
    ending = None if ordinal is None else turn.history[ordinal]
    if not isinstance(ending, ExecutionCompleted) or ending.orchestration_status not in _ENDS:
        return
    ended = f"ended as {ending.orchestration_status.name}"
    if answer.ended_at is None:
        where = f" at {answer.position}" if answer.position else ""
        raise ReplayFailed(
            f"{head}\nIt {ended}; the code now waits{where}.",
            ordinal=ordinal,
            expected=ended,
            actual="waits",
            position=answer.position,
        )
    failed = OrchestrationStatus.Failed if answer.error is not None else OrchestrationStatus.Completed
    if failed is not ending.orchestration_status:
        reason = f": {answer.error}" if answer.error else ""
        raise ReplayFailed(
            f"{head}\nIt {ended}, now as {failed.name}{reason}",
            ordinal=ordinal,
            expected=ended,
            actual=f"ends as {failed.name}{reason}",
        )


def call_text(event: HistoryEvent) -> str:
    """Return a call in a history for people, such as `TaskScheduled 3 of 'Charge'`."""
    name: str | None = getattr(event, "name", None)
    return f"{event.event_name} {event.event_id}" + (f" of '{name}'" if name else "")


def _decided(decision: Decision | None) -> str | None:
    """Return what the code does under the number of a call."""
    match decision:
        case None:
            return None
        case TaskDecision():
            return f"calls the activity '{decision.name}'"
        case TimerDecision():
            return "creates a timer"
        case SubOrchestrationDecision():
            return f"calls the sub-orchestration '{decision.action.name}'"
        case SendDecision():
            return f"sends '{decision.operation}' to '{decision.instance_id}'"
        case _:
            return "locks or releases entities"
