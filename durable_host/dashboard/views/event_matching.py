"""Which wait takes which external event, by the rules of the app's SDK.

The engine follows the same rules by counts (`durable/engine/external_events.py`), because it runs for every episode.
Here each event and each wait keeps its identity.

Source: docs/protocol/durable-actions.md#external-events, docs/protocol/durable-actions.md#early-events
"""

from collections.abc import Iterable, Sequence
from typing import Literal

import msgspec

from durable_host.dashboard.views.code_trace import CodeTrace, CodeWait, EventRules
from durable_host.durable.model.events import EventRaised, ExecutionResumed, ExecutionSuspended, HistoryEvent

Fate = Literal["taken", "takenTwice", "lost", "unread", "unseen"]


class MatchedEvent(msgspec.Struct, frozen=True, kw_only=True):
    """An external event at the position `ordinal` of the history, and the waits that took it, in order.

    `lost`: the SDK has discarded it. `unread`: it is kept for a later wait. `unseen`: the code has not received it,
    because the instance is suspended. `is_early` is true when no wait was open as it arrived.
    """

    ordinal: int
    fate: Fate
    waits: Sequence[CodeWait] = ()
    is_early: bool = False


class Matching(msgspec.Struct, frozen=True):
    """All external events of an execution, in order, and the waits that are still open, oldest first."""

    events: Sequence[MatchedEvent]
    open: Sequence[CodeWait]


def matching_of(events: Sequence[HistoryEvent], external: Iterable[int], trace: CodeTrace) -> Matching:
    """Match the events at the positions `external` with the waits of the code."""
    waits = trace.waits or ()
    matcher = _Matcher(events, trace.rules)
    changes = sorted(
        [(ordinal, 0, None) for ordinal in _controls(events, external)]
        + [(wait.since, 1, wait) for wait in waits]
        + [(wait.canceled, 2, wait) for wait in waits if wait.canceled is not None],
        key=lambda change: (change[0], change[1]),
    )
    for ordinal, kind, wait in changes:
        if wait is None:
            matcher.receive(ordinal, trace)
        elif kind == 1:
            matcher.wait(wait)
        else:
            matcher.cancel(wait)
    return matcher.result()


def _controls(events: Sequence[HistoryEvent], external: Iterable[int]) -> list[int]:
    others = (i for i, event in enumerate(events) if isinstance(event, ExecutionSuspended | ExecutionResumed))
    return [*external, *others]


class _Event:
    __slots__ = ("early", "fate", "name", "ordinal", "waits")

    def __init__(self, ordinal: int, name: str) -> None:
        self.ordinal = ordinal
        self.name = name
        self.fate: Fate = "unread"
        self.waits: list[CodeWait] = []
        self.early = False

    def take(self, wait: CodeWait) -> None:
        self.fate = "takenTwice" if self.waits else "taken"
        self.waits.append(wait)


class _Matcher:
    def __init__(self, events: Sequence[HistoryEvent], rules: EventRules) -> None:
        self._history = events
        self._rules = rules
        self._events: list[_Event] = []
        self._waits: dict[str, list[CodeWait]] = {}
        self._repeated: dict[str, int] = {}
        self._early: dict[str, list[_Event]] = {}
        self._is_suspended = False
        self._unseen: list[_Event] = []

    def result(self) -> Matching:
        for event in self._unseen:
            event.fate = "unseen"
        matched = [
            MatchedEvent(ordinal=one.ordinal, fate=one.fate, waits=one.waits, is_early=one.early)
            for one in self._events
        ]
        still_open = sorted((wait for waits in self._waits.values() for wait in waits), key=lambda wait: wait.since)
        return Matching(matched, still_open)

    def receive(self, ordinal: int, trace: CodeTrace) -> None:
        """Handle an external event, or a suspension or resumption, at this position."""
        match self._history[ordinal]:
            case ExecutionSuspended():
                self._is_suspended = self._rules.ignores_case
            case ExecutionResumed():
                self._is_suspended = False
                unseen, self._unseen = self._unseen, []
                for event in unseen:
                    self._deliver(event)
            case EventRaised(name=name):
                event = _Event(ordinal, name)
                self._events.append(event)
                if self._is_suspended or ordinal >= trace.seen:
                    self._unseen.append(event)
                elif trace.ended is None or ordinal <= trace.ended:
                    self._deliver(event)
            case _:
                pass

    def wait(self, wait: CodeWait) -> None:
        key = self._key(wait.name)
        if wait.is_repeated:
            self._repeated[key] = self._repeated.get(key, 0) + 1
            return
        early = self._early.get(key)
        if not early:
            self._waits.setdefault(key, []).append(wait)
        elif self._rules.keeps_early:
            early.pop(0).take(wait)
        else:
            early[-1].take(wait)

    def cancel(self, wait: CodeWait) -> None:
        waits = self._waits.get(self._key(wait.name), [])
        if wait in waits:
            waits.remove(wait)

    def _deliver(self, event: _Event) -> None:
        key = self._key(event.name)
        waits = self._waits.get(key)
        if waits:
            event.take(waits.pop() if self._rules.newest_first else waits.pop(0))
            return
        if self._repeated.get(key, 0):
            self._repeated[key] -= 1
            event.fate = "lost"
            return
        event.early = True
        early = self._early.setdefault(key, [])
        if early and not self._rules.keeps_early:
            earlier = early.pop()
            if not earlier.waits:
                earlier.fate = "lost"
        early.append(event)

    def _key(self, name: str) -> str:
        return name.casefold() if self._rules.ignores_case else name
