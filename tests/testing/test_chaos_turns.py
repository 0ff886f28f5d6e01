"""One function at a time: turns follow one another in an order that does not depend on the machine."""

import asyncio
from collections.abc import Sequence
from contextlib import asynccontextmanager

import pytest

from durable_host.chaos.fault import Fault
from durable_host.chaos.injector import ScheduledInjector
from durable_host.testing.chaos.turns import Turns

pytestmark = pytest.mark.unit


@asynccontextmanager
async def served(faults: Sequence[Fault] = (), patience: float = 30):
    turns = Turns(ScheduledInjector(faults, lambda _: None), patience)
    serving = asyncio.create_task(turns.serve())
    try:
        yield turns
    finally:
        serving.cancel()
        await asyncio.gather(serving, return_exceptions=True)


async def run(turns: Turns, names: str, log: list[str]) -> None:
    async def function(name: str) -> None:
        async with turns.turn(name):
            log.append(f"{name} begins")
            await asyncio.sleep(0.001)
            log.append(f"{name} ends")

    await asyncio.gather(*(function(name) for name in names))


def first_last(fault: str) -> Fault:
    return Fault(kind="reorder", target=fault)


async def test_a_function_begins_when_the_one_before_has_ended():
    log: list[str] = []
    async with served() as turns:
        await run(turns, "abc", log)
    assert log == [f"{name} {what}" for name in "abc" for what in ("begins", "ends")]
    assert not turns.is_busy


@pytest.mark.parametrize(
    ("late", "order"), [("a", "bcda"), ("b", "acdb"), ("d", "abcd"), ("ab", "cdab"), ("abcd", "abcd")]
)
async def test_a_function_that_is_reordered_comes_after_all_that_are_ready(late: str, order: str):
    log: list[str] = []
    async with served([first_last(name) for name in late]) as turns:
        await run(turns, "abcd", log)
    assert [line[0] for line in log if "begins" in line] == list(order)


async def test_a_function_that_fails_ends_its_turn():
    async with served() as turns:
        with pytest.raises(ValueError, match="no"):
            async with turns.turn("a"):
                raise ValueError("no")
        async with turns.turn("b"):
            pass


async def test_a_function_that_is_cancelled_before_its_turn_does_not_get_one():
    async with served() as turns:
        async with turns.turn("a"):
            waiting = asyncio.create_task(run(turns, "b", []))
            await asyncio.sleep(0.001)
            waiting.cancel()
            await asyncio.gather(waiting, return_exceptions=True)
        assert not turns.is_busy
        async with turns.turn("c"):
            assert turns.is_busy


async def test_a_function_that_waits_for_another_one_does_not_wait_forever():
    async with served(patience=0.01) as turns, turns.turn("outer"), turns.turn("inner"):
        pass
