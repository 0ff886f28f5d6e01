"""The event ledger of an instance: what became of each external event, with assertions."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any, Final

import msgspec

from durable_host.dashboard.views.ledger import LedgerEvent, LedgerFate
from durable_host.testing.comparison_text import short_text
from durable_host.testing.json_values import as_json, value_of
from durable_host.testing.sdk_json import matches
from durable_host.testing.wait_condition import ANY

__tracebackhide__ = True

_LOST: Final = frozenset({"dropped", "neverTaken", "caseDiffers"})
_TAKEN: Final = frozenset({"taken", "takenTwice"})


class ExternalEvent(msgspec.Struct, frozen=True, kw_only=True):
    """One external event. `data` is decoded from its JSON. Times are in UTC; `received` is None if it never arrived.

    The fates are "taken", "takenTwice" (by two waits), "buffered" (no wait for it yet), "waiting" (the instance is
    suspended), "neverTaken" (the instance ended without a wait for it), "caseDiffers" (the code waits for a name with
    other capitals), "dropped", and "unknown" (the code could not be replayed). `is_early`: it arrived before the
    wait that took it. `note` explains the fate, `place` is where the code took it.
    """

    name: str
    data: Any
    sent: datetime
    received: datetime | None
    fate: LedgerFate
    is_early: bool = False
    note: str = ""
    place: str | None = None

    @property
    def is_taken(self) -> bool:
        return self.fate in _TAKEN

    @property
    def is_lost(self) -> bool:
        """True if no wait has taken it and none will."""
        return self.fate in _LOST

    def __str__(self) -> str:
        early = ", early" if self.is_early else ""
        text = f"{self.sent:%Y-%m-%d %H:%M:%S}  {self.name} {as_json(self.data)}: {self.fate}{early}. {self.note}"
        return text.rstrip()


def external_event(event: LedgerEvent) -> ExternalEvent:
    """The event with times and values instead of texts."""
    return ExternalEvent(
        name=event.name,
        data=value_of(event.data),
        sent=datetime.fromisoformat(event.sent),
        received=None if event.received is None else datetime.fromisoformat(event.received),
        fate=event.fate,
        is_early=event.is_early,
        note=event.note,
        place=None if event.wait is None else event.wait.place,
    )


class EventLedger:
    """The external events of the current execution, in the order in which they arrived, then those dropped before that.

    It does not change; read it again for a newer one.
    """

    def __init__(self, title: str, events: Sequence[ExternalEvent]) -> None:
        self._title = title
        self.events = list(events)

    def __iter__(self) -> Iterator[ExternalEvent]:
        return iter(self.events)

    def __len__(self) -> int:
        return len(self.events)

    def __str__(self) -> str:
        return "\n".join(map(str, self.events)) or "(no external events)"

    def of(self, name: str) -> list[ExternalEvent]:
        """The events with this name."""
        return [event for event in self.events if event.name == name]

    @property
    def lost(self) -> list[ExternalEvent]:
        """The events that no wait has taken or will take."""
        return [event for event in self.events if event.is_lost]

    def assert_taken(self, name: str, data: Any = ANY, *, times: int | None = None) -> None:
        """A wait has taken an event with this name, with this data and exactly so many `times` if given."""
        found = [event for event in self.of(name) if event.is_taken and (data is ANY or matches(data, event.data))]
        if found and (times is None or len(found) == times):
            return
        what = f"'{name}'" if data is ANY else f"'{name}' with the data {short_text(data)}"
        if times is None:
            self._fail(f"No event {what} was taken by {self._title}")
        self._fail(f"{self._title} has taken {_counted(len(found))} {what}, not {times}")

    def assert_not_taken(self, name: str) -> None:
        """No wait has taken an event with this name."""
        if any(event.is_taken for event in self.of(name)):
            self._fail(f"An event '{name}' was taken by {self._title}")

    def assert_none_lost(self) -> None:
        """Each event was taken by a wait, or is kept for one."""
        if self.lost:
            self._fail(f"{self._title} has lost {_counted(len(self.lost))}")

    def _fail(self, what: str) -> None:
        lines = "\n".join(f"{'>' if event.is_lost else ' '} {event}" for event in self.events)
        raise AssertionError(f"{what}.\n(> lost)\n\n{lines or '  (no external events)'}")


def _counted(number: int) -> str:
    return "1 event" if number == 1 else f"{number} events"
