"""Long-lived tasks: failures are logged and restarted, and given up after too many."""

import asyncio
import logging

import pytest

from durable_host import supervision
from durable_host.supervision import Tasks, keep_running

LOG = logging.getLogger("Host.Tests")


@pytest.fixture
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The pauses that were made, without waiting for them."""
    made: list[float] = []

    async def pause(seconds: float) -> None:
        made.append(seconds)

    monkeypatch.setattr(supervision.asyncio, "sleep", pause)
    return made


class Failing:
    """A loop that fails a number of times and then ends."""

    def __init__(self, times: int) -> None:
        self.times = times
        self.begun = 0

    async def run(self) -> None:
        self.begun += 1
        if self.begun <= self.times:
            raise ZeroDivisionError(f"number {self.begun}")


async def test_a_loop_that_fails_begins_again_and_the_log_says_why(
    pauses: list[float], caplog: pytest.LogCaptureFixture
) -> None:
    loop = Failing(8)
    await keep_running("test loop", loop.run, LOG)
    assert loop.begun == 9
    assert pauses == [1, 2, 4, 8, 16, 32, 60, 60]
    assert caplog.records[0].getMessage() == (
        "The test loop failed and will restart in 1 s: ZeroDivisionError: number 1"
    )
    assert caplog.records[0].exc_info is not None


async def test_a_loop_that_fails_too_often_is_given_up(pauses: list[float]) -> None:
    loop = Failing(8)
    with pytest.raises(ZeroDivisionError, match="number 3"):
        await keep_running("test loop", loop.run, LOG, most_failures=3)
    assert pauses == [1, 2]


async def test_failures_are_forgiven_after_a_long_good_run(
    pauses: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(supervision, "FORGIVEN_AFTER", -1.0)
    loop = Failing(4)
    await keep_running("test loop", loop.run, LOG, most_failures=2)
    assert pauses == [1] * 4


async def test_a_task_that_fails_is_named_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    tasks = Tasks(LOG)
    await asyncio.wait([tasks.run("test work", Failing(1).run())])
    await asyncio.sleep(0)
    assert [record.getMessage() for record in caplog.records] == ["The test work failed: ZeroDivisionError: number 1"]


async def test_stop_ends_all_tasks(caplog: pytest.LogCaptureFixture) -> None:
    tasks = Tasks(LOG)
    waiting = [tasks.run("wait", asyncio.Event().wait()), tasks.keep_running("loop", asyncio.Event().wait)]  # pyright: ignore[reportArgumentType]
    await asyncio.sleep(0)
    await tasks.stop()
    assert all(task.cancelled() for task in waiting)
    assert not caplog.records
