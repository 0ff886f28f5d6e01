"""The first half of an episode: adds messages to the history.

Source: docs/protocol/task-hub-storage-processing.md#episode
"""

from collections.abc import Sequence

import msgspec

from durable_host.durable.engine.options import EngineOptions
from durable_host.durable.engine.renumbering import renumbering_event
from durable_host.durable.engine.state import OrchestrationState
from durable_host.durable.engine.versioning import rejection_text, version_matches
from durable_host.durable.engine.work_item import WorkItem
from durable_host.durable.model.events import (
    ExecutionCompleted,
    ExecutionResumed,
    ExecutionStarted,
    ExecutionSuspended,
    HistoryEvent,
    OrchestratorCompleted,
    OrchestratorStarted,
    is_same_execution,
)
from durable_host.durable.model.messages import TaskMessage
from durable_host.durable.user_code import OrchestratorTurn


class EpisodeStart(msgspec.Struct, frozen=True, kw_only=True):
    """What to do next.

    `turn` is the code to run, or None. In both cases `finish_episode` follows, unless `rejected` says why this host
    must not run the instance (release the messages, discard the state). `dropped` are the indices of messages that were
    not accepted; they are consumed with the others. When `is_idle` is true, no message was accepted and there is
    nothing to finish or commit.
    """

    turn: OrchestratorTurn | None
    dropped: list[int]
    is_idle: bool = False
    rejected: str | None = None


def start_episode(
    state: OrchestrationState, messages: Sequence[TaskMessage], *, now: int, options: EngineOptions | None = None
) -> EpisodeStart:
    """Append OrchestratorStarted and the accepted messages. With `options`, check the instance's version.

    An incomplete last episode is completed even without messages.
    """
    state.work_item = WorkItem(first_ordinal=len(state.history), execution_id=state.execution_id)
    dropped: list[int] = []
    accepted: list[int] = []
    execution_id, is_started = state.execution_id, state.is_started
    suspensions = _Suspensions(state)
    for index in _in_order(messages):
        message = messages[index]
        if isinstance(message.event, ExecutionStarted):
            if is_started:
                dropped.append(index)
                continue
            is_started, execution_id = True, message.event.orchestration_instance.execution_id
        elif (
            not is_started
            or state.is_terminal
            or not _is_for(message, execution_id or "")
            or not suspensions.admits(message.event)
        ):
            dropped.append(index)
            continue
        accepted.append(index)
    if not accepted and not state.is_cut_short:
        return EpisodeStart(turn=None, dropped=dropped, is_idle=True)
    first = len(state.history)
    state.append(OrchestratorStarted(timestamp=episode_time(state, now)))
    if state.taken_over is not None:
        state.append(renumbering_event(state.taken_over.numbers, state.now))
        state.taken_over = None
    for index in accepted:
        event = state.calls.as_recorded(messages[index])
        state.append(msgspec.structs.replace(event, is_played=False) if event.is_played else event)
    if state.unfed_from is None:
        state.unfed_from = first
    turn, rejected = _next_turn(state, options)
    return EpisodeStart(turn=turn, dropped=sorted(dropped), rejected=rejected)


class _Suspensions:
    """Decides which suspend and resume messages reach 2.x code: only those that change something.

    A resume while it runs fails the code permanently, and a second suspend makes its SDK loop forever.
    """

    def __init__(self, state: OrchestrationState) -> None:
        self._is_numbered = state.is_numbered
        self._is_suspended = state.is_suspended

    def admits(self, event: HistoryEvent) -> bool:
        """True when a message may enter the history. Call it in the order in which messages enter."""
        if not self._is_numbered or not isinstance(event, ExecutionSuspended | ExecutionResumed):
            return True
        suspends = isinstance(event, ExecutionSuspended)
        changes, self._is_suspended = suspends is not self._is_suspended, suspends
        return changes


_TICKS_PER_MICROSECOND = 10


def episode_time(state: OrchestrationState, now: int) -> int:
    """Return the time of the next episode.

    For 2.x code it is in whole microseconds, because its SDK keeps no more, and later than the previous one: the SDK
    derives identifiers from the time and a counter that starts at 0 in each execution.
    """
    if not state.is_numbered:
        return max(now, state.now)
    earliest = state.now - state.now % _TICKS_PER_MICROSECOND + _TICKS_PER_MICROSECOND if state.now else 0
    return max(now - now % _TICKS_PER_MICROSECOND, earliest)


def turn_of(state: OrchestrationState) -> OrchestratorTurn:
    """Return the code run for everything that user code has not seen."""
    started = state.started
    assert started is not None
    trace = started.parent_trace_context
    return OrchestratorTurn(
        instance_id=state.instance_id,
        execution_id=state.execution_id or "",
        name=started.name,
        history=state.history,
        new_from=state.unfed_from if state.unfed_from is not None else len(state.history),
        trace_parent=trace.trace_parent if trace is not None else None,
        trace_state=trace.trace_state if trace is not None else None,
        session=state.token,
        worker_trace=state.worker_trace,
    )


def turn_of_episode(state: OrchestrationState, episode: int) -> OrchestratorTurn | None:
    """Return the turn of a past episode again, for 2.x code, which then requests the same actions again.

    Episodes count from 1. Returns None if the history does not contain the episode.
    """
    starts = [index for index, event in enumerate(state.history) if isinstance(event, OrchestratorStarted)]
    if state.started is None or not 1 <= episode <= len(starts):
        return None
    first = starts[episode - 1]
    until = first + 1
    while until < len(state.history) and _is_message(state.history[until]):
        until += 1
    return msgspec.structs.replace(turn_of(state), history=state.history[:until], new_from=first, session=None)


def _is_message(event: HistoryEvent) -> bool:
    return event.event_id < 0 and not isinstance(event, OrchestratorCompleted | ExecutionCompleted)


def _next_turn(state: OrchestrationState, options: EngineOptions | None) -> tuple[OrchestratorTurn | None, str | None]:
    if state.termination is not None and not state.is_numbered:
        return None, None
    checks_version = options is not None and (not state.is_numbered or bool(options.default_version))
    if options is not None and checks_version and not version_matches(state.version, options):
        if options.version_failure == "Reject":
            return None, rejection_text(state.name, state.version, options)
        state.work_item.is_version_refused = True
        return None, None
    if not state.is_numbered and (state.is_suspended or state.ending is not None):
        return None, None
    return turn_of(state), None


def _in_order(messages: Sequence[TaskMessage]) -> list[int]:
    """Return the indices in order of arrival, but with the first start message in front."""
    order = list(range(len(messages)))
    first_start = next((i for i in order if isinstance(messages[i].event, ExecutionStarted)), None)
    if first_start:
        order.remove(first_start)
        order.insert(0, first_start)
    return order


def _is_for(message: TaskMessage, execution_id: str) -> bool:
    return is_same_execution(message.target.execution_id, execution_id)
