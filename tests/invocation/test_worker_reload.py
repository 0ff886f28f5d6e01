"""New code next to the old code: which one runs a call.

Source: docs/protocol/functions-host-worker.md#reloading
"""

import asyncio
import os
from pathlib import Path

import pytest
from worker_apps import RunningApp, eventually, http, options, running, write_app

from durable_host.invocation.bindings import BindingRegistry
from durable_host.invocation.datum import string
from durable_host.invocation.errors import WorkerStartFailed
from durable_host.invocation.invoker import Invoker, Pipeline
from durable_host.invocation.pool import WorkerPool
from durable_host.testing import VirtualClock


def versions(number: int) -> str:
    return f"""
    import asyncio, os

    @app.generic_trigger("g", type="someTrigger")
    def version(g): return "{number} " + str(os.getpid())

    @app.generic_trigger("g", type="someTrigger")
    async def only{number}(g): return "only {number}"

    @app.generic_trigger("g", type="someTrigger")
    async def waits(g):
        while not os.path.exists(g): await asyncio.sleep(0.01)
        return "{number}"

    @app.retry("fixed_delay", "5", delay_interval="00:00:10")
    @app.generic_trigger("g", type="someTrigger")
    def mended(g):
        if {number} == 1: raise ValueError("not yet")
        return "mended"
    """


async def reloaded(app: RunningApp, root: Path, number: int) -> RunningApp:
    write_app(root, versions(number))
    index = await app.pool.reload()
    assert index.failure is None
    return RunningApp(app.pool, index)


async def test_a_running_call_ends_on_the_old_process_and_that_one_ends_with_it(tmp_path: Path) -> None:
    async with running(tmp_path, versions(1)) as app:
        [old] = app.pool.pids
        call = asyncio.create_task(app.text("waits", string("go-on")))
        await eventually(lambda: app.pool.running_calls)
        new = await reloaded(app, tmp_path, 2)
        assert (await new.text("version") or "").startswith("2 ")
        assert set(app.pool.all_pids) > {old}
        (tmp_path / "go-on").touch()
        assert await call == "1"
        await eventually(lambda: old not in app.pool.all_pids)


async def test_held_workers_run_their_own_functions_after_a_reload(tmp_path: Path) -> None:
    async with running(tmp_path, versions(1)) as app:
        invoker = Invoker(app.pool, BindingRegistry())
        with invoker.held() as workers:
            await reloaded(app, tmp_path, 2)
            outcome = await invoker.invoke(
                app.function("only1"), trigger_value=string(""), reason="test", workers=workers
            )
            assert outcome.return_value is not None
            assert outcome.return_value.as_text() == "only 1"
            assert len(app.pool.all_pids) == 2
        await eventually(lambda: len(app.pool.all_pids) == 1)


async def test_an_app_that_does_not_load_leaves_the_old_one(tmp_path: Path) -> None:
    async with running(tmp_path, versions(1)) as app:
        before = await app.text("version")
        write_app(tmp_path, "oops(")
        assert (await app.pool.reload()).failure is not None
        assert await app.text("version") == before
        assert app.pool.index.failure is None


async def test_a_retry_runs_the_function_as_it_is_now(tmp_path: Path) -> None:
    async with running(tmp_path, versions(1)) as app:
        clock = VirtualClock()
        registry = BindingRegistry()
        invoker = Invoker(app.pool, registry, functions=app.index.functions, clock=clock)
        call = asyncio.create_task(invoker.invoke(app.function("mended"), trigger_value=string(""), reason="test"))
        await eventually(lambda: invoker.waiting)
        assert invoker.running == 0
        new = await reloaded(app, tmp_path, 2)
        functions = {function.name: function for function in new.index.functions}
        invoker.adopt(Pipeline(bindings=registry, functions=functions))
        async with asyncio.timeout(30):
            while not call.done():
                await clock.advance(10)
        assert call.result().return_value is not None
        assert call.result().return_value.as_text() == "mended"  # type: ignore[union-attr]
        assert (invoker.running, invoker.waiting) == (0, 0)


async def test_other_options_reach_the_new_processes(tmp_path: Path) -> None:
    app_text = """
    import os

    @app.route("f")
    def setting(req): return os.environ.get("SETTING", "none")
    """
    async with running(tmp_path, app_text) as app:
        assert await app.text("setting", http()) == "none"
        await app.pool.reload(options(tmp_path, settings={"SETTING": "given"}, process_count=2))
        assert await app.text("setting", http()) == "given"
        await eventually(lambda: len(app.pool.pids) == 2)


async def test_stopping_ends_processes_that_are_being_loaded(tmp_path: Path) -> None:
    async with running(tmp_path, versions(1)) as app:
        write_app(
            tmp_path, "import time\nopen('loading', 'w').write(str(__import__('os').getpid()))\ntime.sleep(600)\n"
        )
        reloading = asyncio.create_task(app.pool.reload())
        await eventually(lambda: (tmp_path / "loading").exists() and (tmp_path / "loading").read_text())
        pid = int((tmp_path / "loading").read_text())
        reloading.cancel()
        await asyncio.gather(reloading, return_exceptions=True)
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)


LOADS_FOREVER = """
import os, time
with open("loading.txt", "a") as file:
    print(os.getpid(), file=file, flush=True)
while True:
    time.sleep(0.01)
"""


def loading(root: Path) -> list[int]:
    """The process that loads the app, once it does."""
    file = root / "loading.txt"
    text = file.read_text("utf-8") if file.exists() else ""
    return [int(text)] if text.endswith("\n") else []


async def test_kill_ends_a_process_that_loads_the_app(tmp_path: Path) -> None:
    pool = WorkerPool(options(write_app(tmp_path, LOADS_FOREVER)))
    starting = asyncio.create_task(pool.start())
    try:
        await eventually(lambda: loading(tmp_path))
        assert list(pool.all_pids) == loading(tmp_path)
        pool.kill()
        with pytest.raises(WorkerStartFailed):
            await starting
    finally:
        await pool.stop(0)


async def test_kill_ends_a_process_that_loads_the_app_again(tmp_path: Path) -> None:
    async with running(tmp_path, versions(1)) as app:
        write_app(tmp_path, LOADS_FOREVER)
        reloading = asyncio.create_task(app.pool.reload())
        await eventually(lambda: loading(tmp_path))
        assert set(app.pool.all_pids) > set(loading(tmp_path))
        app.pool.kill()
        with pytest.raises(WorkerStartFailed):
            await reloading
