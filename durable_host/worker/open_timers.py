"""Timers that user code can still cancel: the SDK marks this in an action that was reported earlier."""

from __future__ import annotations

from typing import Any

CREATE_TIMER = 5


class OpenTimers:
    """The open timers of a session, by the number of the top-level action and the index among its leaves."""

    def __init__(self) -> None:
        self._timers: dict[int, tuple[Any, int, int]] = {}

    def created(self, action: Any, number: int) -> None:
        """Record a reported top-level action."""
        for leaf, child in enumerate(_leaves(action)):
            if getattr(child, "action_type", None) == CREATE_TIMER and not child.is_cancelled:
                self._timers[id(child)] = (child, number, leaf)

    def fired(self, task: Any) -> None:
        """Record that a timer has fired. It can no longer be cancelled; an earlier cancellation is still reported."""
        timer = getattr(task, "action_repr", None)
        if not getattr(timer, "is_cancelled", False):
            self._timers.pop(id(timer), None)

    def canceled(self) -> list[list[int]]:
        """The timers that user code has cancelled since the last call, as `[number, leaf]`."""
        found = [(key, number, leaf) for key, (timer, number, leaf) in self._timers.items() if timer.is_cancelled]
        for key, _, _ in found:
            del self._timers[key]
        return [[number, leaf] for _, number, leaf in found]


def _leaves(action: Any) -> list[Any]:
    """The actions inside compound actions, depth first."""
    children = getattr(action, "compound_tasks", None)
    if children is None:
        return [action]
    return [leaf for child in children for leaf in _leaves(child)]
