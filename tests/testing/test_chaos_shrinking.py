"""Schedules of faults are shrunk to the shortest one that still fails."""

from collections.abc import Callable, Sequence
from itertools import count

import pytest

from durable_host.chaos.fault import Fault
from durable_host.testing.chaos.shrinking import shortest_schedule

pytestmark = pytest.mark.unit

FAULTS = tuple(Fault(kind="duplicate-events", target=f"event {number}") for number in range(40))


class Trial:
    """A test that fails if `fails` holds for the numbers of the faults."""

    def __init__(self, fails: Callable[[set[int]], bool]) -> None:
        self.tried: list[set[int]] = []
        self._fails = fails

    def __call__(self, faults: Sequence[Fault]) -> Sequence[Fault] | None:
        numbers = {FAULTS.index(fault) for fault in faults}
        self.tried.append(numbers)
        return faults if self._fails(numbers) else None


def numbers_of(faults: Sequence[Fault]) -> list[int]:
    return [FAULTS.index(fault) for fault in faults]


@pytest.mark.parametrize(
    ("fails", "shortest"),
    [
        (lambda faults: True, []),
        (lambda faults: 17 in faults, [17]),
        (lambda faults: 0 in faults, [0]),
        (lambda faults: 39 in faults, [39]),
        (lambda faults: {3, 31} <= faults, [3, 31]),
        (lambda faults: {3, 4, 39} <= faults, [3, 4, 39]),
        (lambda faults: len(faults & {1, 2, 38}) >= 2 or 25 in faults, [25]),
        (lambda faults: {5, 6, 7} <= faults or {20} <= faults, [20]),
    ],
)
def test_the_result_is_the_shortest_schedule_that_fails(fails: Callable[[set[int]], bool], shortest: list[int]) -> None:
    trial = Trial(fails)
    shrunk = shortest_schedule(FAULTS, trial, lambda: True)
    assert numbers_of(shrunk.faults) == shortest


def test_a_shorter_combination_is_found_where_no_single_fault_can_be_removed() -> None:
    faults = FAULTS[:10]
    trial = Trial(lambda numbers: {0, 1, 2, 3, 4} <= numbers or ({6, 9} <= numbers and not {1, 5} & numbers))
    shrunk = shortest_schedule(faults, trial, lambda: True)
    assert numbers_of(shrunk.faults) == [6, 9]
    assert shrunk.is_shortest


def test_one_fault_of_many_is_found_in_few_runs() -> None:
    trial = Trial(lambda numbers: 17 in numbers)
    shrunk = shortest_schedule(FAULTS, trial, lambda: True)
    assert shrunk.is_shortest
    assert shrunk.tries == len(trial.tried) <= 15


def test_no_combination_is_tried_twice() -> None:
    trial = Trial(lambda numbers: {3, 31} <= numbers)
    shortest_schedule(FAULTS, trial, lambda: True)
    passed = [frozenset(one) for one in trial.tried if not {3, 31} <= one]
    assert len(passed) == len(set(passed))


def test_faults_that_did_not_happen_are_dropped_at_once() -> None:
    def attempt(faults: Sequence[Fault]) -> Sequence[Fault] | None:
        """Only two of the faults can happen without the others."""
        happened = [fault for fault in faults if FAULTS.index(fault) in (8, 9)]
        return happened if FAULTS[8] in faults else None

    shrunk = shortest_schedule(FAULTS, attempt, lambda: True)
    assert numbers_of(shrunk.faults) == [8]
    assert shrunk.tries <= 5


def test_the_limit_ends_the_search_with_the_best_schedule_so_far() -> None:
    tries = count(1)
    shrunk = shortest_schedule(FAULTS, Trial(lambda numbers: 17 in numbers), lambda: next(tries) <= 4)
    assert not shrunk.is_shortest
    assert 1 < len(shrunk.faults) < len(FAULTS)
    assert 17 in numbers_of(shrunk.faults)


def test_too_many_combinations_are_not_called_the_shortest() -> None:
    trial = Trial(lambda numbers: {1, 2, 3, 4, 5} <= numbers)
    shrunk = shortest_schedule(FAULTS, trial, lambda: True)
    assert numbers_of(shrunk.faults) == [1, 2, 3, 4, 5]
    assert not shrunk.is_shortest
