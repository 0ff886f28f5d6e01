"""Time limits that share a timer."""

import asyncio

import pytest
from loop_time import skip

from durable_host.invocation.time_limits import TimeLimits

LIMIT = 60.0


async def waiting(limits: TimeLimits, seconds: float = LIMIT, until: asyncio.Event | None = None) -> str:
    with limits.limit(seconds):
        await (until or asyncio.Event()).wait()
    return "in time"


async def begun(*calls: "asyncio.Task[str]") -> None:
    """Let these tasks reach what they wait for."""
    for _ in calls:
        await asyncio.sleep(0)


async def test_a_call_that_ends_in_time_has_its_result() -> None:
    limits, until = TimeLimits(), asyncio.Event()
    call = asyncio.create_task(waiting(limits, until=until))
    await begun(call)
    until.set()
    assert await call == "in time"


async def test_a_call_that_takes_longer_raises_a_timeout() -> None:
    call = asyncio.create_task(waiting(TimeLimits()))
    await begun(call)
    skip(LIMIT)
    with pytest.raises(TimeoutError):
        await call


async def test_a_later_call_keeps_its_own_end() -> None:
    limits, until = TimeLimits(), asyncio.Event()
    first = asyncio.create_task(waiting(limits))
    await begun(first)
    skip(LIMIT / 2)
    second = asyncio.create_task(waiting(limits, until=until))
    await begun(second)
    skip(LIMIT / 2)
    with pytest.raises(TimeoutError):
        await first
    until.set()
    assert await second == "in time"


async def test_a_later_call_ends_when_its_time_is_over() -> None:
    limits, until = TimeLimits(), asyncio.Event()
    first = asyncio.create_task(waiting(limits, until=until))
    await begun(first)
    skip(LIMIT / 2)
    second = asyncio.create_task(waiting(limits))
    await begun(second)
    until.set()
    await first
    skip(LIMIT)
    with pytest.raises(TimeoutError):
        await second


async def test_a_short_limit_ends_before_a_long_one_that_began_first() -> None:
    limits, until = TimeLimits(), asyncio.Event()
    long = asyncio.create_task(waiting(limits, LIMIT, until))
    short = asyncio.create_task(waiting(limits, 1.0))
    await begun(long, short)
    skip(1.0)
    with pytest.raises(TimeoutError):
        await short
    until.set()
    assert await long == "in time"


async def test_a_limit_can_be_used_again_after_all_its_calls_have_ended() -> None:
    limits = TimeLimits()
    for _ in range(2):
        call = asyncio.create_task(waiting(limits))
        await begun(call)
        skip(LIMIT)
        with pytest.raises(TimeoutError):
            await call


async def test_a_caller_that_is_cancelled_gets_no_timeout() -> None:
    call = asyncio.create_task(waiting(TimeLimits()))
    await begun(call)
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call


async def test_a_caller_that_is_cancelled_at_the_limit_stays_cancelled() -> None:
    call = asyncio.create_task(waiting(TimeLimits()))
    await begun(call)
    skip(LIMIT)
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call


async def test_an_error_in_the_block_passes_through() -> None:
    with pytest.raises(KeyError), TimeLimits().limit(LIMIT):
        raise KeyError
