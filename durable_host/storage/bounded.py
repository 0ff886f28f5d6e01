"""Runs one coroutine per item, a few at a time."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from typing import TypeVar

Item = TypeVar("Item")


async def for_each(items: Iterable[Item], action: Callable[[Item], Awaitable[object]], limit: int) -> None:
    """Run `action` for every item in order, at most `limit` at the same time.

    After the first exception, no more items are started; it is raised when the running ones have ended.
    """
    waiting = iter(items)
    failures: list[Exception] = []

    async def work() -> None:
        for item in waiting:
            try:
                await action(item)
            except Exception as failure:
                failures.append(failure)
            if failures:
                return

    first = next(waiting, None)
    if first is None:
        return
    second = next(waiting, None)
    if second is None:
        await action(first)
        return
    rest = waiting
    waiting = iter([first, second, *rest])
    async with asyncio.TaskGroup() as group:
        for _ in range(limit):
            group.create_task(work())
    if failures:
        raise failures[0]
