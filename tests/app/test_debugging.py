"""Attaching a debugger to the app.

Source: docs/protocol/functions-host-cli.md#start-of-the-host,
    docs/protocol/functions-host-worker.md#interpreter-of-the-app
"""

import json
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from debug_client import DebugClient
from host_process import HostProcess, ends_of, until, write_app

from durable_host.ports import reserved

StartHost = Callable[..., HostProcess]

APP = """import azure.functions as func

app = func.FunctionApp(http_auth_level=func.AuthLevel.ANONYMOUS)
LOADED = 1


@app.route(route="hello")
def hello(req: func.HttpRequest) -> str:
    name = req.params.get("name", "nobody")
    return f"hello {name}"


@app.route(route="later")
async def later(req: func.HttpRequest) -> str:
    name = "async"
    return f"hello {name}"
"""
LINE = 10
ASYNC_LINE = 16
SHORT = json.dumps({"version": "2.0", "functionTimeout": "00:00:01"})


@pytest.fixture
def port() -> Iterator[int]:
    with reserved("127.0.0.1") as port:
        yield port


def processes_of(host: HostProcess) -> list[int]:
    return [process["processId"] for process in host.get("/admin/host/processes").json()["processes"]]


def ask(host: HostProcess, path: str) -> tuple[threading.Thread, list[str]]:
    answers: list[str] = []
    thread = threading.Thread(target=lambda: answers.append(host.get(path).text))
    thread.start()
    return thread, answers


@pytest.mark.parametrize("way", ["flag", "environment"])
def test_the_debugger_of_core_tools_and_vs_code_settings_listens_too(
    start_host: StartHost, port: int, way: str
) -> None:
    module = f"-m debugpy --listen 127.0.0.1:{port}"
    arguments = ["--language-worker", module] if way == "flag" else []
    settings = {} if arguments else {"languageWorkers__python__arguments": module}
    host = start_host({"function_app.py": APP}, *arguments, settings=settings)
    host.wait_for(rf"Debugger listening on 127\.0\.0\.1:{port}")
    assert listens(port)
    assert host.stop() == 0


def test_a_breakpoint_holds_an_invocation_for_longer_than_the_function_timeout(
    start_host: StartHost, port: int
) -> None:
    host = start_host({"function_app.py": APP, "host.json": SHORT}, "--debug", str(port))
    host.wait_for(rf"Debugger listening on 127\.0\.0\.1:{port}")
    host.wait_for(r"Worker process started and initialized\.")
    processes = processes_of(host)
    editor = DebugClient(port)
    editor.finish({str(host.root / "function_app.py"): [LINE, ASYNC_LINE]})
    for path, name in (("/api/hello?name=you", "'you'"), ("/api/later", "'async'")):
        thread, answers = ask(host, path)
        stopped = editor.wait_stopped()
        held = threading.Event()
        held.wait(1.5)  # longer than the function may take without a debugger
        assert editor.value(stopped, "name") == name
        assert host.get("/admin/host/status").json()["state"] == "Running"
        editor.go_on(stopped)
        thread.join(30)
        assert answers == [f"hello {name[1:-1]}"]
    assert "blocked" not in host.output
    assert "Timeout value" not in host.output
    assert processes_of(host) == processes
    editor.close()
    assert host.stop() == 0
    until(lambda: ends_of(processes))
    until(lambda: not listens(port))


def listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def test_with_debug_wait_even_the_first_line_of_the_app_can_be_held(start_host: StartHost, port: int) -> None:
    host = start_host({"function_app.py": APP}, "--debug", str(port), "--debug-wait", wait=False)
    host.wait_for(r"Debugger listening on .*; the app is loaded when a debugger has attached")
    assert "Listening: http" not in host.output
    editor = DebugClient(port)
    editor.finish({str(host.root / "function_app.py"): [4]})
    stopped = editor.wait_stopped()
    assert "Listening: http" not in host.output
    editor.go_on(stopped)
    host.wait_for("Listening: http")
    assert host.stop() == 0


def test_after_a_reload_the_debugger_attaches_to_the_new_code_on_the_same_port(
    start_host: StartHost, port: int
) -> None:
    host = start_host({"function_app.py": APP}, "--debug", str(port))
    editor = DebugClient(port)
    editor.finish({})
    (host.root / "function_app.py").write_text(APP.replace("hello {name}", "bye {name}"))
    host.wait_for("Reloaded in")
    editor.wait_ended()
    editor.close()
    until(lambda: host.output.count("Debugger listening on") == 2, host=host)
    again = DebugClient(port)
    again.finish({str(host.root / "function_app.py"): [LINE]})
    thread, answers = ask(host, "/api/hello?name=you")
    again.go_on(again.wait_stopped())
    thread.join(30)
    assert answers == ["bye you"]
    assert host.stop() == 0


def test_without_debugpy_the_remedy_is_reported(start_host: StartHost, tmp_path: Path) -> None:
    hidden = "import sys\nsys.modules['debugpy'] = None\n"
    environment = write_app(tmp_path / "without", {"sitecustomize.py": hidden})
    host = start_host({"function_app.py": APP}, "--debug", settings={"PYTHONPATH": str(environment)}, wait=False)
    assert host.wait_exit() == 6
    assert "DH4020" in host.output
    assert "-m pip install debugpy" in host.output


def test_a_port_that_is_taken_is_reported(start_host: StartHost) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        host = start_host({"function_app.py": APP}, "--debug", str(port), wait=False)
        assert host.wait_exit() == 6
    assert f"127.0.0.1:{port}" in host.output
    assert "DH4021" in host.output


def test_arguments_that_nobody_understands_are_refused(start_host: StartHost) -> None:
    host = start_host({"function_app.py": APP}, "--language-worker", "-m debugpy --connect 5678", wait=False)
    assert host.wait_exit() == 3
    assert "are not supported" in host.output


def test_other_arguments_reach_the_interpreter(start_host: StartHost) -> None:
    app = APP.replace('f"hello {name}"', "str(__import__('sys').flags.optimize)")
    host = start_host({"function_app.py": app}, "--language-worker", "-O")
    assert host.get("/api/hello").text == "1"
