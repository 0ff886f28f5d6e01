"""Goes through the past of an execution of 1.x code with 2.x code, and finds the new numbers of its calls.

The code is fed what 1.x code was fed in a turn. What it then asks for is compared with what 1.x code has called in that
turn. Actions left over are tasks that 2.x code begins when they are created, 1.x code when they are awaited: they fit
calls of later turns, or are new work.

Source: docs/protocol/durable-v2.md#instances-of-the-other-generation
"""

from collections.abc import Iterator, Sequence

import msgspec

from durable_host import timestamp
from durable_host.durable.engine.renumbering import CALLS, Call, History, Numbers, answered_id, renumbered
from durable_host.durable.model.events import (
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
    """2.x code does not do what the history says; the exception's text tells where, as a clause."""


class TakeOver:
    """The past of one execution. For each of `turns` run the code and hand its answer to `answered`.

    `ending` is the last answer if the code has ended: 1.x code then still waits for open tasks, 2.x code does not.
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
        """All of it, with the numbers found so far."""
        return renumbered(self._events, self._numbers)

    def turns(self) -> Iterator[tuple[OrchestratorTurn, "PastTurn"]]:
        """The turns of the past, oldest first, as code is to run them: everything is past, so nothing is logged."""
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

    def answered(self, past: "PastTurn", answer: NumberedAnswer) -> None:
        """Find the numbers of what 1.x code has called in this turn. Raises CannotTakeOver."""
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
                self._numbers[call.event_id] = None  # 1.x waits once more behind the last attempt.
            else:
                raise CannotTakeOver(f"the code does not make the call {_named(call)}{_failure_in(left)}")
        if self.ending is None and any(isinstance(action, CompleteOrchestration) for action in left):
            self.ending = msgspec.structs.replace(answer, actions=left, has_ended_early=False)
            self._failure = _failure_in(left)

    def check_end(self) -> None:
        """Code that has ended under 2.x may go on only if 1.x code has waited for open tasks. Raises CannotTakeOver."""
        if self.ending is None:
            return
        answered = {answered_id(event) for event in self._events}
        calls = [event for event in self._events if isinstance(event, CALLS)]
        if all(event.event_id in answered or _is_signal(event) for event in calls):
            raise CannotTakeOver(f"the code does not wait for what 1.x code waits for{self._failure}")


class PastTurn(msgspec.Struct, frozen=True):
    """Where a turn stands in the history: what was fed to the code, and then what it has called, before `end`."""

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
    """The first action that is surely this call."""
    return next((action for action in actions if _is_same(call, action)), None)


def _is_same(call: Call, action: NumberedAction) -> bool:
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
    """The first timer with another time: code may ask the clock, and long timers are cut at other places."""
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


def _is_signal(call: Call) -> bool:
    return isinstance(call, EventSent) and '"signal":true' in (call.input or "").replace(" ", "")


def _failure_in(actions: Sequence[NumberedAction]) -> str:
    for action in actions:
        if isinstance(action, CompleteOrchestration):
            if action.status is OrchestrationStatus.Failed and action.failure is not None:
                return f", it fails with {action.failure.error_type}: {action.failure.error_message}"
            return ", it ends"
    return ""
