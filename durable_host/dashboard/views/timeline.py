"""The Gantt chart of one execution: a bar for each call, timer, wait, child, entity call and lock."""

from collections.abc import Sequence
from typing import Literal

import msgspec

from durable_host import timestamp
from durable_host.dashboard.payloads import milliseconds, time_text
from durable_host.dashboard.views.code_trace import CodeTrace, CodeWait
from durable_host.dashboard.views.event_matching import matching_of
from durable_host.dashboard.views.history_step import ExecutionSteps, HistoryStep, Outcome
from durable_host.durable.model.events import EventRaised, HistoryEvent

_Bars = list[tuple[int, "TimelineBar"]]
BarKind = Literal["activity", "timer", "event", "retry", "child", "entity", "lock"]


class BarAttempt(msgspec.Struct, frozen=True, rename="camel"):
    """One attempt of a call, or the wait for a lock."""

    start: str
    end: str | None
    error: str | None


class TimelineBar(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """One bar; `end` is null while it lasts. `ordinals` are the positions of its first and last event in the history.

    The attempt of a lock is the wait for it. The bar of an event without a known wait has no length. `place` is where
    the code stood.
    """

    id: str
    kind: BarKind
    name: str
    start: str
    end: str | None
    duration_ms: float | None
    status: Outcome
    attempts: list[BarAttempt]
    ordinals: tuple[int, int | None]
    child_id: str | None = None
    task_id: int | None = None
    due: str | None = None
    place: str | None = None


class SuspendedTime(msgspec.Struct, frozen=True, rename="camel"):
    """A time during which the instance was suspended; `end` is null while it is."""

    start: str
    end: str | None
    reason: str | None


def suspended_of(execution: ExecutionSteps) -> list[SuspendedTime]:
    """Return the times during which the instance was suspended."""
    return [
        SuspendedTime(timestamp.to_text(one.start), time_text(one.end), one.reason) for one in execution.suspensions
    ]


def bars_of(
    events: Sequence[HistoryEvent], execution: ExecutionSteps, trace: CodeTrace | None = None
) -> list[TimelineBar]:
    """Return the bars by start and position. With a `trace`, waits for events have their length."""
    bars = [(step.start, _bar(step)) for step in execution.steps]
    bars += (
        _arrivals(events, execution)
        if trace is None or trace.waits is None
        else _waits(events, execution, trace, trace.waits)
    )
    return [bar for _, bar in sorted(bars, key=lambda item: (item[0], item[1].ordinals[0]))]


def _bar(step: HistoryStep) -> TimelineBar:
    return TimelineBar(
        id=f"{step.kind}-{step.ordinals[0]}",
        kind=step.kind,
        name=step.name,
        start=timestamp.to_text(step.start),
        end=time_text(step.end),
        duration_ms=_duration(step.start, step.end),
        status=step.outcome,
        attempts=[BarAttempt(timestamp.to_text(one.start), time_text(one.end), one.error) for one in step.attempts],
        ordinals=step.ordinals,
        child_id=step.target if step.kind in {"child", "entity"} else None,
        task_id=step.number,
        due=time_text(step.due),
    )


def _arrivals(events: Sequence[HistoryEvent], execution: ExecutionSteps) -> _Bars:
    """Return a bar for each external event: the waits are not known."""
    bars: _Bars = []
    for ordinal in execution.external:
        event = events[ordinal]
        if isinstance(event, EventRaised):
            arrived = execution.time_at(ordinal)
            bars.append(_event_bar(f"event-{ordinal}", event.name, (ordinal, ordinal), arrived, arrived, "Completed"))
    return bars


def _waits(
    events: Sequence[HistoryEvent], execution: ExecutionSteps, trace: CodeTrace, waits: Sequence[CodeWait]
) -> _Bars:
    matching = matching_of(events, execution.external, trace)
    ids = {id(wait): f"wait-{index}" for index, wait in enumerate(waits)}
    bars: _Bars = []
    for matched in matching.events:
        event, ordinal = events[matched.ordinal], matched.ordinal
        arrived = execution.time_at(ordinal)
        for wait in matched.waits:
            start = execution.time_at(wait.since)
            end, ordinals = max(start, arrived), (wait.since, ordinal)
            bars.append(_event_bar(ids.pop(id(wait), ""), wait.name, ordinals, start, end, "Completed", wait.place))
        if not matched.waits and isinstance(event, EventRaised):
            bars.append(_event_bar(f"event-{ordinal}", event.name, (ordinal, ordinal), arrived, arrived, "Canceled"))
    for wait in waits:
        if id(wait) not in ids or wait.is_repeated:
            continue
        end = execution.end if wait.canceled is None else execution.time_at(wait.canceled)
        status: Outcome = "Running" if end is None else "Canceled"
        start, ordinals = execution.time_at(wait.since), (wait.since, wait.canceled)
        bars.append(_event_bar(ids[id(wait)], wait.name, ordinals, start, end, status, wait.place))
    return bars


def _event_bar(
    id: str,
    name: str,
    ordinals: tuple[int, int | None],
    start: int,
    end: int | None,
    status: Outcome,
    place: str | None = None,
) -> tuple[int, TimelineBar]:
    bar = TimelineBar(
        id=id,
        kind="event",
        name=name,
        start=timestamp.to_text(start),
        end=time_text(end),
        duration_ms=_duration(start, end),
        status=status,
        attempts=[],
        ordinals=ordinals,
        place=place,
    )
    return start, bar


def _duration(start: int, end: int | None) -> float | None:
    return None if end is None else milliseconds(end - start)
