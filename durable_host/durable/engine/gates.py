"""Gates: an action begins only after the previous one has settled, as in Azure.

User code continues as soon as its own condition is met. The extension in Azure walks the list of the code's actions and
waits for each one before it begins the next, so it cannot replay a history that is ahead of these gates.

Source: docs/protocol/durable-replay.md#gates
"""

from collections import deque
from collections.abc import Iterator
from typing import NamedTuple

from durable_host.durable.model.actions import (
    Action,
    ContinueAsNewAction,
    ReleaseEntities,
    SignalEntity,
    UnknownAction,
    WhenAll,
    WhenAny,
)


class Gate:
    """An action that can be waited for. It opens when its task has settled; a compound action opens when all or one of
    its members are open. Times are indices of history events.

    `number` is the one reserved when the code requested the action, if it takes one, or that of the running part of a
    long timer. `position` is where the code requested it, if known. `began_at` is the event during which the extension
    begins the action in a replay, which may be before the code requested it.
    """

    __slots__ = (
        "__weakref__",
        "_followed",
        "_followers",
        "_missing",
        "_next",
        "_parent",
        "_settled_at",
        "action",
        "began_at",
        "members",
        "number",
        "position",
    )

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
        self._followed: Gate | None = None
        self._followers: list[Gate] = []

    @property
    def is_open(self) -> bool:
        return self._missing == 0

    @property
    def opened_at(self) -> int:
        """When an open gate opened, as the extension sees it in a replay. A cancelled timer settles when it begins."""
        times = [member.opened_at for member in self.members if member.is_open]
        if times:
            return min(times) if isinstance(self.action, WhenAny) else max(times)
        if self._settled_at is None:
            return self.began_at
        return self._settled_at if self._followed is None else max(self._settled_at, self.began_at)

    def begin(self, at: int) -> None:
        self.began_at = at
        for member in self.members:
            member.begin(at)

    def settle(self, at: int | None) -> None:
        """Record that the task completed or failed; with None, that it has been settled since it began. Later calls are
        ignored.
        """
        if self.is_open:
            return
        self._settled_at = at
        self._missing -= 1
        if not self.is_open:
            return
        if self._parent is not None:
            self._parent.settle(at)
        for follower in self._followers:
            follower.settle(at)

    def follow(self, other: "Gate | None") -> None:
        """Open together with another gate. None stands for a gate that has opened already."""
        if other is None or other.is_open:
            self.settle(None)
        else:
            self._followed = other
            other._followers.append(self)

    def begin_after(self, before: "Gate") -> None:
        """Begin this action when the previous top-level action opened."""
        before._next = self
        self.begin(before.opened_at)

    def cancel(self) -> bool:
        """Cancel this timer. Return True when later actions may have begun earlier than assumed.

        The extension sees the cancellation before it begins anything, so it does not wait for the timer.
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
        """Yield the gates of the actions inside compound actions, depth first."""
        if not isinstance(self.action, WhenAll | WhenAny):
            yield self
        for member in self.members:
            yield from member.leaves()

    def blockers(self) -> Iterator["Gate"]:
        """Yield the leaves that keep this gate closed."""
        if not self.is_open:
            for member in self.members:
                yield from member.blockers()
            if not self.members:
                yield self._followed or self


def _needed(action: Action, members: list[Gate]) -> int:
    """Return how many tasks or members must settle. Under schema V1, fire-and-forget members do not count."""
    waiting = sum(not member.is_open for member in members)
    match action:
        case WhenAll():
            return waiting
        case WhenAny():
            return min(1, waiting)
        case SignalEntity() | ReleaseEntities() | ContinueAsNewAction() | UnknownAction():
            return 0
        case _:
            return 1


class GatedAction(NamedTuple):
    """A top-level action that has not begun, and the event during which the code requested it."""

    gate: Gate
    requested_at: int


class Gates:
    """The top-level actions of one execution, in order: those that have not begun, and the one that the next waits for.

    When `are_kept` is false, an action begins as soon as the code requests it.
    """

    def __init__(self, *, are_kept: bool) -> None:
        self.are_kept = are_kept
        self._last: Gate | None = None
        self._held: deque[GatedAction] = deque()

    @property
    def closed(self) -> Gate | None:
        """The closed gate that holds back everything that follows, including the end of the code, or None."""
        return self._last if self.are_kept and self._last is not None and not self._last.is_open else None

    def add(self, gate: Gate, requested_at: int) -> None:
        self._held.append(GatedAction(gate, requested_at))

    def begin_next(self, now: int) -> Gate | None:
        """Begin the next action if it may begin now. For the extension it begins when the previous gate opened."""
        if not self._held or self.closed is not None:
            return None
        before, self._last = self._last, self._held.popleft().gate
        if self.are_kept and before is not None:
            self._last.begin_after(before)
        else:
            self._last.begin(now)
        return self._last

    def held(self, since: int) -> GatedAction | None:
        """Return the first held action that the code requested at `since` (index of an event) or later."""
        return next((one for one in self._held if one.requested_at >= since), None)

    def holds(self, number: int) -> bool:
        """True when the action with this number is held back."""
        return any(leaf.number == number for one in self._held for leaf in one.gate.leaves())
