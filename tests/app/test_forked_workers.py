"""Workers that are forked from a process of the tests behave like those that are started as commands."""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import forked_workers
import pytest
from host_process import HostProcess, until
from import_shelf import ImportShelf
from v2_environment import v2_interpreter
from worker_apps import index_of, running, write_app
from worker_template import ENTRY, OTHER_ENVIRONMENTS, can_fork, can_fork_any

from durable_host.invocation.errors import WorkerLost

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="workers are forked on Linux only")
COMMAND = [sys.executable, str(ENTRY)]
APP = """
import os, sys

@app.generic_trigger("g", type="someTrigger")
def describe(g):
    return repr({
        "parent": os.getppid(), "group": os.getpgrp() == os.getsid(0) == os.getpid(), "folder": os.getcwd(),
        "arguments": sys.argv, "main": sys.modules["__main__"].__file__, "path": sys.path, "zone": os.environ.get("TZ"),
        "sdks": sorted(name for name in sys.modules if name.startswith(("azure.durable", "aiohttp", "durable_host."))),
    })

@app.generic_trigger("g", type="someTrigger")
def ends(g):
    os._exit(3)

@app.generic_trigger("g", type="someTrigger")
def modules_of_durable(g):
    import azure.durable_functions, azure.functions.blob
    return azure.durable_functions.__spec__.name
"""


@pytest.fixture(params=["forked", "started"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setattr(forked_workers, "is_on", request.param == "forked")
    return request.param


async def test_a_forked_worker_finds_what_a_started_one_does(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found: list[Any] = []
    for is_on in (True, False):
        monkeypatch.setattr(forked_workers, "is_on", is_on)
        async with running(tmp_path, APP, settings={"TZ": "Asia/Tokyo"}) as app:
            found.append(eval(await app.text("describe") or ""))
    assert found[0] == found[1]
    assert found[0]["parent"] == os.getpid()
    assert found[0]["group"]
    assert found[0]["sdks"] == []


@pytest.mark.skipif(not can_fork_any(os.environ), reason="no worker is forked while coverage is measured")
async def test_a_forked_worker_of_another_environment_finds_what_a_started_one_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found: list[Any] = []
    for is_on in (True, False):
        monkeypatch.setattr(forked_workers, "is_on", is_on)
        async with running(tmp_path, APP, executable=v2_interpreter()) as app:
            found.append(eval(await app.text("describe") or ""))
            assert await app.text("modules_of_durable") == "azure.durable_functions"
            with pytest.raises(WorkerLost, match="code 3 "):
                await app.text("ends")
    parents = [one.pop("parent") for one in found]
    assert found[0] == found[1]
    assert parents[0] != parents[1] == os.getpid()


@pytest.fixture
def without_sdk(tmp_path: Path) -> Path:
    """The interpreter of an environment without packages."""
    python = tmp_path / OTHER_ENVIRONMENTS / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.symlink_to(Path(sys.executable).resolve())
    return python


async def test_a_worker_without_sdk_is_started(tmp_path: Path, without_sdk: Path) -> None:
    index = await index_of(tmp_path / "app", APP, executable=without_sdk)
    assert "azure-functions" in str(index.failure)


@pytest.fixture
def ended_template() -> Iterator[socket.socket]:
    """The socket to a template that has ended."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    theirs.close()
    with ours:
        yield ours


async def test_a_worker_whose_template_has_ended_is_started(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ended_template: socket.socket
) -> None:
    monkeypatch.setattr(forked_workers, "_template", ended_template)
    async with running(tmp_path, APP) as app:
        assert eval(await app.text("describe") or "")["parent"] == os.getpid()


def test_a_worker_whose_template_ends_later_counts_as_killed(ended_template: socket.socket) -> None:
    worker = object.__new__(forked_workers._OtherWorker)  # pyright: ignore[reportPrivateUsage]
    worker._answers = ended_template  # pyright: ignore[reportPrivateUsage]
    assert worker.take_exit_code() == -signal.SIGKILL


async def test_the_modules_of_an_sdk_come_with_its_import(tmp_path: Path, way: str) -> None:
    async with running(tmp_path, APP) as app:
        assert await app.text("modules_of_durable") == "azure.durable_functions"


@pytest.mark.parametrize("number", [None, signal.SIGKILL])
def test_workers_of_a_host_that_ends_end_too(tmp_path: Path, way: str, number: int | None) -> None:
    """Also of a host that is killed, while code holds the lock of the interpreter."""
    code = "import ctypes, os\nprint('worker', os.getpid(), os.getppid())\n"
    code += "ctypes.PyDLL(None).pause()\n" if number else ""
    write_app(tmp_path, {"host.json": '{"version": "2.0"}', "function_app.py": code})
    host = HostProcess(tmp_path, {"FUNCTIONS_WORKER_RUNTIME": "python"})
    host.start(wait=False, fork=way == "forked")
    _, worker, parent = host.wait_for("worker ").split()[-3:]
    assert int(parent) == host.pid
    host.send_signal(number or signal.SIGINT)
    host.wait_exit()
    until(lambda: not _lives(int(worker)), 20)


@pytest.mark.parametrize("stream", ["stdout", "stderr"])
@pytest.mark.parametrize("code", [0, 3])
@pytest.mark.parametrize("loses", [True, False])
def test_the_exit_code_says_that_output_is_lost(stream: str, code: int, loses: bool) -> None:
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    codes: list[int] = []
    for end in (f"sys.exit({code})", f"end_at_once({code})"):
        program = f"import sys; from worker_template import end_at_once; sys.{stream}.write('end'); {end}"
        with open("/dev/full" if loses else os.devnull, "wb") as output:
            streams = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, stream: output}
            command, folder = [sys.executable, "-c", program], Path(__file__).parent
            codes.append(subprocess.run(command, cwd=folder, env=environment, check=False, **streams).returncode)
    assert codes[0] == codes[1] == (120 if loses else code)


@pytest.mark.parametrize(
    ("command", "settings"),
    [
        ([*COMMAND[:1], "-X", "dev", *COMMAND[1:]], {}),
        (["/usr/bin/python3", *COMMAND[1:]], {}),
        (COMMAND, {"PYTHONPATH": "elsewhere"}),
        (COMMAND, {"PYTHONHASHSEED": "1"}),
        (COMMAND, {"LC_ALL": "C"}),
    ],
)
def test_a_worker_that_starts_differently_is_not_forked(
    tmp_path: Path, command: list[str], settings: dict[str, str]
) -> None:
    assert can_fork(COMMAND, str(tmp_path), {"PYTHON_THREADPOOL_THREAD_COUNT": "9"}, {})
    assert not can_fork(command, str(tmp_path), settings, {})
    assert not can_fork(command, str(tmp_path / "nowhere"), settings, settings)


def test_modules_on_a_shelf_are_not_seen_before_their_import(monkeypatch: pytest.MonkeyPatch) -> None:
    import colorsys
    import wave

    for name in ("colorsys", "wave"):
        monkeypatch.setitem(sys.modules, name, sys.modules[name])
    monkeypatch.setattr(sys, "meta_path", sys.meta_path.copy())
    specification = wave.__spec__
    ImportShelf([{"colorsys": colorsys}, {"wave": wave}])
    assert not {"colorsys", "wave"} & sys.modules.keys()
    import wave as again

    assert again is wave
    assert again.__spec__ is specification
    assert sys.modules["colorsys"] is colorsys


def _lives(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text("ascii").rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False
