"""What an instance waits for now: events, timers, activities in progress, children, entities and locks."""

from collections.abc import Iterator, Sequence
from typing import Literal

import msgspec

from durable_host import timestamp
from durable_host.dashboard.payloads import time_text
from durable_host.dashboard.views.code_trace import CodeTrace
from durable_host.dashboard.views.event_matching import matching_of
from durable_host.dashboard.views.history_step import ExecutionSteps, HistoryStep
from durable_host.durable.model.events import HistoryEvent

WaitKind = Literal["event", "timer", "activity", "child", "entity", "lock"]


class OpenWait(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """One wait. `attempt` counts the attempts of a call that is retried. `place` is where the code waits, if known."""

    kind: WaitKind
    name: str
    since: str
    due: str | None = None
    task_id: int | None = None
    instance_id: str | None = None
    attempt: int | None = None
    place: str | None = None


def waits_of(events: Sequence[HistoryEvent], execution: ExecutionSteps, trace: CodeTrace | None) -> list[OpenWait]:
    """Return the open waits, events first. Without a `trace`, waits for events are not known.

    A timer that the code has given up is omitted if the trace shows it.
    """
    if execution.end is not None:
        return []
    waits: list[OpenWait] = [] if trace is None else list(_events(events, execution, trace))
    for step in execution.steps:
        if step.end is not None or (step.kind == "lock" and step.attempts[0].end is not None):
            continue
        is_given_up = (
            trace is not None
            and trace.awaited is not None
            and step.kind in {"timer", "retry"}
            and step.number not in trace.awaited
        )
        is_between_attempts = bool(step.attempts) and step.attempts[-1].end is not None
        if not is_given_up and not is_between_attempts:
            waits.append(_wait(step, execution))
    return waits


def _events(events: Sequence[HistoryEvent], execution: ExecutionSteps, trace: CodeTrace) -> Iterator[OpenWait]:
    if trace.ended is not None:
        return
    for wait in matching_of(events, execution.external, trace).open:
        yield OpenWait(
            kind="event", name=wait.name, since=timestamp.to_text(execution.time_at(wait.since)), place=wait.place
        )


def _wait(step: HistoryStep, execution: ExecutionSteps) -> OpenWait:
    attempts = len(step.attempts)
    if step.kind == "retry":
        retried = next((one for one in execution.steps if one.ordinals[0] == step.retry_of), None)
        attempts = 0 if retried is None else len(retried.attempts) + 1
    return OpenWait(
        kind="timer" if step.kind == "retry" else step.kind,
        name=f"retry of {step.name}" if step.kind == "retry" else step.name,
        since=timestamp.to_text(step.attempts[-1].start if step.attempts else step.start),
        due=time_text(step.due),
        task_id=step.number,
        instance_id=step.target,
        attempt=attempts if attempts > 1 else None,
    )
