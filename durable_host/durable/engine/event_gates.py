"""Delivers external events to waits as the extension does. `external_events` follows the different rules of the SDK.

Names are not case-sensitive. An event goes to the newest wait for its name. Early events are kept in order, one for
each later wait.

Source: docs/protocol/durable-actions.md#external-events
"""

from collections import deque

from durable_host.durable.engine.gates import Gate


class EventGates:
    """The waits and events of one execution, owned by its walker. Times are indices of history events."""

    def __init__(self) -> None:
        self._names: dict[str, _NamedEvents] = {}

    def begin(self, name: str, gate: Gate) -> None:
        """Begin a wait at `gate.began_at`, which may be in the past."""
        self._name(name).begin(gate)

    def raised(self, name: str, index: int) -> None:
        self._name(name).raised(index)

    def deliver_again(self) -> None:
        """Deliver all events again, because waits may have begun earlier than assumed."""
        for one in self._names.values():
            one.deliver_again()

    def _name(self, name: str) -> "_NamedEvents":
        return self._names.setdefault(name.casefold(), _NamedEvents())


class _NamedEvents:
    """The waits and events of one name. `_open` are waits without an event, `_early` are events without a wait."""

    __slots__ = ("_early", "_events", "_open", "_waits")

    def __init__(self) -> None:
        self._waits: list[Gate] = []
        self._events: list[int] = []
        self._open: list[Gate] = []
        self._early: deque[int] = deque()

    def begin(self, gate: Gate) -> None:
        self._waits.append(gate)
        if self._events and self._events[-1] > gate.began_at:
            self.deliver_again()
        else:
            self._add_wait(gate)

    def raised(self, index: int) -> None:
        self._events.append(index)
        self._add_event(index)

    def _add_wait(self, gate: Gate) -> None:
        if self._early:
            self._early.popleft()
            gate.settle(gate.began_at)
        else:
            self._open.append(gate)

    def _add_event(self, index: int) -> None:
        if self._open:
            self._open.pop().settle(index)
        else:
            self._early.append(index)

    def deliver_again(self) -> None:
        """Deliver the events again because a wait began before the last one. Waits that are settled stay settled."""
        self._open.clear()
        self._early.clear()
        waits = deque(self._waits)
        for index in self._events:
            while waits and waits[0].began_at < index:
                self._add_wait(waits.popleft())
            self._add_event(index)
        for gate in waits:
            self._add_wait(gate)
