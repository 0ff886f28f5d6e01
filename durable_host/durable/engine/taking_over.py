"""Runs 2.x code through the past of a 1.x execution to find the new numbers of its calls.

In each turn, the code gets what 1.x code got, and the actions that it requests are compared with the calls that 1.x
code made in that turn. Actions without a call belong to tasks that 2.x code starts when they are created, and 1.x code
when they are awaited: they match calls of later turns, or are new work.

Source: docs/protocol/durable-v2.md#instances-of-the-other-generation
"""

from collections.abc import Iterator, Sequence

import msgspec

from durable_host import timestamp
from durable_host.durable.engine.renumbering import CALLS, Call, History, Numbers, answered_id, renumbered
from durable_host.durable.model.events import (
    EventRaised,
    EventSent,
    ExecutionStarted,
    HistoryEvent,
    OrchestratorStarted,
    SubOrchestrationInstanceCreated,
    SubOrchestrationInstanceFailed,
    TaskFailed,
    TaskScheduled,
    TimerCreated,
)
from durable_host.durable.model.numbered import (
    CompleteOrchestration,
    CreateSubOrchestration,
    EntityCalled,
    EntitySignaled,
    NumberedAction,
    ScheduleTask,
    StartTimer,
)
from durable_host.durable.model.status import OrchestrationStatus
from durable_host.durable.user_code import NumberedAnswer, OrchestratorTurn

_LONG_TIMER = 24 * 3600 * timestamp.TICKS_PER_SECOND
_MICROSECOND = 10


class CannotTakeOver(Exception):
    """The 2.x code does not match the history. The exception text says where, as a clause."""


class TakeOver:
    """The past of one execution. Run the code for each of `turns` and pass its answer to `match`.

    `ending` is the last answer if the code has ended. 1.x code then still waits for open tasks, but 2.x code does not.
    """

    def __init__(self, instance_id: str, events: Sequence[HistoryEvent]) -> None:
        self.ending: NumberedAnswer | None = None
        self.session = object()
        self._instance_id = instance_id
        self._events = events
        self._numbers: dict[int, int | None] = {}
        self._failure = ""

    @property
    def numbers(self) -> Numbers:
        return self._numbers

    @property
    def history(self) -> History:
        """The whole history with the numbers found so far."""
        return renumbered(self._events, self._numbers)

    def turns(self) -> Iterator[tuple[OrchestratorTurn, "PastTurn"]]:
        """Yield the turns of the past for the code to run, oldest first. All events are past, so nothing is logged."""
        started = next(event for event in self._events if isinstance(event, ExecutionStarted))
        trace = started.parent_trace_context
        for past in _turns(self._events):
            seen = renumbered(self._events[: past.end_of_messages], self._numbers).events
            if past.end_of_messages == past.first or not any(isinstance(one, ExecutionStarted) for one in seen):
                continue
            yield (
                OrchestratorTurn(
                    instance_id=self._instance_id,
                    execution_id=started.orchestration_instance.execution_id or "",
                    name=started.name,
                    history=seen,
                    new_from=len(seen),
                    trace_parent=None if trace is None else trace.trace_parent,
                    trace_state=None if trace is None else trace.trace_state,
                    session=self.session,
                ),
                past,
            )

    def match(self, past: "PastTurn", answer: NumberedAnswer) -> None:
        """Find the numbers of the calls that 1.x code made in this turn. Raises CannotTakeOver."""
        if answer.error is not None:
            raise CannotTakeOver(f"the code cannot be run: {answer.error}")
        calls = [event for event in self._events[past.end_of_messages : past.end] if isinstance(event, CALLS)]
        if self.ending is not None and calls:
            raise CannotTakeOver(f"the code has ended before it makes the call {_named(calls[0])}")
        left = list(answer.actions)
        failed = any(
            isinstance(event, TaskFailed | SubOrchestrationInstanceFailed)
            for event in self._events[past.first : past.end_of_messages]
        )
        for call in calls:
            action = _fitting(call, left)
            if action is None and isinstance(call, TimerCreated):
                action = _any_timer(call, left, is_after_failure=failed)
            if action is not None:
                left.remove(action)
                self._numbers[call.event_id] = action.id
            elif isinstance(call, TimerCreated) and failed:
                self._numbers[call.event_id] = None  # 1.x waits once more after the last attempt.
            else:
                raise CannotTakeOver(f"the code does not make the call {_named(call)}{_failure_in(left)}")
        if self.ending is None and any(isinstance(action, CompleteOrchestration) for action in left):
            self.ending = msgspec.structs.replace(answer, actions=left, has_ended_early=False)
            self._failure = _failure_in(left)

    def check_end(self) -> None:
        """Check that code which has ended under 2.x still waited for open tasks under 1.x. Raises CannotTakeOver."""
        if self.ending is None:
            return
        answered = frozenset(
            event.name.casefold() if isinstance(event, EventRaised) else answered_id(event) for event in self._events
        )
        if not any(isinstance(event, CALLS) and _waits(event, answered) for event in self._events):
            raise CannotTakeOver(f"the code does not wait for what 1.x code waits for{self._failure}")


class PastTurn(msgspec.Struct, frozen=True):
    """The position of a turn in the history: what the code was fed, then the calls that it made, up to `end`."""

    first: int
    end_of_messages: int
    end: int


def _turns(events: Sequence[HistoryEvent]) -> list[PastTurn]:
    starts = [index for index, event in enumerate(events) if isinstance(event, OrchestratorStarted)]
    turns: list[PastTurn] = []
    for first, end in zip(starts, [*starts[1:], len(events)], strict=True):
        is_call = [isinstance(event, CALLS) or _ends_turn(event) for event in events[first:end]]
        turns.append(PastTurn(first, first + is_call.index(True) if True in is_call else end, end))
    return turns


def _ends_turn(event: HistoryEvent) -> bool:
    return event.event_name in {"OrchestratorCompleted", "ExecutionCompleted"}


def _fitting(call: Call, actions: Sequence[NumberedAction]) -> NumberedAction | None:
    """Return the first action that is certainly this call, or None."""
    return next((action for action in actions if is_same_call(call, action)), None)


def is_same_call(call: Call, action: NumberedAction) -> bool:
    """Return whether an action is this call, by name, target or due time."""
    match call, action:
        case (TaskScheduled(), ScheduleTask()) | (SubOrchestrationInstanceCreated(), CreateSubOrchestration()):
            return call.name.casefold() == action.name.casefold()
        case TimerCreated(), StartTimer():
            return call.fire_at // _MICROSECOND == action.fire_at // _MICROSECOND
        case EventSent(), EntityCalled() | EntitySignaled():
            return call.instance_id == action.target
        case _:
            return False


def _any_timer(
    call: TimerCreated, actions: Sequence[NumberedAction], *, is_after_failure: bool
) -> NumberedAction | None:
    """Return the first timer with a different time, or None.

    Code may read the clock, and long timers are split at different times.
    """
    if is_after_failure and call.fire_at - call.timestamp < _LONG_TIMER:
        return None
    return next((action for action in actions if isinstance(action, StartTimer)), None)


def _named(call: Call) -> str:
    match call:
        case TaskScheduled() | SubOrchestrationInstanceCreated():
            return f"{call.event_name} {call.event_id} of '{call.name}'"
        case TimerCreated():
            return f"{call.event_name} {call.event_id}, due at {timestamp.to_text(call.fire_at)}"
        case EventSent():
            return f"{call.event_name} {call.event_id} to '{call.instance_id}'"


class _Request(msgspec.Struct):
    id: str | None = None
    signal: bool = False


def _waits(call: Call, answered: frozenset[int | str | None]) -> bool:
    """Return whether 1.x code waits for the answer to a call. `answered` has numbers of calls and names of events."""
    if not isinstance(call, EventSent):
        return call.event_id not in answered
    try:
        request = msgspec.json.decode(call.input or "", type=_Request)
    except msgspec.MsgspecError:
        return False
    return not request.signal and (request.id or "").casefold() not in answered


def _failure_in(actions: Sequence[NumberedAction]) -> str:
    for action in actions:
        if isinstance(action, CompleteOrchestration):
            if action.status is OrchestrationStatus.Failed and action.failure is not None:
                return f", it fails with {action.failure.error_type}: {action.failure.error_message}"
            return ", it ends"
    return ""
