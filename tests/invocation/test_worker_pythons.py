"""The worker on every interpreter on this machine, and which one is selected for an app."""

import sys
from pathlib import Path

import pytest
from worker_apps import PYENV, SITE_PACKAGES, index_of, options, running, write_app

from durable_host.invocation.datum import string
from durable_host.invocation.errors import InterpreterUnusable
from durable_host.invocation.interpreter import environment_python, find_interpreter
from durable_host.invocation.pool import WorkerPool

INSTALLED = sorted(path / "bin" / "python" for path in PYENV.glob("3.*") if (path / "bin" / "python").exists())


def minor(python: Path) -> int:
    return int(python.parents[1].name.split(".")[1])


SUPPORTED = [python for python in INSTALLED if minor(python) >= 10] or [Path(sys.executable)]
TOO_OLD = [python for python in INSTALLED if minor(python) < 10][-1:]

APP = """
import asyncio, logging, sys, threading
from typing import Optional

@app.route("f")
async def hello(req: func.HttpRequest, context: func.Context) -> func.HttpResponse:
    await asyncio.sleep(0)
    logging.info("hello from %s", context.invocation_id)
    print("printed")
    return func.HttpResponse(".".join(map(str, sys.version_info[:2])))

@app.queue_trigger("m", queue_name="q", connection="")
@app.queue_output("o", queue_name="q", connection="")
def queued(m: Optional[func.QueueMessage], o: func.Out[str]):
    thread = threading.Thread(target=logging.info, args=("from a thread",))
    thread.start()
    thread.join()
    o.set(m.get_body().decode())
    if o.get() == "fail":
        raise ValueError("boom")
"""


@pytest.mark.parametrize("python", SUPPORTED, ids=lambda python: python.parents[1].name)
async def test_worker_runs_on_the_apps_interpreter(tmp_path: Path, python: Path, caplog: pytest.LogCaptureFixture):
    caplog.set_level("INFO")
    async with running(tmp_path, APP, executable=python, settings={"PYTHONPATH": str(SITE_PACKAGES)}) as app:
        version = ".".join(app.index.python_version.split(".")[:2])
        reply = await app.get("hello")
        assert reply.body.decode() == version
        response = await app.call("queued", string("x"), trigger_metadata={"Id": "1"})
        assert response.outputs == {"o": string("x")}
        with pytest.raises(Exception, match="ValueError: boom"):
            await app.call("queued", string("fail"))
    texts = {record.name: record.getMessage() for record in caplog.records}
    assert texts["Host.Function.Console"] == "printed"
    assert texts["Function.hello.User"].startswith("hello from")
    assert texts["Function.queued.User"] == "from a thread"


@pytest.mark.parametrize("python", TOO_OLD, ids=lambda python: python.parents[1].name)
async def test_interpreter_that_is_too_old_is_refused(tmp_path: Path, python: Path):
    pool = WorkerPool(options(write_app(tmp_path, APP), executable=python))
    with pytest.raises(InterpreterUnusable) as failure:
        await pool.start()
    assert "is too old to run the app" in failure.value.message
    assert "3.10 or later is needed" in (failure.value.cause or "")
    await pool.stop(0)


def environment(folder: Path) -> Path:
    python = environment_python(folder)
    python.parent.mkdir(parents=True)
    python.touch(0o755)
    (folder / "pyvenv.cfg").touch()
    return python


def test_explicit_interpreter_goes_first(tmp_path: Path):
    python = environment(tmp_path / "mine")
    environment(tmp_path / "app" / ".venv")
    found = find_interpreter(tmp_path / "app", explicit=str(python), environ={"VIRTUAL_ENV": "/elsewhere"})
    assert (found.path, found.source) == (python, "--python")
    assert find_interpreter(tmp_path / "app", explicit=str(tmp_path / "mine"), environ={}).path == python


def test_active_environment_goes_before_the_apps_own(tmp_path: Path):
    python = environment(tmp_path / "active")
    environment(tmp_path / "app" / ".venv")
    assert find_interpreter(tmp_path / "app", environ={"VIRTUAL_ENV": str(tmp_path / "active")}).path == python


def test_hosts_own_environment_being_active_does_not_hide_the_apps(tmp_path: Path):
    python = environment(tmp_path / ".venv")
    assert find_interpreter(tmp_path, environ={"VIRTUAL_ENV": sys.prefix}).path == python


@pytest.mark.parametrize("name", [".venv", "venv"])
def test_environment_of_the_app_is_found(tmp_path: Path, name: str):
    python = environment(tmp_path / name)
    found = find_interpreter(tmp_path, environ={})
    assert (found.path, found.source) == (python, f"{name} of the app")


def test_without_any_environment_the_hosts_python_runs_the_app(tmp_path: Path):
    assert find_interpreter(tmp_path, environ={}).path == Path(sys.executable)


@pytest.mark.parametrize(
    ("explicit", "environ"),
    [("no-such-python", {}), (None, {"VIRTUAL_ENV": "/no/such/folder"}), ("/no/such/python", {})],
)
def test_interpreter_that_is_not_there_is_an_error(tmp_path: Path, explicit: str | None, environ: dict[str, str]):
    with pytest.raises(InterpreterUnusable) as failure:
        find_interpreter(tmp_path, explicit=explicit, environ=environ)
    assert failure.value.remedy


def test_environment_whose_python_is_gone_is_an_error(tmp_path: Path):
    python = environment(tmp_path / ".venv")
    python.unlink()
    python.symlink_to(tmp_path / "gone")
    with pytest.raises(InterpreterUnusable) as failure:
        find_interpreter(tmp_path, environ={})
    assert "the Python that it was made from is gone" in (failure.value.cause or "")


async def test_spawned_processes_of_user_code_work(tmp_path: Path):
    text = """
    import concurrent.futures, multiprocessing

    def square(number): return number * number

    @app.route("f")
    def spawns(req):
        context = multiprocessing.get_context("spawn")
        with concurrent.futures.ProcessPoolExecutor(1, mp_context=context) as pool:
            return func.HttpResponse(str(pool.submit(square, 7).result(60)))
    """
    async with running(tmp_path, text) as app:
        assert (await app.get("spawns")).body == b"49"


async def test_durable_sdk_version_is_reported(tmp_path: Path):
    text = "import azure.durable_functions as df\napp = df.DFApp()\n\n@app.activity_trigger('x')\ndef a(x): ...\n"
    index = await index_of(tmp_path, {"function_app.py": text})
    assert set(index.sdk_versions) == {"azure-functions", "azure-functions-durable"}
