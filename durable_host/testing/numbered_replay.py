"""Replays saved histories with code of the 2.x SDK, which numbers its actions itself.

The SDK compares all turns but the last one. What the last turn has called is compared here.

Source: docs/protocol/durable-v2.md#turns
"""

from collections.abc import Awaitable, Callable, Sequence

from durable_host.durable.engine.episode_start import turn_of_episode
from durable_host.durable.engine.numbered_episode import ENDED_EARLY
from durable_host.durable.engine.renumbering import CALLS, as_seen, find_sign
from durable_host.durable.engine.state import OrchestrationState
from durable_host.durable.engine.taking_over import CannotTakeOver, TakeOver, is_same_call
from durable_host.durable.model.events import EventSent, ExecutionCompleted, HistoryEvent
from durable_host.durable.model.numbered import (
    CompleteOrchestration,
    EntityLockRequested,
    EntityUnlockSent,
    NumberedAction,
    SendEvent,
)
from durable_host.durable.model.status import OrchestrationStatus
from durable_host.durable.user_code import NumberedAnswer, OrchestratorAnswer, OrchestratorTurn
from durable_host.testing import replay
from durable_host.testing.replay import ReplayFailed

RunCode = Callable[[OrchestratorTurn], Awaitable[OrchestratorAnswer | NumberedAnswer]]
_ENDS = (OrchestrationStatus.Completed, OrchestrationStatus.Failed)


async def replay_history(events: Sequence[HistoryEvent], run: RunCode) -> None:
    """Replay a history, also one of 1.x, as a 2.x app continues it.

    Raises ReplayFailed, and ValueError if it is not the history of an orchestration in its original order.
    """
    whole = replay.turn_of(events)
    head = f"The replay of '{whole.name}' ({whole.instance_id}) differs from its history."
    state = OrchestrationState.from_history(whole.instance_id, as_seen(events).events, is_numbered=True)
    if state.started is not None and state.started.is_played and find_sign(events) is None:
        await _replay_of_v1(events, whole.instance_id, run, head)
        return
    turn = turn_of_episode(state, state.episodes)
    assert turn is not None
    answer = await run(turn)
    if not isinstance(answer, NumberedAnswer) or answer.error is not None:
        raise ReplayFailed(f"{head}\n{answer.error}")
    where = f"\nThe code is at {answer.position}." if answer.position else ""
    end = next((action for action in answer.actions if isinstance(action, CompleteOrchestration)), None)
    if answer.has_ended_early:
        raise ReplayFailed(f"{head}\n{ENDED_EARLY}")
    if answer.is_non_deterministic and end is not None and end.failure is not None:
        raise ReplayFailed(f"{head}\n{end.failure.error_message}{where}")
    _compare_calls(state.history[len(turn.history) :], answer.actions, head, where)
    _compare_ends(state.history, end, head, where)


async def _replay_of_v1(events: Sequence[HistoryEvent], instance_id: str, run: RunCode, head: str) -> None:
    past = TakeOver(instance_id, events)
    try:
        for turn, where in past.turns():
            answer = await run(turn)
            if not isinstance(answer, NumberedAnswer):
                raise ReplayFailed(f"{head}\n{answer.error}")
            past.answered(where, answer)
        if not any(isinstance(event, ExecutionCompleted) for event in events):
            past.check_end()
    except CannotTakeOver as cannot:
        raise ReplayFailed(f"{head}\n{str(cannot)[:1].upper()}{str(cannot)[1:]}.") from None
    actions = () if past.ending is None else past.ending.actions
    end = next((action for action in actions if isinstance(action, CompleteOrchestration)), None)
    if any(isinstance(event, ExecutionCompleted) for event in events):
        _compare_ends(events, end, head, "")


def _compare_calls(made: Sequence[HistoryEvent], actions: Sequence[NumberedAction], head: str, where: str) -> None:
    """`made` is what the last turn has appended to the history."""
    asked = {action.id: action for action in actions if not isinstance(action, CompleteOrchestration)}
    recorded = [event for event in made if isinstance(event, CALLS)]
    for event in recorded:
        action = asked.pop(event.event_id, None)
        if action is None:
            raise ReplayFailed(f"{head}\nThe code does not make the call {event.event_name} {event.event_id}.{where}")
        if not (_sends(event, action) if isinstance(event, EventSent) else is_same_call(event, action)):
            raise ReplayFailed(
                f"{head}\nThe history has {event.event_name} {event.event_id}{_named(event)}; the code asks for "
                f"{type(action).__name__}{_named(action)} instead.{where}"
            )
    last = max((event.event_id for event in recorded), default=-1)
    if asked and min(asked) < last:
        number = min(asked)
        action = asked[number]
        raise ReplayFailed(
            f"{head}\nThe code asks for {type(action).__name__} {number}{_named(action)}, which the history does not "
            f"have.{where}"
        )


def _sends(event: EventSent, action: NumberedAction) -> bool:
    match action:
        case SendEvent():
            return (event.instance_id, event.name) == (action.instance_id, action.name)
        case EntityLockRequested() | EntityUnlockSent():
            return event.instance_id.startswith("@")
        case _:
            return is_same_call(event, action)


def _named(one: HistoryEvent | NumberedAction) -> str:
    name = getattr(one, "name", None)
    return f" of '{name}'" if name else ""


def _compare_ends(history: Sequence[HistoryEvent], end: CompleteOrchestration | None, head: str, where: str) -> None:
    recorded = next((event for event in history if isinstance(event, ExecutionCompleted)), None)
    if recorded is None:
        if end is not None and end.status in _ENDS:
            reason = f": {end.failure.error_type}: {end.failure.error_message}" if end.failure is not None else ""
            raise ReplayFailed(f"{head}\nIt waits in the history; the code now ends as {end.status.name}{reason}.")
        return
    if recorded.orchestration_status not in _ENDS:
        return
    status = recorded.orchestration_status.name
    if end is None:
        raise ReplayFailed(f"{head}\nIt ended as {status}; the code now waits.{where}")
    if end.status is not recorded.orchestration_status:
        reason = f": {end.failure.error_type}: {end.failure.error_message}" if end.failure is not None else ""
        raise ReplayFailed(f"{head}\nIt ended as {status}, now as {end.status.name}{reason}.")
