"""Replays saved histories with code of the 2.x SDK, which numbers its actions itself.

The SDK compares all turns but the last one. The calls of the last turn are compared here.

Source: docs/protocol/durable-v2.md#turns
"""

import re
from collections.abc import Awaitable, Callable, Sequence

from durable_host.durable.engine import history_replay
from durable_host.durable.engine.episode_start import turn_of_episode
from durable_host.durable.engine.history_replay import ReplayFailed, call_text
from durable_host.durable.engine.numbered_episode import ENDED_EARLY
from durable_host.durable.engine.options import EngineOptions
from durable_host.durable.engine.renumbering import CALLS, as_seen, find_renumbering
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
from durable_host.durable.user_code import (
    NumberedAnswer,
    OrchestratorAnswer,
    OrchestratorTurn,
    UserCode,
    numbers_its_actions,
)

RunCode = Callable[[OrchestratorTurn], Awaitable[OrchestratorAnswer | NumberedAnswer]]
_NUMBER = re.compile(r"(?:sequence number |ID=)(\d+)")
_ASKED = re.compile(r"trying to call (\S+) as part")
_ENDS = (OrchestrationStatus.Completed, OrchestrationStatus.Failed)


async def replay_history(events: Sequence[HistoryEvent], code: UserCode, options: EngineOptions) -> None:
    """Replay a history with code of any SDK. Nothing else runs, and nothing is changed.

    Raises ReplayFailed, ValueError if it is not the history of an orchestration in its original order, and
    WorkItemAborted.
    """
    if numbers_its_actions(code):
        await _replay_numbered(events, code.run_orchestrator)
        return
    turn = history_replay.turn_of(events)
    answer = await code.run_orchestrator(turn)
    assert not isinstance(answer, NumberedAnswer)
    history_replay.check(turn, answer, options)


async def _replay_numbered(events: Sequence[HistoryEvent], run: RunCode) -> None:
    """Replay a history, even one of 1.x code, the way a 2.x app continues it.

    Raises ReplayFailed, and ValueError if it is not the history of an orchestration in its original order.
    """
    whole = history_replay.turn_of(events)
    head = f"The replay of '{whole.name}' ({whole.instance_id}) differs from its history."
    state = OrchestrationState.from_history(whole.instance_id, as_seen(events).events, is_numbered=True)
    if state.started is not None and state.started.is_played and find_renumbering(events) is None:
        await _replay_of_v1(events, whole.instance_id, run, head)
        return
    turn = turn_of_episode(state, state.episodes)
    assert turn is not None
    answer = await run(turn)
    if not isinstance(answer, NumberedAnswer) or answer.error is not None:
        raise ReplayFailed(f"{head}\n{answer.error}")
    where = _where(answer.position)
    end = next((action for action in answer.actions if isinstance(action, CompleteOrchestration)), None)
    if answer.has_ended_early:
        raise ReplayFailed(f"{head}\n{ENDED_EARLY}", actual="ends", position=answer.position)
    if answer.is_non_deterministic and end is not None and end.failure is not None:
        raise _mismatch(state.history, f"{head}\n{end.failure.error_message}{where}", answer.position)
    _compare_calls(state.history, len(turn.history), answer.actions, head, answer.position)
    _compare_ends(state.history, end, head, answer.position)


def _mismatch(history: Sequence[HistoryEvent], text: str, position: str | None) -> ReplayFailed:
    """Return the failure for the SDK's error text, with the call whose number the text contains."""
    number, asked = _NUMBER.search(text), _ASKED.search(text)
    ordinal = next(
        (
            index
            for index, event in enumerate(history)
            if number is not None and isinstance(event, CALLS) and event.event_id == int(number[1])
        ),
        None,
    )
    return ReplayFailed(
        text,
        ordinal=ordinal,
        expected=None if ordinal is None else call_text(history[ordinal]),
        actual=None if asked is None else f"calls {asked[1]}",
        position=position,
    )


async def _replay_of_v1(events: Sequence[HistoryEvent], instance_id: str, run: RunCode, head: str) -> None:
    past = TakeOver(instance_id, events)
    try:
        for turn, where in past.turns():
            answer = await run(turn)
            if not isinstance(answer, NumberedAnswer):
                raise ReplayFailed(f"{head}\n{answer.error}")
            past.match(where, answer)
        if not any(isinstance(event, ExecutionCompleted) for event in events):
            past.check_end()
    except CannotTakeOver as cannot:
        raise ReplayFailed(f"{head}\n{str(cannot)[:1].upper()}{str(cannot)[1:]}.") from None
    actions = () if past.ending is None else past.ending.actions
    end = next((action for action in actions if isinstance(action, CompleteOrchestration)), None)
    if any(isinstance(event, ExecutionCompleted) for event in events):
        _compare_ends(events, end, head, None)


def _compare_calls(
    history: Sequence[HistoryEvent], first: int, actions: Sequence[NumberedAction], head: str, position: str | None
) -> None:
    """Compare the actions with what the last turn has appended to the history, from the index `first` on."""
    where = _where(position)
    asked = {action.id: action for action in actions if not isinstance(action, CompleteOrchestration)}
    recorded = [(index, event) for index, event in enumerate(history) if index >= first and isinstance(event, CALLS)]
    for index, event in recorded:
        action = asked.pop(event.event_id, None)
        if action is None:
            raise ReplayFailed(
                f"{head}\nThe code does not make the call {event.event_name} {event.event_id}.{where}",
                ordinal=index,
                expected=call_text(event),
                position=position,
            )
        if not (_sends(event, action) if isinstance(event, EventSent) else is_same_call(event, action)):
            actual = f"{type(action).__name__}{_named(action)}"
            raise ReplayFailed(
                f"{head}\nThe history has {call_text(event)}; the code asks for {actual} instead.{where}",
                ordinal=index,
                expected=call_text(event),
                actual=f"asks for {actual}",
                position=position,
            )
    last = max((event.event_id for _, event in recorded), default=-1)
    if asked and min(asked) < last:
        number = min(asked)
        actual = f"asks for {type(asked[number]).__name__} {number}{_named(asked[number])}"
        raise ReplayFailed(
            f"{head}\nThe code {actual}, which the history does not have.{where}", actual=actual, position=position
        )


def _sends(event: EventSent, action: NumberedAction) -> bool:
    match action:
        case SendEvent():
            return (event.instance_id, event.name) == (action.instance_id, action.name)
        case EntityLockRequested() | EntityUnlockSent():
            return event.instance_id.startswith("@")
        case _:
            return is_same_call(event, action)


def _where(position: str | None) -> str:
    return f"\nThe code is at {position}." if position else ""


def _named(action: NumberedAction) -> str:
    name = getattr(action, "name", None)
    return f" of '{name}'" if name else ""


def _compare_ends(
    history: Sequence[HistoryEvent], end: CompleteOrchestration | None, head: str, position: str | None
) -> None:
    failure = None if end is None else end.failure
    reason = f": {failure.error_type}: {failure.error_message}" if failure is not None else ""
    ordinal = next((index for index, event in enumerate(history) if isinstance(event, ExecutionCompleted)), None)
    recorded = None if ordinal is None else history[ordinal]
    if not isinstance(recorded, ExecutionCompleted):
        if end is not None and end.status in _ENDS:
            ends = f"ends as {end.status.name}{reason}"
            raise ReplayFailed(f"{head}\nIt waits in the history; the code now {ends}.", expected="waits", actual=ends)
        return
    if recorded.orchestration_status not in _ENDS:
        return
    ended = f"ended as {recorded.orchestration_status.name}"
    if end is None:
        raise ReplayFailed(
            f"{head}\nIt {ended}; the code now waits.{_where(position)}",
            ordinal=ordinal,
            expected=ended,
            actual="waits",
            position=position,
        )
    if end.status is not recorded.orchestration_status:
        raise ReplayFailed(
            f"{head}\nIt {ended}, now as {end.status.name}{reason}.",
            ordinal=ordinal,
            expected=ended,
            actual=f"ends as {end.status.name}{reason}",
        )
