"""Two executions side by side, step by step."""

from collections.abc import Sequence
from difflib import SequenceMatcher

import msgspec

from durable_host import timestamp
from durable_host.dashboard.payloads import IN_LIST, cut, milliseconds, time_text
from durable_host.dashboard.views.history_step import ExecutionSteps
from durable_host.dashboard.views.steps import steps_of
from durable_host.durable.model.events import EventRaised, ExecutionCompleted, ExecutionStarted, HistoryEvent

_MOST_ALIGNED = 1_000_000


class ComparedStep(msgspec.Struct, frozen=True, kw_only=True):
    """One step of one side: the start, a call, an external event or the end. Times are in ticks, texts as stored."""

    kind: str
    name: str
    ordinal: int
    start: int
    end: int | None = None
    status: str = "Completed"
    attempts: int = 1
    input: str | None = None
    result: str | None = None
    error: str | None = None

    @property
    def key(self) -> tuple[str, str]:
        return self.kind, self.name.casefold()


class ShownStep(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """One step of one side; see `ComparedStep`. Texts are cut."""

    kind: str
    name: str
    ordinal: int
    start: str
    end: str | None
    duration_ms: float | None
    status: str
    attempts: int
    input: str | None
    input_is_truncated: bool
    result: str | None
    result_is_truncated: bool
    error: str | None


class StepPair(msgspec.Struct, frozen=True, rename="camel"):
    """The same step of both sides, or a step that only one of them has. `difference` is null when they are equal."""

    a: ShownStep | None
    b: ShownStep | None
    is_same: bool
    difference: str | None


def compare(a: Sequence[HistoryEvent], b: Sequence[HistoryEvent]) -> list[StepPair]:
    """Return the steps of both executions, aligned by kind and name. Times and durations are not compared."""
    first, second = _compared(a, steps_of(a)), _compared(b, steps_of(b))
    return [_pair(one, other) for one, other in _aligned(first, second)]


def _pair(a: ComparedStep | None, b: ComparedStep | None) -> StepPair:
    difference = _difference(a, b)
    return StepPair(_shown(a), _shown(b), difference is None, difference)


def _shown(step: ComparedStep | None) -> ShownStep | None:
    if step is None:
        return None
    input, input_is_cut = cut(step.input, IN_LIST)
    result, result_is_cut = cut(step.result, IN_LIST)
    return ShownStep(
        kind=step.kind,
        name=step.name,
        ordinal=step.ordinal,
        start=timestamp.to_text(step.start),
        end=time_text(step.end),
        duration_ms=None if step.end is None else milliseconds(step.end - step.start),
        status=step.status,
        attempts=step.attempts,
        input=input,
        input_is_truncated=input_is_cut,
        result=result,
        result_is_truncated=result_is_cut,
        error=cut(step.error, IN_LIST)[0],
    )


def _compared(events: Sequence[HistoryEvent], execution: ExecutionSteps) -> list[ComparedStep]:
    steps = [
        ComparedStep(
            kind=step.kind,
            name=step.name,
            ordinal=step.ordinals[0],
            start=step.start,
            end=step.end,
            status=step.outcome,
            attempts=max(1, len(step.attempts)),
            input=step.input,
            result=step.result,
            error=step.error,
        )
        for step in execution.steps
    ]
    for ordinal in execution.external:
        event = events[ordinal]
        assert isinstance(event, EventRaised)
        at = execution.time_at(ordinal)
        steps.append(ComparedStep(kind="event", name=event.name, ordinal=ordinal, start=at, end=at, input=event.input))
    for ordinal, event in enumerate(events):
        if isinstance(event, ExecutionStarted):
            at = event.timestamp
            steps.append(
                ComparedStep(kind="start", name=event.name, ordinal=ordinal, start=at, end=at, input=event.input)
            )
        elif isinstance(event, ExecutionCompleted):
            status, at = event.orchestration_status.name, event.timestamp
            details = event.failure_details
            error = None if details is None else f"{details.error_type}: {details.error_message}"
            result = event.result
            if status == "Failed" and error is None:
                error, result = result, None
            steps.append(
                ComparedStep(
                    kind="end", name="", ordinal=ordinal, start=at, end=at, status=status, result=result, error=error
                )
            )
    return sorted(steps, key=lambda step: step.ordinal)


_Pairs = list[tuple[ComparedStep | None, ComparedStep | None]]


def _aligned(a: Sequence[ComparedStep], b: Sequence[ComparedStep]) -> _Pairs:
    """Pair equal keys in order. Very long executions are paired by position after their common beginning."""
    start = 0
    while start < min(len(a), len(b)) and a[start].key == b[start].key:
        start += 1
    pairs: _Pairs = list(zip(a[:start], b[:start], strict=True))
    a, b = a[start:], b[start:]
    if len(a) * len(b) > _MOST_ALIGNED:
        return pairs + _side_by_side(a, b)
    matcher = SequenceMatcher(None, [step.key for step in a], [step.key for step in b], autojunk=False)
    for tag, a_from, a_to, b_from, b_to in matcher.get_opcodes():
        if tag == "equal":
            pairs += zip(a[a_from:a_to], b[b_from:b_to], strict=True)
        else:
            pairs += _side_by_side(a[a_from:a_to], b[b_from:b_to])
    return pairs


def _side_by_side(a: Sequence[ComparedStep], b: Sequence[ComparedStep]) -> _Pairs:
    both = min(len(a), len(b))
    pairs: _Pairs = list(zip(a[:both], b[:both], strict=True))
    pairs += [(step, None) for step in a[both:]]
    pairs += [(None, step) for step in b[both:]]
    return pairs


def _difference(a: ComparedStep | None, b: ComparedStep | None) -> str | None:
    if a is None or b is None:
        step, side = (b, "second") if a is None else (a, "first")
        assert step is not None
        return f"Only the {side} instance has {_named(step)}."
    if a.key != b.key:
        return f"The first instance has {_named(a)}, the second {_named(b)}."
    if a.status != b.status:
        return f"The first is {a.status}, the second {b.status}."
    for what in ("input", "result", "error"):
        if getattr(a, what) != getattr(b, what):
            return f"The {what}s differ."
    if a.attempts != b.attempts:
        return f"The first took {a.attempts} attempt{'s' * (a.attempts != 1)}, the second {b.attempts}."
    return None


def _named(step: ComparedStep) -> str:
    return f"{step.kind} '{step.name}'" if step.name else step.kind
