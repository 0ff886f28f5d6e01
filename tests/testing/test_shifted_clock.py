"""The clock of a live host: that of the machine, set forward by jumps."""

import asyncio

from durable_host.clock import SystemClock
from durable_host.testing.live.shifted_clock import ShiftedClock
from durable_host.timestamp import TICKS_PER_SECOND

HOUR = 3600 * TICKS_PER_SECOND


async def test_it_is_the_time_of_the_machine_until_it_jumps() -> None:
    clock = ShiftedClock()
    before = SystemClock().now()
    assert before <= clock.now() <= SystemClock().now()
    target = clock.now() + HOUR
    clock.jump_to(target)
    assert target <= clock.now() < target + HOUR


async def test_it_never_goes_back() -> None:
    clock = ShiftedClock()
    clock.jump_to(clock.now() + HOUR)
    before = clock.now()
    clock.jump_to(before - HOUR)
    assert clock.now() >= before


async def test_a_jump_wakes_the_sleepers_whose_time_has_come() -> None:
    clock = ShiftedClock()
    begin = clock.now()
    first = asyncio.create_task(clock.sleep_until(begin + HOUR))
    second = asyncio.create_task(clock.sleep(7200))
    await asyncio.sleep(0)
    assert clock.next_due == begin + HOUR
    clock.jump_to(begin + HOUR)
    await first
    assert not second.done()
    due = clock.next_due
    assert due is not None
    assert due > begin + HOUR
    clock.jump_to(due)
    await second
    assert clock.next_due is None


async def test_a_sleeper_wakes_without_a_jump_too() -> None:
    clock = ShiftedClock()
    due = clock.now() + TICKS_PER_SECOND // 1000
    await clock.sleep_until(due)
    assert clock.now() >= due


async def test_a_cancelled_sleeper_is_forgotten() -> None:
    clock = ShiftedClock()
    sleeper = asyncio.create_task(clock.sleep(60))
    await asyncio.sleep(0)
    sleeper.cancel()
    await asyncio.gather(sleeper, return_exceptions=True)
    assert clock.next_due is None
