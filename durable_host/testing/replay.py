"""Replays a saved history with the current code, to check whether running instances survive a change.

Source: docs/protocol/durable-replay.md#non-determinism says what counts as a difference.
"""

from collections.abc import Sequence

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


class ReplayFailed(AssertionError):
    """The code no longer makes the decisions in the history; the text says which, and where."""


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
        raise ReplayFailed(f"{head}\n{error}\nEvent {error.history_index} of the history.{where}") from None
    except OrchestrationFault as error:
        raise ReplayFailed(f"{head}\n{error}") from None
    ending = next((event for event in turn.history if isinstance(event, ExecutionCompleted)), None)
    if ending is None or ending.orchestration_status not in (OrchestrationStatus.Completed, OrchestrationStatus.Failed):
        return
    if answer.ended_at is None:
        where = f" at {answer.position}" if answer.position else ""
        raise ReplayFailed(f"{head}\nIt ended as {ending.orchestration_status.name}; the code now waits{where}.")
    failed = OrchestrationStatus.Failed if answer.error is not None else OrchestrationStatus.Completed
    if failed is not ending.orchestration_status:
        reason = f": {answer.error}" if answer.error else ""
        raise ReplayFailed(f"{head}\nIt ended as {ending.orchestration_status.name}, now as {failed.name}{reason}")
