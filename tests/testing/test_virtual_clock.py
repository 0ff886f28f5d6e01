"""Virtual time."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from durable_host import timestamp
from durable_host.testing import VirtualClock
from durable_host.timestamp import TICKS_PER_SECOND


async def test_time_stands_still():
    clock = VirtualClock(datetime(2024, 5, 1, tzinfo=UTC))
    before = clock.now()
    await asyncio.sleep(0)
    assert clock.now() == before == timestamp.parse("2024-05-01T00:00:00Z")


async def test_sleepers_wake_in_order_of_their_times_each_at_its_own():
    clock = VirtualClock()
    start, woken = clock.now(), []

    async def sleeper(name: str, seconds: float):
        await clock.sleep(seconds)
        woken.append((name, (clock.now() - start) / TICKS_PER_SECOND))

    async with asyncio.TaskGroup() as group:
        for name, seconds in [("c", 30), ("a", 10), ("b", 20), ("a2", 10)]:
            group.create_task(sleeper(name, seconds))
        await clock.advance(timedelta(seconds=25))
        assert woken == [("a", 10), ("a2", 10), ("b", 20)]
        await clock.advance(5)
    assert woken[-1] == ("c", 30)
    assert clock.now() == start + 30 * TICKS_PER_SECOND


async def test_what_a_sleeper_starts_happens_before_time_continues():
    clock = VirtualClock()
    start, ticks = clock.now(), []

    async def periodic():
        for _ in range(3):
            await clock.sleep(1)
            for _ in range(5):
                await asyncio.sleep(0)
            ticks.append((clock.now() - start) // TICKS_PER_SECOND)

    task = asyncio.create_task(periodic())
    await clock.advance(10)
    assert ticks == [1, 2, 3]
    assert task.done()


async def test_no_wait_for_a_time_that_has_passed():
    clock = VirtualClock()
    await clock.sleep(0)
    await clock.sleep(-1)
    await clock.sleep_until(clock.now() - 1)


async def test_a_cancelled_sleeper_is_forgotten():
    clock = VirtualClock()
    task = asyncio.create_task(clock.sleep(5))
    await asyncio.sleep(0)
    assert clock.next_due is not None
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert clock.next_due is None


async def test_auto_advance_jumps_over_days():
    clock = VirtualClock()
    start = clock.now()
    async with clock.auto_advance(), asyncio.timeout(5):
        await asyncio.gather(clock.sleep(7 * 86400), clock.sleep(86400))
    assert clock.now() == start + 7 * 86400 * TICKS_PER_SECOND


async def test_auto_advance_waits_for_work_outside_the_loop():
    clock = VirtualClock()
    start = clock.now()
    outside = asyncio.Event()
    order = []

    async def call_into_another_thread():
        with clock.busy():
            await asyncio.to_thread(sum, range(100_000))
            await outside.wait()
            order.append("outside")

    async def timer():
        await clock.sleep(60)
        order.append("timer")

    async with clock.auto_advance(), asyncio.timeout(5), asyncio.TaskGroup() as group:
        group.create_task(call_into_another_thread())
        group.create_task(timer())
        await asyncio.to_thread(sum, range(1000))
        assert clock.now() == start
        outside.set()
    assert order == ["outside", "timer"]


async def test_several_tasks_may_wait_until_nothing_is_left_to_do():
    clock = VirtualClock()
    done: list[int] = []

    async def work():
        for number in range(50):
            await asyncio.sleep(0)
            done.append(number)

    async def settle() -> int:
        await clock.settle()
        return len(done)

    working = asyncio.create_task(work())
    assert await asyncio.wait_for(asyncio.gather(settle(), settle(), settle()), 30) == [50, 50, 50]
    await working
