"""Hosts that are forked from a process of the tests behave like those that are started as commands."""

import os
import re
import select
import signal
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import func_command
import host_template
import pytest
from func_command import end_of, run_forked, run_func, start_func
from host_process import HostProcess, write_app
from host_template import can_fork, fork_host
from other_pytest import pytest_command, run_pytest
from tiers import ProcessGuard

from durable_host.errors import EXIT_CONFIGURATION

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="hosts are forked on Linux")
SETTINGS = {"FUNCTIONS_WORKER_RUNTIME": "python"}
APP = """
import azure.functions as func

app = func.FunctionApp()


@app.route(route="hello", auth_level=func.AuthLevel.ANONYMOUS)
def hello(req: func.HttpRequest) -> str:
    return "hello"
"""
TESTS = """
def test_hello(function_app):
    assert function_app.client.get("/api/hello").text == "hello"


def test_goodbye(function_app):
    assert function_app.client.get("/api/hello").text == "goodbye"
"""
WAITS = "import time\nprint('begins')\ntime.sleep(60)\n"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_a_forked_host_ends_as_a_started_one(tmp_path: Path, number: int) -> None:
    codes: list[int] = []
    for fork in (True, False):
        root = write_app(tmp_path / str(fork), {"function_app.py": WAITS})
        host = HostProcess(root, SETTINGS).start(wait=False, fork=fork)
        host.wait_for("begins")
        codes.append(host.stop(number))
    assert codes[0] == codes[1]
    assert codes[0] == (0 if number == signal.SIGINT else -number)


def test_a_forked_program_has_its_own_folder_environment_and_exit_code(tmp_path: Path) -> None:
    (tmp_path / "host.json").write_text("{", "utf-8")
    host = fork_host(["start"], tmp_path, {"CLI_DEBUG": "1"})
    output = host.stdout.read()
    assert host.wait(60) == host.poll() == EXIT_CONFIGURATION
    assert str(tmp_path) in output
    assert "Traceback" in output


def test_forked_code_inherits_a_descriptor(tmp_path: Path) -> None:
    reader, writer = os.pipe()
    code = f"import os, sys; os.write({writer}, sys.argv[1].encode()); print(os.getcwd()); sys.exit(3)"
    host = fork_host(["given"], tmp_path, {}, program=code, inherited=[writer])
    os.close(writer)
    with open(reader, encoding="utf-8") as file:
        assert file.read() == "given"
    assert host.stdout.read() == f"{tmp_path}\n"
    assert host.wait(60) == 3


def test_a_forked_program_that_runs_has_no_exit_code(tmp_path: Path) -> None:
    root = write_app(tmp_path, {"function_app.py": WAITS})
    host = fork_host(["start", "--port", "0", "--no-azurite"], root, SETTINGS)
    assert host.poll() is None
    with pytest.raises(subprocess.TimeoutExpired):
        host.wait(0.01)
    host.send_signal(signal.SIGKILL)
    assert host.wait(60) == -signal.SIGKILL
    host.send_signal(signal.SIGKILL)


@pytest.mark.parametrize("fork", [True, False])
def test_a_program_that_takes_too_long_is_killed(tmp_path: Path, fork: bool) -> None:
    root = write_app(tmp_path, {"function_app.py": WAITS})
    arguments = ["start", "--port", "0", "--no-azurite"]
    program = start_func(arguments, root, {**os.environ, **SETTINGS}, fork=fork)
    assert program.stdout is not None
    program.stdout.readline()
    with pytest.raises(subprocess.TimeoutExpired):
        end_of(program, 0.01)
    assert program.returncode == -signal.SIGKILL


def test_a_forked_pytest_starts_workers_and_says_the_same_as_a_started_one(tmp_path: Path) -> None:
    options = "[pytest]\naddopts = -ra --tb=short --show-capture=no"
    folder = write_app(tmp_path, {"function_app.py": APP, "test_app.py": TESTS, "pytest.ini": options})
    started = subprocess.run(pytest_command(), cwd=folder, capture_output=True, text=True, timeout=60, check=False)
    forked = run_pytest(folder=folder)
    assert "1 failed, 1 passed in" in forked.stdout
    assert "assert 'hello' == 'goodbye'" in forked.stdout
    assert forked.returncode == started.returncode == 1
    assert without_times(forked.stdout) == without_times(started.stdout)
    assert forked.stderr == started.stderr


def without_times(output: str) -> str:
    return re.sub(r"=* (.*) in \d.*s =*", r"\1", output)


@pytest.mark.parametrize("name", ["PYTHONDEVMODE", "PYTHON_COLORS", "PYTHON_GIL"])
def test_settings_of_the_interpreter_need_a_start_of_their_own(name: str) -> None:
    assert not can_fork({**os.environ, name: "1"})
    assert can_fork({**os.environ, "PYTHON_ENABLE_INIT_INDEXING": "1"}) == can_fork(os.environ)


@pytest.mark.parametrize("run", [run_pytest, run_func])
def test_a_command_has_the_settings_of_the_interpreter(run: Callable[..., object], tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text("import sys; print('dev mode', sys.flags.dev_mode)", "utf-8")
    place = os.pathsep.join([str(tmp_path), os.environ["PYTHONPATH"]])
    settings = {**os.environ, "PYTHONDEVMODE": "1", "PYTHONPATH": place}
    named = {"environment": settings} if run is run_pytest else {"settings": settings}
    done = run("--version", folder=tmp_path, **named)
    assert isinstance(done, subprocess.CompletedProcess)
    assert "dev mode True" in done.stdout


def test_a_template_that_has_ended_is_replaced_and_the_other_one_stays(tmp_path: Path) -> None:
    waiting = fork_host([], tmp_path, {}, program="import time; print('begins', flush=True); time.sleep(60)")
    assert waiting.stdout.readline() == "begins\n"
    assert fork_host(["--version"], tmp_path, {}, program="pytest").wait(60) == 0
    template, _ = host_template._template("pytest")
    template.kill()
    template.wait()
    before = len(os.listdir("/proc/self/fd"))
    with pytest.raises((OSError, ValueError)):
        fork_host(["--version"], tmp_path, {}, program="pytest")
    assert len(os.listdir("/proc/self/fd")) <= before
    assert fork_host(["--version"], tmp_path, {}, program="pytest").wait(60) == 0
    assert waiting.poll() is None
    waiting.send_signal(signal.SIGTERM)
    assert waiting.wait(60) == -signal.SIGTERM


def test_a_host_whose_template_has_ended_is_killed(tmp_path: Path) -> None:
    host = fork_host([], tmp_path, {}, program="import time; print('begins', flush=True); time.sleep(60)")
    assert host.stdout.readline() == "begins\n"
    template, _ = host_template._templates.pop(())
    template.kill()
    template.wait()
    assert host.wait(60) == -signal.SIGKILL
    assert host.stdout.read() == ""
    assert fork_host(["--version"], tmp_path, {}).wait(60) == 0


def test_a_forked_host_ends_with_the_process_that_forked_it() -> None:
    reader, writer = os.pipe()
    code = f"import os, time; os.write({writer}, b'begins'); time.sleep(60)"
    forks = f"""
import pathlib, signal
import host_template
host_template.fork_host([], pathlib.Path(), {{}}, program={code!r}, inherited=[{writer}])
signal.pause()
"""
    folder = Path(host_template.__file__).parent
    with subprocess.Popen([sys.executable, "-c", forks], cwd=folder, pass_fds=[writer]) as process:
        os.close(writer)
        with open(reader, "rb") as output:
            begins = output.read(6)
            process.terminate()
            has_ended, _, _ = select.select([reader], [], [], 30)
            assert begins == b"begins"
            assert has_ended
            assert output.read() == b""


def test_several_threads_wait_for_a_forked_host(tmp_path: Path) -> None:
    host = fork_host([], tmp_path, {}, program="import time; print('begins', flush=True); time.sleep(60)")
    assert host.stdout.readline() == "begins\n"
    with ThreadPoolExecutor(8) as pool:
        waits = [pool.submit(host.wait, 60) for _ in range(8)]
        os.kill(host.pid, signal.SIGTERM)
        assert {wait.result() for wait in waits} == {-signal.SIGTERM}


def test_output_that_is_not_text_can_be_read(tmp_path: Path) -> None:
    code = r"import sys; sys.stdout.buffer.write(b'a\xff'); sys.stderr.buffer.write(b'b\xff')"
    done = run_forked(code, [], folder=tmp_path, environment={}, limit=60)
    assert (done.stdout, done.stderr) == ("a\N{REPLACEMENT CHARACTER}", "b\N{REPLACEMENT CHARACTER}")


def test_a_test_without_processes_may_not_fork_one(tmp_path: Path) -> None:
    guard = ProcessGuard()
    guard.is_on = True
    try:
        with pytest.raises(RuntimeError, match="starts a process"):
            fork_host(["--version"], tmp_path, {})
    finally:
        guard.is_on = False


def test_output_that_another_process_has_open_is_not_taken_for_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(func_command, "_UNTIL_KILLED", 0.1)
    code = "import os, time\nif not (child := os.fork()):\n    time.sleep(60)\nprint(child)"
    program = fork_host([], tmp_path, {}, program=code)
    child = int(program.stdout.readline())
    try:
        with pytest.raises(AssertionError, match="has the output open"):
            end_of(program, 60)
    finally:
        os.kill(child, signal.SIGKILL)
