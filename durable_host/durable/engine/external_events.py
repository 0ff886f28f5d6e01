"""Tracks external events and waits to warn when the SDK loses or duplicates an event.

The 1.x SDK matches names exactly, serves the newest wait first, keeps only the last early event of a name, and returns
that event to every later wait. SDKs differ in the last two (`CodeDialect`).

Source: docs/protocol/durable-actions.md#external-events, docs/protocol/durable-actions.md#early-events
"""

from collections.abc import Iterator

import msgspec

from durable_host.durable.engine import diagnostic as codes
from durable_host.durable.user_code import PYTHON_V1, CodeDialect


class EventFinding(msgspec.Struct, frozen=True):
    code: str
    event_name: str
    text: str
    timestamp: int


class _EarlyEvent:
    __slots__ = ("differs", "is_consumed", "timestamp")

    def __init__(self, timestamp: int) -> None:
        self.timestamp = timestamp
        self.is_consumed = False
        self.differs = False
        """True once it was reported that a wait has this name in a different case."""


class ExternalEvents:
    """The waits and early events of one execution as the SDK sees them, owned by its walker. Times are in ticks."""

    __slots__ = ("_dialect", "_early", "_listed_again", "_waits")

    def __init__(self, dialect: CodeDialect = PYTHON_V1) -> None:
        self._dialect = dialect
        self._waits: dict[str, int] = {}
        self._listed_again: dict[str, int] = {}
        self._early: dict[str, list[_EarlyEvent]] = {}

    def waits_for(self, name: str, now: int) -> Iterator[EventFinding]:
        """Record that user code waits for `name`."""
        early = self._early.get(name)
        if not early:
            self._waits[name] = self._waits.get(name, 0) + 1
            for other, events in self._early.items():
                if other.casefold() == name.casefold():
                    for event in events:
                        if not event.is_consumed and not event.differs:
                            event.differs = True
                            yield _case_differs(other, name, event.timestamp)
            return
        if self._dialect.keeps_early_events:
            early.pop(0)
            return
        if early[-1].is_consumed:
            yield EventFinding(
                codes.EARLY_EVENT_DOUBLED,
                name,
                f"The event '{name}' arrived before the orchestrator waited for it, so {self._dialect.sdk} gives the "
                "same event to every later wait for that name. Wait for it once, or start waiting before it is raised.",
                now,
            )
        early[-1].is_consumed = True

    def listed_again(self, name: str) -> None:
        """Record that a task for `name` is in another list: the SDK then registers its wait once more."""
        self._listed_again[name] = self._listed_again.get(name, 0) + 1

    def raised(self, name: str, timestamp: int) -> Iterator[EventFinding]:
        """Record that an event arrived."""
        waiting = self._waits.get(name, 0)
        if waiting:
            self._waits[name] = waiting - 1
            return
        if again := self._listed_again.get(name, 0):
            self._listed_again[name] = again - 1
            yield EventFinding(
                codes.EARLY_EVENT_LOST,
                name,
                f"The event '{name}' is lost: it arrived before the orchestrator waited for it, and "
                f"{self._dialect.sdk} gave it to a wait that had its event already, because that wait was in several "
                f"{self._dialect.task_any} lists. Start waiting before raising, or use a different name for each.",
                timestamp,
            )
            return
        early = self._early.setdefault(name, [])
        if early and not self._dialect.keeps_early_events:
            earlier = early.pop()
            if not earlier.is_consumed:
                yield EventFinding(
                    codes.EARLY_EVENT_LOST,
                    name,
                    f"Two events '{name}' arrived before the orchestrator waited for them; {self._dialect.sdk} keeps "
                    "only the last, the earlier one is lost. Start waiting before raising, or use a different name "
                    "for each.",
                    earlier.timestamp,
                )
        early.append(_EarlyEvent(timestamp))
        for other, count in self._waits.items():
            if count and other.casefold() == name.casefold():
                early[-1].differs = True
                yield _case_differs(name, other, timestamp)

    def raised_after_the_end(self, name: str, timestamp: int) -> None:
        """Record an event that arrived after the code ended, so that no wait takes it."""
        early = self._early.setdefault(name, [])
        if early and early[-1].is_consumed:
            early.clear()
        if not early or self._dialect.keeps_early_events:
            early.append(_EarlyEvent(timestamp))

    def consumed(self, name: str) -> None:
        """Record that the SDK has returned the early event `name` to user code."""
        for early in self._early.get(name, ()):
            early.is_consumed = True

    def never_consumed(self) -> Iterator[EventFinding]:
        """Yield a finding for each event that no wait has taken by the end of the execution."""
        for name, events in self._early.items():
            for early in events:
                if not early.is_consumed:
                    yield EventFinding(
                        codes.EVENT_NEVER_CONSUMED,
                        name,
                        f"The event '{name}' was never consumed: the orchestration ended without waiting for it.",
                        early.timestamp,
                    )


def _case_differs(raised: str, awaited: str, timestamp: int) -> EventFinding:
    return EventFinding(
        codes.EVENT_CASE_DIFFERS,
        raised,
        f"The event '{raised}' was raised while the orchestrator waits for '{awaited}': the names differ in case, and "
        "the SDK matches them exactly, so the event is not delivered. Raise it with the name that the code waits for.",
        timestamp,
    )
