"""Worker processes that die, hang, or are replaced.

Source: docs/protocol/functions-host-worker.md#worker-crashes, docs/protocol/functions-host-worker.md#time-outs
"""

import asyncio
import logging
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from loop_time import skip
from worker_apps import HEADER, RunningApp, eventually, messages, options, running, write_app

from durable_host.invocation.datum import string
from durable_host.invocation.errors import (
    AppImportFailed,
    FunctionFailed,
    FunctionTimedOut,
    InterpreterUnusable,
    WorkerLost,
    WorkerStartFailed,
)
from durable_host.invocation.pool import WorkerPool
from durable_host.invocation.requests import InvocationRequest
from durable_host.invocation.slot import CrashBudget

APP = """
import asyncio, collections, ctypes, os, sys, threading, time
STARTED = collections.defaultdict(threading.Event)

@app.generic_trigger("g", type="someTrigger")
def pid(g): return os.getpid()

@app.generic_trigger("g", type="someTrigger")
def dies(g):
    print("last words", file=sys.stderr)
    os._exit(3)

@app.generic_trigger("g", type="someTrigger")
def segfaults(g):
    ctypes.string_at(0)

@app.generic_trigger("g", type="someTrigger")
def hangs(g):
    STARTED["hangs"].set()
    threading.Event().wait()

@app.generic_trigger("g", type="someTrigger")
async def blocks(g):
    STARTED["blocks"].set()
    threading.Event().wait()

@app.generic_trigger("g", type="someTrigger")
def wait_started(g):
    return str(STARTED[g].wait(20))

@app.generic_trigger("g", type="someTrigger")
async def sleeps(g):
    STARTED["sleeps"].set()
    try:
        await asyncio.sleep(600)
    finally:
        print("cleaned up")

@app.generic_trigger("g", type="someTrigger")
async def stubborn(g):
    STARTED["stubborn"].set()
    while True:
        try:
            await asyncio.sleep(600)
        except asyncio.CancelledError:
            pass
"""


async def started(app: RunningApp, function: str) -> None:
    """Until the function runs."""
    assert await app.text("wait_started", string(function)) == "True"


async def takes_too_long(app: RunningApp, function: str, **options: Any) -> BaseException | None:
    """What a call fails with that is still running when its time is up."""
    call = asyncio.create_task(app.call(function, timeout=60, **options))
    await started(app, function)
    skip(60)
    await asyncio.wait((call,))
    return call.exception()


async def new_pid(app: RunningApp, old: str | None) -> str | None:
    pid = await app.text("pid")
    assert pid != old
    return pid


async def test_crash_fails_the_running_calls_and_a_new_worker_takes_over(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
):
    async with running(tmp_path, APP) as app:
        old = await app.text("pid")
        hanging = asyncio.create_task(app.call("hangs"))
        await started(app, "hangs")
        with pytest.raises(WorkerLost) as lost:
            await app.call("dies")
        assert "code 3 (0x3)" in lost.value.message
        assert "last words" in (lost.value.cause or "")
        with pytest.raises(WorkerLost):
            await hanging
        await new_pid(app, old)
    [error] = messages(caplog, "Host.Worker", logging.ERROR)
    assert f"{sys.executable} exited with code 3 (0x3)" in error
    assert "last words" in error


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals")
async def test_signal_and_stack_of_a_segmentation_fault_are_reported(tmp_path: Path):
    async with running(tmp_path, APP) as app:
        with pytest.raises(WorkerLost) as lost:
            await app.call("segfaults")
        assert "signal 11 (SIGSEGV)" in lost.value.message
        assert "in segfaults" in (lost.value.cause or "")


@pytest.mark.parametrize("signal", [2, 15])
@pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals")
async def test_signals_meant_for_the_host_do_not_end_the_worker(tmp_path: Path, signal: int):
    async with running(tmp_path, APP) as app:
        pid = await app.text("pid")
        os.kill(int(pid or 0), signal)
        assert await app.text("pid") == pid


CHILDREN = """
import multiprocessing, os, signal, time

def works(started):
    started.set()
    time.sleep(600)

@app.generic_trigger("g", type="someTrigger")
def ends_child(g):
    fork = multiprocessing.get_context("fork")
    started = fork.Event()
    child = fork.Process(target=works, args=(started,), daemon=True)
    child.start()
    started.wait()
    os.kill(child.pid, getattr(signal, g))
    child.join(20)
    code = child.exitcode
    child.kill()
    return str(code)
"""


@pytest.mark.parametrize(("signal", "code"), [("SIGTERM", "-15"), ("SIGINT", "1")])
@pytest.mark.skipif("not hasattr(__import__('os'), 'fork')")
async def test_signals_end_processes_that_user_code_forks(tmp_path: Path, signal: str, code: str):
    async with running(tmp_path, CHILDREN) as app:
        assert await app.text("ends_child", string(signal)) == code


async def test_worker_ends_when_the_host_goes_away_even_if_user_code_hangs(tmp_path: Path):
    pool = WorkerPool(options(write_app(tmp_path, APP)))
    app = RunningApp(pool, await pool.start())
    hanging = asyncio.create_task(app.call("hangs"))
    await started(app, "hangs")
    [process] = pool.current.processes()
    assert process._stdin is not None
    process._stdin.close()
    async with asyncio.timeout(30):
        assert await process.exited == 0
    with pytest.raises(WorkerLost):
        await hanging
    await pool.stop(0)


async def test_stop_waits_for_running_calls(tmp_path: Path):
    text = """
    import asyncio

    @app.generic_trigger("g", type="someTrigger")
    async def naps(g):
        await asyncio.sleep(0.3)
        return "done"
    """
    pool = WorkerPool(options(write_app(tmp_path, text)))
    app = RunningApp(pool, await pool.start())
    call = asyncio.create_task(app.text("naps"))
    await eventually(lambda: pool.running_calls)
    await pool.stop(20)
    assert await call == "done"
    with pytest.raises(WorkerLost, match="Did not find any initialized language workers"):
        await app.call("naps")


SIGNAL = """
import asyncio, os, signal, threading, time
LOOP = asyncio.get_running_loop()

def handler(_, frame):
    if frame.f_code.co_name == "select":  # the loop would only log what is raised in one of its callbacks
        signal.signal(signal.SIGUSR1, signal.SIG_IGN)
        raise TimeoutError("of the app")

signal.signal(signal.SIGUSR1, handler)

@app.generic_trigger("g", type="someTrigger")
def ends_the_loop(g):
    while signal.getsignal(signal.SIGUSR1) is handler or LOOP.is_running():
        os.kill(os.getpid(), signal.SIGUSR1)
        time.sleep(0.01)
    time.sleep(0.3)
    return "finished"
"""


@pytest.mark.skipif(os.name == "nt", reason="needs SIGUSR1")
async def test_running_call_finishes_when_a_signal_handler_of_the_app_ends_the_worker(tmp_path: Path):
    async with running(tmp_path, {"function_app.py": HEADER + SIGNAL}) as app:
        assert await app.text("ends_the_loop", string("")) == "finished"


INTERRUPTED = """
import asyncio, os

def interrupt(loop, coroutine, **_):
    loop.set_task_factory(None)
    coroutine.close()
    raise KeyboardInterrupt

@app.generic_trigger("g", type="someTrigger")
async def interrupts_next(g):
    asyncio.get_running_loop().set_task_factory(interrupt)
    return os.getpid()

@app.generic_trigger("g", type="someTrigger")
async def answers(g):
    return "answered"
"""


@pytest.mark.skipif(os.name == "nt", reason="needs SIGSTOP")
async def test_interruption_of_one_call_does_not_affect_calls_that_arrive_with_it(tmp_path: Path):
    pool = WorkerPool(options(write_app(tmp_path, INTERRUPTED)))
    app = RunningApp(pool, await pool.start())
    pid = int(await app.text("interrupts_next") or "")
    os.kill(pid, signal.SIGSTOP)  # so that the worker finds all calls in the pipe
    try:
        calls = [asyncio.create_task(app.text("answers")) for _ in range(20)]
        await eventually(lambda: pool.running_calls == len(calls))
    finally:
        os.kill(pid, signal.SIGCONT)
    async with asyncio.timeout(30):
        assert await asyncio.gather(*calls[1:]) == ["answered"] * (len(calls) - 1)
    await pool.stop(0)
    with pytest.raises(WorkerLost):
        await calls[0]


async def test_a_worker_whose_loop_is_blocked_is_stopped_without_ado(tmp_path: Path, caplog: pytest.LogCaptureFixture):
    pool = WorkerPool(options(write_app(tmp_path, APP)))
    app = RunningApp(pool, await pool.start())
    blocking = asyncio.create_task(app.call("blocks"))
    await started(app, "blocks")
    await pool.stop(0)
    with pytest.raises(WorkerLost):
        await blocking
    assert not [text for text in messages(caplog, "Host.Worker") if "ASGI" in text]


async def test_async_call_that_takes_too_long_is_cancelled_and_the_worker_lives(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
):
    caplog.set_level(logging.INFO)
    async with running(tmp_path, APP) as app:
        pid = await app.text("pid")
        failure = await takes_too_long(app, "sleeps", invocation_id="slow")
        assert isinstance(failure, FunctionTimedOut)
        assert str(failure) == (
            "FunctionTimeoutException: Timeout value of 00:01:00 was exceeded by function: Functions.sleeps"
        )
        await eventually(lambda: "cleaned up" in messages(caplog, "Host.Function.Console"))
        assert await app.text("pid") == pid
    assert messages(caplog, "Host.Worker", logging.ERROR) == [
        "Timeout value of 00:01:00 exceeded by function 'Functions.sleeps' (Id: 'slow'). Initiating cancellation."
    ]


@pytest.mark.parametrize("function", ["hangs", "stubborn"])
async def test_call_that_cannot_be_cancelled_costs_its_worker(
    tmp_path: Path, function: str, caplog: pytest.LogCaptureFixture
):
    async with running(tmp_path, APP) as app:
        old = await app.text("pid")
        other = asyncio.create_task(app.call("sleeps"))
        assert isinstance(await takes_too_long(app, function, invocation_id="slow"), FunctionTimedOut)
        with pytest.raises(WorkerLost):
            await other
        await new_pid(app, old)
    assert "A function timeout has occurred. Restarting worker process executing invocationId 'slow'." in messages(
        caplog, "Host.Worker"
    )


async def test_call_that_is_cancelled_before_its_first_step_is_answered(tmp_path: Path):
    async with running(tmp_path, APP) as app:
        [process] = app.pool.current.processes()
        request = InvocationRequest(function="sleeps", invocation_id="c", inputs={"g": string("")})

        async def cancel() -> None:
            process.send({"k": "cancel", "i": "c"})

        answer, _ = await asyncio.gather(process.invoke(request), cancel(), return_exceptions=True)
        assert isinstance(answer, FunctionFailed)
        assert str(answer) == "CancelledError: the host abandoned the invocation"
        assert await process.wait_ended("c", 20)
        assert await app.text("pid") == str(process.pid)


@pytest.mark.parametrize("blocks_loop", [False, True])
async def test_call_that_takes_too_long_to_get_a_thread_does_not_cost_the_worker(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, blocks_loop: bool
):
    async with running(tmp_path, APP, settings={"PYTHON_THREADPOOL_THREAD_COUNT": "1"}) as app:
        [process] = app.pool.current.processes()
        running_calls = [asyncio.create_task(app.call("hangs"))]
        if blocks_loop:
            running_calls.append(asyncio.create_task(app.call("blocks")))
        await eventually(lambda: process.running_calls == len(running_calls))
        with pytest.raises(FunctionTimedOut):
            await app.call("pid", timeout=0.1, invocation_id="waits")
        await eventually(lambda: not process.overdue_calls)
        assert process.running_calls == len(running_calls)
        assert app.pool.current.processes() == [process]
        process.kill()
        await asyncio.gather(*running_calls, return_exceptions=True)
    assert not [text for text in messages(caplog, "Host.Worker") if "Restarting worker process" in text]


async def test_a_worker_that_is_about_to_be_ended_gets_no_more_calls(tmp_path: Path):
    async with running(tmp_path, APP) as app:
        old = await app.text("pid")
        assert isinstance(await takes_too_long(app, "hangs"), FunctionTimedOut)
        await new_pid(app, old)


async def test_time_outs_count_as_no_crashes(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("durable_host.invocation.pool.TIMEOUT_GRACE", 0.0)
    async with running(tmp_path, APP) as app:
        for _ in range(4):
            old = await app.text("pid")
            other = asyncio.create_task(app.call("sleeps"))
            assert isinstance(await takes_too_long(app, "hangs"), FunctionTimedOut)
            with pytest.raises(WorkerLost, match="another function in it did not finish in time"):
                await other
            await new_pid(app, old)
    assert not [text for text in messages(caplog, "Host.Worker") if "keeps dying" in text or "exited with" in text]


async def test_calls_go_round_the_processes_and_sessions_stay(tmp_path: Path):
    async with running(tmp_path, APP, process_count=3) as app:
        await eventually(lambda: len(app.pool.pids) == 3)
        assert len({await app.text("pid") for _ in range(3)}) == 3
        for key in ("a", "b", "c"):
            picked = {(await app.pool._pick(key)).pid for _ in range(5)}
            assert len(picked) == 1
        assert len({(await app.pool._pick(f"k{number}")).pid for number in range(50)}) == 3


@pytest.mark.parametrize("failure", ["os._exit(9)", "1 / 0"])
async def test_further_worker_that_fails_its_first_start_is_tried_again(tmp_path: Path, failure: str):
    text = f"""
    import os, pathlib
    loads = pathlib.Path("loads")
    with loads.open("a") as file:
        file.write(".")
    if len(loads.read_text()) == 2:
        {failure}

    @app.generic_trigger("g", type="someTrigger")
    def pid(g): return os.getpid()
    """
    async with running(tmp_path, text, process_count=3) as app:
        await eventually(lambda: len(app.pool.pids) == 3)
        assert len({await app.text("pid") for _ in range(6)}) == 3


async def test_a_lost_call_says_how_the_worker_died_and_whether_it_was_alone_in_it(tmp_path: Path):
    async with running(tmp_path, APP) as app:
        with pytest.raises(WorkerLost) as lost:
            await app.call("dies")
        assert (lost.value.ending, lost.value.was_alone) == ("code 3 (0x3)", True)
        bystander = asyncio.create_task(app.call("hangs"))
        await started(app, "hangs")
        for call in (app.call("dies"), bystander):
            with pytest.raises(WorkerLost) as lost:
                await call
            assert (lost.value.ending, lost.value.was_alone) == ("code 3 (0x3)", False)


async def test_a_call_may_have_a_worker_process_to_itself(tmp_path: Path):
    async with running(tmp_path, APP) as app:
        bystander = asyncio.create_task(app.call("sleeps"))
        async with app.pool.alone() as workers:
            [process] = workers.processes()
            assert process.pid not in app.pool.pids
            assert process.pid in app.pool.all_pids
            request = InvocationRequest(function="dies", invocation_id="d", inputs={"g": string("")})
            with pytest.raises(WorkerLost) as lost:
                await app.pool.invoke(request, workers=workers)
            assert lost.value.was_alone
        assert set(app.pool.all_pids) == set(app.pool.pids)
        assert not bystander.done()
        bystander.cancel()


async def test_a_worker_whose_watch_fails_is_replaced_all_the_same(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("durable_host.supervision.SHORTEST_PAUSE", 0.0)
    async with running(tmp_path, APP) as app:
        old = await app.text("pid")
        monkeypatch.setattr("durable_host.invocation.slot.describe_exit", lambda _: 1 / 0)
        with pytest.raises(WorkerLost):
            await app.call("dies")
        await new_pid(app, old)
    assert [text for text in messages(caplog, "Host.Worker", logging.ERROR) if "monitoring of a worker" in text]


async def test_reload_runs_new_code_and_lets_old_calls_finish(tmp_path: Path):
    async with running(tmp_path, RELOAD.format(answer="old")) as app:
        waiting = asyncio.create_task(app.text("waits"))
        await eventually(lambda: app.pool.running_calls)
        assert await app.text("waiting") == "yes"
        write_app(tmp_path, RELOAD.format(answer="new"))
        assert (await app.pool.reload()).failure is None
        assert await app.text("answer") == "new"
        assert not waiting.done()
        (tmp_path / "go").touch()
        assert await waiting == "old"


RELOAD = """
import asyncio, os
ENTERED = asyncio.Event()

@app.generic_trigger("g", type="someTrigger")
def answer(g): return "{answer}"

@app.generic_trigger("g", type="someTrigger")
async def waits(g):
    ENTERED.set()
    while not os.path.exists("go"):
        await asyncio.sleep(0.01)
    return "{answer}"

@app.generic_trigger("g", type="someTrigger")
async def waiting(g):
    await ENTERED.wait()
    return "yes"
"""


async def test_reload_of_an_app_that_does_not_load_keeps_the_old_code(tmp_path: Path):
    async with running(tmp_path, RELOAD.format(answer="old")) as app:
        pids = app.pool.pids
        write_app(tmp_path, {"function_app.py": HEADER + "1 / 0"})
        assert isinstance((await app.pool.reload()).failure, AppImportFailed)
        assert app.pool.pids == pids
        assert await app.text("answer") == "old"


async def test_app_that_kills_the_worker_while_it_loads(tmp_path: Path):
    text = "import os, sys\nprint('oh no', file=sys.stderr)\nos._exit(9)\n"
    pool = WorkerPool(options(write_app(tmp_path, {"function_app.py": text})))
    with pytest.raises(WorkerStartFailed) as failure:
        await pool.start()
    assert "code 9 (0x9)" in failure.value.message
    assert "oh no" in (failure.value.cause or "")
    await pool.stop(0)


async def test_an_app_that_takes_long_to_load_is_reported(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("durable_host.invocation.slot.STILL_LOADING_AFTER", 0.05)
    monkeypatch.setattr("durable_host.invocation.worker_process.START_SECONDS", 0.1)
    root = write_app(tmp_path, "import threading\nthreading.Event().wait()\n")
    with pytest.raises(WorkerStartFailed, match="has not loaded within"):
        await WorkerPool(options(root)).start()
    [told] = messages(caplog, "Host.Worker", logging.WARNING)
    assert "its top-level code is still running" in told


async def test_program_that_is_not_python_is_an_error(tmp_path: Path):
    pool = WorkerPool(options(tmp_path, executable=Path("/no/such/python")))
    with pytest.raises(InterpreterUnusable, match="cannot be started"):
        await pool.start()


def test_waits_between_restarts_grow_and_the_alarm_is_given_once():
    budget = CrashBudget(1)
    told = [budget.crashed() for _ in range(12)]
    assert [wait for wait, _ in told[:4]] == [0.25, 0.5, 1.0, 2.0]
    assert told[-1][0] == 30.0
    assert [used_up for _, used_up in told].count(True) == 1
    assert told[3][1]


@pytest.mark.skipif(sys.platform == "win32", reason="process groups")
async def test_programs_that_the_app_started_end_with_a_worker_that_dies(tmp_path: Path):
    text = """
    import os, subprocess
    @app.generic_trigger("g", type="someTrigger")
    def dies(g):
        child = subprocess.Popen(["sleep", "600"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        open("child", "w").write(str(child.pid))
        os._exit(3)
    """
    async with running(tmp_path, text) as app:
        with pytest.raises(WorkerLost):
            await app.call("dies")
        await eventually(lambda: not _is_running(_number_in(tmp_path, "child")))


def _number_in(folder: Path, name: str) -> int:
    [path] = folder.rglob(name)
    return int(path.read_text())


def _is_running(pid: int) -> bool:
    found = subprocess.run(["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True, check=False)
    return bool(found.stdout.strip()) and not found.stdout.startswith("Z")


def test_a_call_that_ends_its_worker_again_and_again_does_not_keep_the_others_waiting():
    budget = CrashBudget(1)
    assert [budget.crashed(in_calls=True)[0] for _ in range(6)] == [0.25, 0.5, 1.0, 2.0, 2.0, 2.0]
    assert budget.crashed()[0] == 16.0


async def test_a_worker_knows_whether_it_died_in_a_call(tmp_path: Path):
    async with running(tmp_path, APP) as app:
        [slot] = app.pool.current._slots
        process = slot.process
        with pytest.raises(WorkerLost):
            await app.call("dies")
        assert process.ended_in_calls
        await eventually(lambda: app.pool.pids)
        process = slot.process
        process.kill()
        await process.exited
        assert not process.ended_in_calls


async def test_large_values_both_ways_do_not_jam_the_pipes(tmp_path: Path):
    text = '@app.generic_trigger("g", type="someTrigger")\ndef echo(g): return g + g\n'
    async with running(tmp_path, text) as app:
        parts = [str(number) * 400_000 for number in range(8)]
        assert await asyncio.gather(*(app.text("echo", string(part)) for part in parts)) == [part * 2 for part in parts]
