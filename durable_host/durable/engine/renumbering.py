"""Renumbers calls of 1.x code for 2.x code that continues the execution.

1.x numbers tasks from 0 as they are awaited, and 2.x from 1 as they are created; a retry in 2.x repeats the number of
its call. The rows of 1.x code are not changed. The first turn of 2.x code adds a generic event with the new numbers
(the renumbering event), and the rows after it have 2.x numbers.

Source: docs/protocol/durable-v2.md#instances-of-the-other-generation
"""

from collections.abc import Mapping, Sequence

import msgspec

from durable_host.durable.model.events import (
    EventSent,
    ExecutionCompleted,
    ExecutionResumed,
    ExecutionStarted,
    ExecutionSuspended,
    GenericEvent,
    HistoryEvent,
    SubOrchestrationInstanceCompleted,
    SubOrchestrationInstanceCreated,
    SubOrchestrationInstanceFailed,
    TaskCompleted,
    TaskFailed,
    TaskScheduled,
    TimerCreated,
    TimerFired,
)

Call = TaskScheduled | TimerCreated | SubOrchestrationInstanceCreated | EventSent
Result = TaskCompleted | TaskFailed | SubOrchestrationInstanceCompleted | SubOrchestrationInstanceFailed | TimerFired
CALLS = (TaskScheduled, TimerCreated, SubOrchestrationInstanceCreated, EventSent)
_RESULTS = (
    TaskCompleted,
    TaskFailed,
    SubOrchestrationInstanceCompleted,
    SubOrchestrationInstanceFailed,
    TimerFired,
)
_PREFIX = "Continued with the 2.x SDK; new numbers of calls: "

Numbers = Mapping[int, int | None]
"""Maps 1.x numbers to 2.x numbers, or to None for a timer that 2.x code does not have."""


class History(msgspec.Struct, frozen=True):
    """The history that 2.x code sees. `events` has one event per row. `older` maps the index of a call to its 1.x
    number.
    """

    events: list[HistoryEvent]
    older: Mapping[int, int] = {}


def renumbering_event(numbers: Numbers, timestamp: int) -> GenericEvent:
    """Return the generic event that records the new numbers."""
    runs: list[list[int | None]] = []
    for old, new in sorted(numbers.items()):
        if runs:
            first, target, length = runs[-1]
            assert first is not None
            assert length is not None
            if old == first + length and new == (None if target is None else target + length):
                runs[-1][2] = length + 1
                continue
        runs.append([old, new, 1])
    return GenericEvent(timestamp=timestamp, data=_PREFIX + msgspec.json.encode(runs).decode())


def numbers_of(event: HistoryEvent) -> Numbers | None:
    """Return the new numbers in an event, or None if it is not a renumbering event."""
    return numbers_in(event.data) if isinstance(event, GenericEvent) else None


def numbers_in(data: str | None) -> Numbers | None:
    """Return the new numbers in the text of a generic event, or None if it is not a renumbering event."""
    if data is None or not data.startswith(_PREFIX):
        return None
    try:
        runs = msgspec.json.decode(data[len(_PREFIX) :], type=list[tuple[int, int | None, int]])
    except msgspec.MsgspecError:
        return None
    return {
        first + step: None if target is None else target + step
        for first, target, length in runs
        for step in range(length)
    }


def find_renumbering(events: Sequence[HistoryEvent]) -> tuple[int, Numbers] | None:
    """Return the index of the renumbering event and its numbers, or None if 2.x code has not continued the history."""
    for index, event in enumerate(events):
        numbers = numbers_of(event)
        if numbers is not None:
            return index, numbers
    return None


def as_seen(events: Sequence[HistoryEvent]) -> History:
    """Return a stored history as 2.x code sees it."""
    sign = find_renumbering(events)
    if sign is None:
        return renumbered(events, {})
    index, numbers = sign
    older = renumbered(events[:index], numbers)
    return History([*older.events, *events[index:]], older.older)


def with_one_numbering(events: list[HistoryEvent]) -> History:
    """Return a stored history for reading. It is changed only if both SDK generations have written to it."""
    return History(events) if find_renumbering(events) is None else as_seen(events)


def renumbered(events: Sequence[HistoryEvent], numbers: Numbers) -> History:
    """Return rows of 1.x code with their 2.x numbers. Calls without a new number keep the old one.

    The input loses the extra encoding of the 1.x SDK. Timers that 2.x code does not have, and suspensions that change
    nothing, become generic events.
    """
    seen: list[HistoryEvent] = []
    older: dict[int, int] = {}
    is_suspended = False
    for index, event in enumerate(events):
        if isinstance(event, CALLS) and event.event_id in numbers:
            number = numbers[event.event_id]
            if number is None:
                event = _placeholder(event)
            else:
                older[index] = event.event_id
                event = msgspec.structs.replace(event, event_id=number)
        elif isinstance(event, _RESULTS):
            event = _answering(event, numbers)
        elif isinstance(event, ExecutionStarted) and event.is_played:
            event = msgspec.structs.replace(event, input=unwrapped(event.input))
        elif isinstance(event, ExecutionSuspended | ExecutionResumed):
            suspends = isinstance(event, ExecutionSuspended)
            has_effect, is_suspended = suspends is not is_suspended, suspends
            if not has_effect and _is_of_v1(events):
                event = _placeholder(event)
        seen.append(event)
    return History(seen, older)


def is_begun_by_v1(events: Sequence[HistoryEvent]) -> bool:
    """True when 1.x code wrote all rows of the history and it has not ended.

    Histories of 2.x code contain no events marked as played.
    """
    has_ended = any(isinstance(event, ExecutionCompleted) for event in events)
    return _is_of_v1(events) and find_renumbering(events) is None and not has_ended


def is_written_by_v2(events: Sequence[HistoryEvent]) -> bool:
    """True when 2.x code wrote rows of the history of a Python app."""
    return not _is_of_v1(events) or find_renumbering(events) is not None


def unwrapped(input: str | None) -> str | None:
    """Return the JSON text inside a JSON string, or the input itself if it does not contain any."""
    if input is None or not input.startswith('"'):
        return input
    try:
        inner = msgspec.json.decode(input, type=str)
        msgspec.json.decode(inner)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return input
    return inner


def _is_of_v1(events: Sequence[HistoryEvent]) -> bool:
    started = next((event for event in events if isinstance(event, ExecutionStarted)), None)
    return started is not None and started.is_played


def _answering(event: Result, numbers: Numbers) -> HistoryEvent:
    old = answered_id(event)
    if old is None or old not in numbers:
        return event
    number = numbers[old]
    return _placeholder(event) if number is None else with_call_number(event, number)


def answered_id(event: HistoryEvent) -> int | None:
    """Return the number of the call that a result answers, or None for other events."""
    match event:
        case TaskCompleted() | TaskFailed() | SubOrchestrationInstanceCompleted() | SubOrchestrationInstanceFailed():
            return event.task_scheduled_id
        case TimerFired():
            return event.timer_id
        case _:
            return None


def with_call_number(event: HistoryEvent, number: int) -> HistoryEvent:
    """Return a result with the number of a different call."""
    match event:
        case TimerFired():
            return msgspec.structs.replace(event, timer_id=number)
        case TaskCompleted() | TaskFailed() | SubOrchestrationInstanceCompleted() | SubOrchestrationInstanceFailed():
            return msgspec.structs.replace(event, task_scheduled_id=number)
        case _:
            return event


def _placeholder(event: HistoryEvent) -> GenericEvent:
    return GenericEvent(timestamp=event.timestamp, is_played=event.is_played)
