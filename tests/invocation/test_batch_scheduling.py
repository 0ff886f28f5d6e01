"""The policy under which a worker runs while it has many calls."""

import asyncio
import os
import subprocess
import sys
from pathlib import Path

import forked_workers
import pytest
from worker_apps import eventually, running

from durable_host.invocation import batch_scheduling
from durable_host.invocation.batch_scheduling import MANY, BatchScheduling

IS_USUAL = sys.platform == "linux" and os.sched_getscheduler(0) == os.SCHED_OTHER

pytestmark = [pytest.mark.process, pytest.mark.skipif(not IS_USUAL, reason="Linux's usual policy is needed")]

APP = """
import asyncio, os

ALL = None

@app.generic_trigger("g", type="someTrigger")
async def loop_policy(g): return str(os.sched_getscheduler(os.getpid()))

@app.generic_trigger("g", type="someTrigger")
async def meet(g):
    global ALL
    ALL = ALL or asyncio.Barrier(%d)
    await ALL.wait()
    return "met"

@app.generic_trigger("g", type="someTrigger")
def thread_policy(g): return str(os.sched_getscheduler(0))
"""

BATCH, USUAL = (str(os.SCHED_BATCH), str(os.SCHED_OTHER)) if sys.platform == "linux" else ("", "")


def policy(pid: int) -> str:
    return str(os.sched_getscheduler(pid))


@pytest.fixture
def child() -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)


async def test_a_worker_with_many_calls_waits_for_the_host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(forked_workers, "is_on", False)
    monkeypatch.setattr(batch_scheduling, "KEPT", 3600)
    async with running(tmp_path, APP % MANY) as app:
        assert [await app.text(name) for name in ("loop_policy", "thread_policy")] == [USUAL] * 2
        assert await asyncio.gather(*(app.text("meet") for _ in range(MANY))) == ["met"] * MANY
        assert [await app.text(name) for name in ("loop_policy", "thread_policy")] == [BATCH] * 2
    assert policy(0) == USUAL


async def test_the_usual_policy_returns_after_the_last_time_of_many_calls(
    child: subprocess.Popen[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batch_scheduling, "KEPT", 0.01)
    scheduling = BatchScheduling(child.pid)
    for _ in range(2):
        scheduling.note_many_calls()
        assert policy(child.pid) == BATCH
        await eventually(lambda: policy(child.pid) == USUAL)
    child.communicate(b"\n")


async def test_many_calls_in_the_meantime_keep_the_policy(
    child: subprocess.Popen[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    policies: list[int] = []
    monkeypatch.setattr(batch_scheduling, "KEPT", 0.01)
    monkeypatch.setattr(os, "sched_setscheduler", lambda pid, policy, _: policies.append(policy))
    scheduling = BatchScheduling(child.pid)
    for _ in range(5):
        scheduling.note_many_calls()
    await eventually(lambda: len(policies) == 2)
    assert policies == [os.SCHED_BATCH, os.SCHED_OTHER]
    child.communicate(b"\n")


async def test_a_policy_that_was_chosen_stays(child: subprocess.Popen[bytes], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batch_scheduling, "KEPT", 0.01)
    for chosen in (os.SCHED_BATCH, os.SCHED_IDLE):
        os.sched_setscheduler(child.pid, chosen, os.sched_param(0))
        scheduling = BatchScheduling(child.pid)
        scheduling.note_many_calls()
        await asyncio.sleep(0.05)
        assert policy(child.pid) == str(chosen)
    child.communicate(b"\n")


async def test_a_process_that_has_ended_is_not_an_error(child: subprocess.Popen[bytes]) -> None:
    child.communicate(b"\n")
    BatchScheduling(child.pid).note_many_calls()
