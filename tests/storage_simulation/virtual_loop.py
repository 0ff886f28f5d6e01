"""An event loop whose time jumps to the next timer when nothing else can happen, and clocks that show its time.

All that runs in it is decided by the seed: there are no threads, identifiers are drawn from the seed, and sets of
tasks are iterated in the order in which the tasks were made.
"""

import asyncio
import os
import random
import time
import uuid
from collections.abc import Callable, Coroutine, Generator
from contextlib import contextmanager
from contextvars import Context, copy_context
from itertools import count
from typing import Any, TypeVar
from unittest.mock import patch

T = TypeVar("T")
_MOST_ROUNDS = 50_000
_ROUND_SECONDS = 1e-6
"""What one round of the loop takes: no machine does anything in no time."""
START = 1_714_735_845.0
"""Unix time at which every run begins: 3 May 2024."""


class NothingCanHappen(Exception):
    """Every task waits for something that no timer and no request will cause."""


class TimeStandsStill(Exception):
    """A task runs forever without waiting."""


class _Time:
    """Replaces the selector: it waits only for time, which passes immediately."""

    def __init__(self, busy: Callable[[], str]) -> None:
        self._busy = busy
        self.now = 0.0
        self._rounds = 0

    def select(self, timeout: float | None = None) -> list[Any]:
        if timeout is None:
            raise NothingCanHappen
        self.now += max(timeout, 0.0) + _ROUND_SECONDS
        if timeout > 0:
            self._rounds = 0
        else:
            self._rounds += 1
            if self._rounds > _MOST_ROUNDS:
                raise TimeStandsStill(self._busy())
        return []


class OrderedTask(asyncio.Task[Any]):
    """A task whose hash is its number, so that sets of tasks have an order that is the same in each run."""

    _numbers = count(1)

    def __init__(self, *arguments: Any, **options: Any) -> None:
        self._number = next(OrderedTask._numbers)
        super().__init__(*arguments, **options)

    def __hash__(self) -> int:
        return self._number


class VirtualLoop(asyncio.BaseEventLoop):
    """`on_task` is told of each new task and its context."""

    def __init__(self) -> None:
        super().__init__()
        self._selector = _Time(self._busy)
        self._clock_resolution = 1e-9
        self.on_task: Callable[[asyncio.Task[Any], Context], None] | None = None
        self.set_task_factory(_make_task)

    def _busy(self) -> str:
        """Where the tasks are that run forever."""
        found: set[str] = set()
        for handle in self._ready:
            task = getattr(handle._callback, "__self__", None)
            if isinstance(task, asyncio.Task) and (stack := task.get_stack(limit=1)):
                found.add(f"{task.get_name()} at {stack[0].f_code.co_qualname}, line {stack[0].f_lineno}")
            else:
                found.add(repr(handle))
        return ", ".join(sorted(found))

    def time(self) -> float:
        return self._selector.now

    def _process_events(self, events: list[Any]) -> None:
        """Do nothing: there are no events."""

    def _write_to_self(self) -> None:
        """Do nothing: no other thread calls this loop."""

    def run_in_executor(self, executor: Any, func: Any, *args: Any) -> Any:
        """Run it immediately, in this thread."""
        future = self.create_future()
        try:
            future.set_result(func(*args))
        except Exception as error:
            future.set_exception(error)
        return future


def _make_task(loop: Any, coroutine: Any, **options: Any) -> asyncio.Task[Any]:
    task = OrderedTask(coroutine, loop=loop, **options)
    if loop.on_task is not None:
        loop.on_task(task, options.get("context") or copy_context())
    return task


@contextmanager
def virtual_time(seed: int) -> Generator[VirtualLoop]:
    """A loop, and until the end of the block all clocks show its time and all identifiers come from the seed."""
    OrderedTask._numbers = count(1)
    loop = VirtualLoop()
    ids = random.Random(seed)
    random.seed(seed)
    replaced = {
        (time, "monotonic"): loop.time,
        (time, "time"): lambda: START + loop.time(),
        (time, "time_ns"): lambda: int(START) * 10**9 + round(loop.time() * 1e7) * 100,
        (uuid, "uuid4"): lambda: uuid.UUID(int=ids.getrandbits(128), version=4),
        (os, "urandom"): ids.randbytes,
    }
    patches = [patch.object(owner, name, new) for (owner, name), new in replaced.items()]
    for one in patches:
        one.start()
    try:
        yield loop
    finally:
        for one in reversed(patches):
            one.stop()
        loop.close()


def run(loop: VirtualLoop, work: Coroutine[Any, Any, T]) -> T:
    """Run `work` to its end; what is left in the loop then is cancelled."""
    asyncio.set_event_loop(loop)
    try:
        told = loop.run_until_complete(work)
        _cancel_all(loop)
        return told
    finally:
        asyncio.set_event_loop(None)


def _cancel_all(loop: VirtualLoop) -> None:
    for _ in range(20):
        left = asyncio.all_tasks(loop)
        if not left:
            return
        for task in left:
            task.cancel()
        loop.run_until_complete(asyncio.wait(left, timeout=1.0))
