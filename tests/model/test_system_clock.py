"""The machine's clock for the runtime."""

import time

import pytest

from durable_host.clock import SystemClock
from durable_host.timestamp import TICKS_PER_SECOND


@pytest.fixture
def wall(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The machine's clock, in nanoseconds."""
    reading = [1_700_000_000_000_000_000]
    monkeypatch.setattr(time, "time_ns", lambda: reading[0])
    return reading


def test_times_are_ordered_while_the_clock_stands_still_or_is_adjusted(wall: list[int]):
    clock = SystemClock()
    times = [clock.now(), clock.now()]
    wall[0] -= 500_000_000
    times += [clock.now(), clock.now()]
    assert times == sorted(set(times))


def test_a_clock_that_is_set_back_is_followed(wall: list[int]):
    clock = SystemClock()
    before = clock.now()
    wall[0] -= 3_600_000_000_000
    assert clock.now() == before - 3600 * TICKS_PER_SECOND
    assert clock.now() == before - 3600 * TICKS_PER_SECOND + 1
