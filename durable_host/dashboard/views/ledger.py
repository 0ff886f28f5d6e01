"""The event ledger: what became of each external event of an execution.

With a trace of the code, each event is matched with the waits. Without one, the history only shows which events
arrived, and their fate is `unknown`.
"""

from collections.abc import Iterable, Sequence
from typing import Literal

import msgspec

from durable_host import timestamp
from durable_host.dashboard.payloads import IN_DETAILS, cut
from durable_host.dashboard.views.code_trace import CodeTrace, CodeWait
from durable_host.dashboard.views.event_matching import MatchedEvent, Matching, matching_of
from durable_host.dashboard.views.history_step import ExecutionSteps
from durable_host.durable.engine import diagnostic as codes
from durable_host.durable.engine.diagnostic import Diagnostic
from durable_host.durable.model.events import EventRaised, HistoryEvent

LedgerFate = Literal["taken", "waiting", "buffered", "takenTwice", "dropped", "neverTaken", "caseDiffers", "unknown"]


class LedgerWait(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """The wait that took an event. `place` is where the code waited, if known."""

    name: str
    since: str
    until: str | None
    task_id: int | None = None
    place: str | None = None


class LedgerEvent(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """One external event. `ordinal` is its position in the history, null if it never got there.

    `data` is JSON text. `from` is the sender, null because messages do not name it. `note` explains the fate, and
    `isEarly` tells that it arrived before the wait that took it.
    """

    name: str
    sent: str
    received: str | None
    data: str | None
    data_is_truncated: bool = False
    sender: str | None = msgspec.field(name="from", default=None)
    fate: LedgerFate
    is_early: bool = False
    wait: LedgerWait | None = None
    note: str
    ordinal: int | None = None


def ledger_of(
    events: Sequence[HistoryEvent],
    execution: ExecutionSteps,
    trace: CodeTrace | None,
    findings: Iterable[Diagnostic] = (),
    limit: int = IN_DETAILS,
) -> list[LedgerEvent]:
    """Return the events in the order in which they arrived, then those that were dropped before that.

    `findings` are those of the instance. Data are cut at `limit` characters.
    """
    if trace is None or trace.waits is None:
        entries = [_unmatched(events, ordinal, execution, limit) for ordinal in execution.external]
    else:
        matching = matching_of(events, execution.external, trace)
        names = _AwaitedNames(matching, trace)
        entries = [_entry(events, matched, execution, trace, limit, names) for matched in matching.events]
    own = (finding for finding in findings if finding.timestamp >= (execution.start or 0))
    return entries + [_dropped(finding) for finding in own if finding.code == codes.EVENT_DROPPED]


class _AwaitedNames:
    """The names for which the code has waited, and those for which it waits now, by their lower-case form."""

    def __init__(self, matching: Matching, trace: CodeTrace) -> None:
        self._names = frozenset(wait.name for wait in trace.waits or ())
        self._any = {name.casefold(): name for name in self._names}
        self._open = {wait.name.casefold(): wait.name for wait in matching.open}
        self._ignores_case = trace.rules.ignores_case

    def in_another_case(self, name: str) -> str | None:
        """Return the name of an open wait that differs from `name` only in case, or of any if none was for `name`."""
        if self._ignores_case:
            return None
        waiting = self._open.get(name.casefold())
        if waiting is not None and waiting != name:
            return waiting
        return None if name in self._names else self._any.get(name.casefold())


def _raised(events: Sequence[HistoryEvent], ordinal: int) -> EventRaised:
    event = events[ordinal]
    assert isinstance(event, EventRaised)
    return event


def _unmatched(events: Sequence[HistoryEvent], ordinal: int, execution: ExecutionSteps, limit: int) -> LedgerEvent:
    event = _raised(events, ordinal)
    data, is_cut = cut(event.input, limit)
    return LedgerEvent(
        name=event.name,
        sent=timestamp.to_text(event.timestamp),
        received=timestamp.to_text(execution.time_at(ordinal)),
        data=data,
        data_is_truncated=is_cut,
        fate="unknown",
        note="It is in the history. Only the app's code shows which wait took it, and the code could not be replayed.",
        ordinal=ordinal,
    )


def _entry(
    events: Sequence[HistoryEvent],
    matched: MatchedEvent,
    execution: ExecutionSteps,
    trace: CodeTrace,
    limit: int,
    names: _AwaitedNames,
) -> LedgerEvent:
    event = _raised(events, matched.ordinal)
    data, is_cut = cut(event.input, limit)
    received = execution.time_at(matched.ordinal)
    wait = next(iter(matched.waits), None)
    fate, note = _fate(event.name, matched, execution, trace, names)
    return LedgerEvent(
        name=event.name,
        sent=timestamp.to_text(event.timestamp),
        received=timestamp.to_text(received),
        data=data,
        data_is_truncated=is_cut,
        fate=fate,
        is_early=matched.is_early and bool(matched.waits),
        note=note,
        wait=None if wait is None else _wait(wait, received, execution),
        ordinal=matched.ordinal,
    )


def _wait(wait: CodeWait, received: int, execution: ExecutionSteps) -> LedgerWait:
    since = execution.time_at(wait.since)
    until = timestamp.to_text(max(since, received))
    return LedgerWait(name=wait.name, since=timestamp.to_text(since), until=until, place=wait.place)


def _fate(
    name: str, matched: MatchedEvent, execution: ExecutionSteps, trace: CodeTrace, names: _AwaitedNames
) -> tuple[LedgerFate, str]:
    sdk = trace.rules.sdk
    match matched.fate:
        case "taken":
            how = "It arrived before the wait and was kept for it." if matched.is_early else "A wait was open for it."
            return "taken", how
        case "takenTwice":
            return "takenTwice", (
                f"It arrived before the waits, and {sdk} gave it to {len(matched.waits)} of them. Wait for it once, or "
                "start waiting before it is raised."
            )
        case "lost":
            return "dropped", (
                f"{sdk[:1].upper()}{sdk[1:]} lost it: it arrived before a wait was open, and only the last early event "
                "of a name is kept. Start waiting before raising, or use a different name for each event."
            )
        case "unseen":
            return "waiting", "The instance is suspended. The code receives it when the instance is resumed."
        case "unread":
            pass
    other = names.in_another_case(name)
    if other is not None:
        return "caseDiffers", (
            f"The code waits for '{other}'. {sdk[:1].upper()}{sdk[1:]} compares names exactly, so no wait takes it. "
            f"Raise '{other}'."
        )
    if execution.end is not None or trace.ended is not None:
        return "neverTaken", "The orchestration ended without waiting for it."
    return "buffered", "No wait is open for this name yet. The next one takes it."


def _dropped(finding: Diagnostic) -> LedgerEvent:
    return LedgerEvent(
        name=finding.event_name or "",
        sent=timestamp.to_text(finding.timestamp),
        received=None,
        data=None,
        fate="dropped",
        note=finding.text,
    )
