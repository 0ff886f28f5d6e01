"""Finds the shortest list of faults with which a test still fails.

Delta debugging (Zeller and Hildebrandt, "Simplifying and Isolating Failure-Inducing Input") leaves a list from which no
single fault can be removed. Then shorter combinations of all faults are tried, so that the result is the shortest one
if the limit allows it.
"""

from collections.abc import Callable, Collection, Sequence
from itertools import combinations, pairwise
from math import comb

import msgspec

from durable_host.chaos.fault import Fault

__tracebackhide__ = True

Try = Callable[[Sequence[Fault]], Collection[Fault] | None]
"""Runs the test with exactly these faults. Returns those that happened if the test fails, and None if it passes."""

_MOST_COMBINATIONS = 200


class Shrunk(msgspec.Struct, frozen=True, kw_only=True):
    """`faults` still make the test fail. `is_shortest` is false if the limit ended the search."""

    faults: tuple[Fault, ...]
    tries: int
    is_shortest: bool


class _LimitReached(Exception):
    pass


def shortest_schedule(faults: Sequence[Fault], attempt: Try, may_continue: Callable[[], bool]) -> Shrunk:
    """Shrink `faults`, with which the test has failed, while `may_continue`. The order of the faults is kept."""
    return _Shrinking(faults, attempt, may_continue).run()


class _Shrinking:
    def __init__(self, faults: Sequence[Fault], attempt: Try, may_continue: Callable[[], bool]) -> None:
        self._all = tuple(faults)
        self._best = self._all
        self._attempt = attempt
        self._may_continue = may_continue
        self._passed: set[frozenset[Fault]] = set()
        self._tries = 0

    def run(self) -> Shrunk:
        try:
            is_shortest = self._still_fails(()) or self._search()
        except _LimitReached:
            is_shortest = False
        return Shrunk(faults=self._best, tries=self._tries, is_shortest=is_shortest)

    def _search(self) -> bool:
        self._remove_parts()
        return self._look_for_shorter()

    def _remove_parts(self) -> None:
        """Remove ever smaller parts of the list, until no single fault can be removed."""
        parts = 2
        while len(self._best) > 1:
            pieces = _pieces(self._best, parts)
            if any(self._still_fails(piece) for piece in pieces):
                parts = 2
            elif parts > 2 and any(self._still_fails(_without(self._best, piece)) for piece in pieces):
                parts = max(parts - 1, 2)
            elif parts < len(self._best):
                parts = min(parts * 2, len(self._best))
            else:
                return

    def _look_for_shorter(self) -> bool:
        """Try all combinations that are shorter than the best list. Returns False if there are too many of them."""
        size = 1
        while size < len(self._best):
            if comb(len(self._all), size) > _MOST_COMBINATIONS:
                return False
            if any(self._still_fails(some) for some in combinations(self._all, size)):
                return True
            size += 1
        return True

    def _still_fails(self, faults: Sequence[Fault]) -> bool:
        """Whether the test fails with these faults, which are then the best list, as far as they happened."""
        key = frozenset(faults)
        if key in self._passed or len(faults) >= len(self._best) > 0:
            return False
        if not self._may_continue():
            raise _LimitReached
        self._tries += 1
        happened = self._attempt(faults)
        if happened is None:
            self._passed.add(key)
            return False
        self._best = tuple(fault for fault in faults if fault in happened)
        return True


def _pieces(faults: Sequence[Fault], count: int) -> list[Sequence[Fault]]:
    """Cut the list into `count` pieces of about the same length."""
    ends = [len(faults) * number // count for number in range(count + 1)]
    return [faults[start:end] for start, end in pairwise(ends)]


def _without(faults: Sequence[Fault], piece: Sequence[Fault]) -> Sequence[Fault]:
    return [fault for fault in faults if fault not in piece]
