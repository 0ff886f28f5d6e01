"""Gates: an action begins only when the one before it has settled, as in Azure.

User code continues as soon as its own condition is met. The extension in Azure walks the list of the code's actions and
waits for each before it begins the next, so a history that runs ahead of these gates cannot be replayed there.

Source: docs/protocol/durable-replay.md#gates
"""

from collections import deque
from collections.abc import Iterator
from typing import NamedTuple

from durable_host.durable.model.actions import (
    Action,
    ContinueAsNewAction,
    SignalEntity,
    UnknownAction,
    WhenAll,
    WhenAny,
)


class Gate:
    """An action as something to wait for. It is open when its task has settled; that of a compound action when all or
    one of its members are open. Times are ticks.

    `number` is the one that the code's request reserved, if the action takes one. `position` is where the code asked
    for it, if that is known. `began_at` is the event during which the extension begins the action in a replay: that may
    be earlier than the one during which the code asked for it.
    """

    __slots__ = ("_missing", "_next", "_parent", "_settled_at", "action", "began_at", "members", "number", "position")

    def __init__(self, action: Action, parent: "Gate | None" = None, position: str | None = None) -> None:
        self.action = action
        self.position = position
        self.number: int | None = None
        self.began_at = 0
        self.members = [Gate(child, self) for child in action.children] if isinstance(action, WhenAll | WhenAny) else []
        self._missing = _needed(action, self.members)
        self._parent = parent
        self._next: Gate | None = None
        self._settled_at: int | None = None

    @property
    def is_open(self) -> bool:
        return self._missing == 0

    @property
    def opened_at(self) -> int:
        """When an open gate opened, as the extension sees it in a replay: a cancelled timer settles when it begins."""
        times = [member.opened_at for member in self.members if member.is_open]
        if times:
            return min(times) if isinstance(self.action, WhenAny) else max(times)
        return self.began_at if self._settled_at is None else self._settled_at

    def begin(self, at: int) -> None:
        self.began_at = at
        for member in self.members:
            member.begin(at)

    def settle(self, at: int | None) -> None:
        """The task has completed or failed; None: it counts as settled since it began. Later calls are ignored."""
        if self.is_open:
            return
        self._settled_at = at
        self._missing -= 1
        if self.is_open and self._parent is not None:
            self._parent.settle(at)

    def begin_after(self, before: "Gate") -> None:
        """Begin when the top-level action before this one opened."""
        before._next = self
        self.begin(before.opened_at)

    def cancel(self) -> bool:
        """User code has cancelled this timer. The extension reads that before it begins anything, so what came after
        the timer may have begun earlier than it seemed: then true.
        """
        self.settle(None)
        gate = self
        while gate._parent is not None:
            gate = gate._parent
        is_earlier = False
        while (after := gate._next) is not None and after.began_at != gate.opened_at:
            after.begin(gate.opened_at)
            gate, is_earlier = after, True
        return is_earlier

    def leaves(self) -> Iterator["Gate"]:
        """The gates of the actions inside compound ones, depth first."""
        if not isinstance(self.action, WhenAll | WhenAny):
            yield self
        for member in self.members:
            yield from member.leaves()

    def blockers(self) -> Iterator["Gate"]:
        """The leaves that keep this gate closed."""
        if not self.is_open:
            for member in self.members:
                yield from member.blockers()
            if not self.members:
                yield self


def _needed(action: Action, members: list[Gate]) -> int:
    """How many tasks or members have to settle. Under schema V1, fire-and-forget members do not count."""
    waiting = sum(not member.is_open for member in members)
    match action:
        case WhenAll():
            return waiting
        case WhenAny():
            return min(1, waiting)
        case SignalEntity() | ContinueAsNewAction() | UnknownAction():
            return 0
        case _:
            return 1


class GatedAction(NamedTuple):
    """A top-level action that has not begun, and the event during which the code asked for it."""

    gate: Gate
    asked_at: int


class Gates:
    """The top-level actions of one execution in order: which have not begun, and what the next one waits for.

    With `are_kept` false an action begins as soon as the code asks for it.
    """

    def __init__(self, *, are_kept: bool) -> None:
        self.are_kept = are_kept
        self._last: Gate | None = None
        self._held: deque[GatedAction] = deque()

    @property
    def closed(self) -> Gate | None:
        """The closed gate that stands before everything that comes next, the end of the code included."""
        return self._last if self.are_kept and self._last is not None and not self._last.is_open else None

    def add(self, gate: Gate, asked_at: int) -> None:
        self._held.append(GatedAction(gate, asked_at))

    def begin_next(self, now: int) -> Gate | None:
        """The next action that may begin now: for the extension it begins when the gate before it opened."""
        if not self._held or self.closed is not None:
            return None
        before, self._last = self._last, self._held.popleft().gate
        if self.are_kept and before is not None:
            self._last.begin_after(before)
        else:
            self._last.begin(now)
        return self._last

    def held(self, since: int) -> GatedAction | None:
        """The first action held back that the code has asked for at `since` (index of an event) or later."""
        return next((one for one in self._held if one.asked_at >= since), None)

    def holds(self, number: int) -> bool:
        """Whether the action of `number` is held back."""
        return any(leaf.number == number for one in self._held for leaf in one.gate.leaves())
