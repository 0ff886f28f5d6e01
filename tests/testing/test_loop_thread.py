"""The event loop that tests call from their own threads."""

import asyncio

import pytest

from durable_host.testing.loop_thread import LoopThread

pytestmark = pytest.mark.unit


def test_a_closed_loop_runs_nothing_and_may_be_closed_again() -> None:
    thread = LoopThread("test")
    assert thread.run(asyncio.sleep(0, "done")) == "done"
    thread.close()
    thread.close()
    with pytest.raises(RuntimeError, match=r"The app is closed\."):
        thread.run(asyncio.sleep(0))


def test_closing_ends_the_tasks_that_run() -> None:
    thread = LoopThread("test")
    ended: list[str] = []

    async def begin() -> asyncio.Task[None]:
        return asyncio.create_task(last())

    async def last() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.append("ended")

    task = thread.run(begin())
    thread.run(asyncio.sleep(0))
    thread.close()
    assert (ended, task.cancelled()) == (["ended"], True)
