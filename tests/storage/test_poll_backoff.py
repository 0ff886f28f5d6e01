"""Pauses between polls of an idle queue."""

from itertools import pairwise

import pytest

from durable_host.storage import PollBackoff


@pytest.mark.parametrize(
    ("shortest", "immediate", "first_pauses"),
    [(0.05, 1, [0.0, 0.05]), (0.1, 0, [0.1])],
    ids=["queues of a task hub", "queue triggers"],
)
def test_pauses_grow_to_the_longest_and_start_again_after_work(
    shortest: float, immediate: int, first_pauses: list[float]
) -> None:
    backoff = PollBackoff(shortest, 2.0, immediate)
    pauses = [backoff.after_empty_poll() for _ in range(200)]
    assert pauses[: len(first_pauses)] == first_pauses
    assert pauses[-1] == 2.0
    assert all(earlier <= later for earlier, later in pairwise(pauses))
    backoff.reset()
    assert backoff.after_empty_poll() == first_pauses[0]


def test_the_longest_pause_is_the_limit_even_of_the_shortest_one() -> None:
    backoff = PollBackoff(0.1, 0.04)
    assert [backoff.after_empty_poll() for _ in range(3)] == [0.04] * 3


@pytest.mark.parametrize("doublings", range(5))
def test_each_pause_is_twice_as_long_give_or_take_a_fifth(doublings: int) -> None:
    backoff = PollBackoff(1.0, 1000.0)
    pauses = [backoff.after_empty_poll() for _ in range(doublings + 2)]
    assert 1 + 0.8 * 2**doublings <= pauses[-1] <= 1 + 1.2 * 2**doublings
