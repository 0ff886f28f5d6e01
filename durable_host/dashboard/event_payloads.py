"""The last payload of each external event, to fill in the form that sends the next one."""

from collections import OrderedDict
from collections.abc import Iterable, Sequence

from durable_host.durable.model.events import EventRaised, HistoryEvent

_KEPT = 200
_LONGEST = 4096


class EventPayloads:
    """The payloads in the histories that were read, by event name in lower case. Long payloads are not kept."""

    def __init__(self) -> None:
        self._searched: set[str] = set()
        self._last: OrderedDict[str, tuple[int, str]] = OrderedDict()

    def note(self, events: Sequence[HistoryEvent]) -> None:
        """Remember the events of a history."""
        for event in events:
            if isinstance(event, EventRaised) and event.input and len(event.input) <= _LONGEST:
                name = event.name.casefold()
                known = self._last.get(name)
                if known is None or known[0] <= event.timestamp:
                    self._last[name] = (event.timestamp, event.input)
                    self._last.move_to_end(name)
        while len(self._last) > _KEPT:
            self._last.popitem(last=False)

    def needs_search(self, orchestrator: str, names: Iterable[str]) -> bool:
        """True, once for each orchestrator, if one of these events has no payload yet."""
        if orchestrator in self._searched or all(name.casefold() in self._last for name in names):
            return False
        if len(self._searched) >= _KEPT:
            self._searched.clear()
        self._searched.add(orchestrator)
        return True

    def last(self, names: Iterable[str]) -> dict[str, str]:
        """Return the last payload of each of these events that has one."""
        found = ((name, self._last.get(name.casefold())) for name in names)
        return {name: payload[1] for name, payload in found if payload is not None}
