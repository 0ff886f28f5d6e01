"""`func exec`: a real host and a real command."""

import asyncio
import json
import os
import signal
import subprocess
import sys
import urllib.request
from pathlib import Path
from typing import Any

import pytest
from cli_runs import Func

from durable_host.config.connection import Connection
from durable_host.config.connections import parse_connection_string
from durable_host.storage import StorageAccount
from durable_host.storage.azurite import connection_string as text_of
from durable_host.storage.azurite import free_connection, probe

pytestmark = pytest.mark.process

ROOT = Path(__file__).parents[2]
APP = """
import azure.functions as func
import azure.durable_functions as df

app = df.DFApp(http_auth_level=func.AuthLevel.ANONYMOUS)

@app.route(route="hello")
def hello(req: func.HttpRequest) -> func.HttpResponse:
    return func.HttpResponse("hello")

@app.route(route="start")
@app.durable_client_input(client_name="client")
async def start(req: func.HttpRequest, client) -> func.HttpResponse:
    return func.HttpResponse(await client.start_new("flow", instance_id="one"))

@app.orchestration_trigger(context_name="context")
def flow(context: df.DurableOrchestrationContext):
    return (yield context.call_activity("step", "x"))

@app.activity_trigger(input_name="item")
def step(item: str) -> str:
    return item * 2
"""
ASK = """
import json, os, sys, urllib.request
base = os.environ["FUNC_BASE_URL"]
hello = urllib.request.urlopen(base + "/api/hello").read().decode()
started = urllib.request.urlopen(base + "/api/start").read().decode()
print(json.dumps({
    "hello": hello, "started": started, "hub": os.environ["FUNC_TASK_HUB"],
    "storage": os.environ["AzureWebJobsStorage"], "local": os.environ.get("FromLocalSettings"),
}))
sys.exit(int(sys.argv[1]))
"""


@pytest.fixture
def app(folder: Path) -> Path:
    (folder / "function_app.py").write_text(APP)
    (folder / "host.json").write_text('{"version": "2.0"}')
    settings = {"FUNCTIONS_WORKER_RUNTIME": "python", "FromLocalSettings": "yes"}
    (folder / "local.settings.json").write_text(json.dumps({"IsEncrypted": False, "Values": settings}))
    (folder / "ask.py").write_text(ASK)
    return folder


def left_of(connection_string: str, hub: str) -> list[str]:
    """Tables and queues of a hub."""

    async def look() -> list[str]:
        async with StorageAccount(parse_connection_string(connection_string)) as account:
            return [*await account.tables.list_tables(hub), *await account.queues.list(hub.lower())]

    return asyncio.run(look())


def command(*arguments: str) -> list[str]:
    code = f"import sys; sys.path.insert(0, {str(ROOT)!r}); from durable_host.cli import main; sys.exit(main())"
    return [sys.executable, "-c", code, "exec", *arguments]


def test_command_finds_the_host_and_its_exit_code_is_passed_on(
    func: Func, app: Path, connection_string: str, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("AzureWebJobsStorage", connection_string)
    outcome = func("exec", "--", sys.executable, "ask.py", "7")
    assert outcome.code == 7, outcome.err
    answer: Any = outcome.json()
    assert answer["hello"] == "hello"
    assert answer["started"] == "one"
    assert answer["local"] == "yes"
    assert answer["storage"] == connection_string
    assert "Host is ready at http://localhost:" in outcome.err
    assert left_of(connection_string, answer["hub"]) == []


def test_the_app_may_be_elsewhere_and_options_of_the_command_are_its_own(
    func: Func, app: Path, connection_string: str, tmp_path_factory: pytest.TempPathFactory, monkeypatch: Any
):
    monkeypatch.setenv("AzureWebJobsStorage", connection_string)
    monkeypatch.chdir(tmp_path_factory.mktemp("elsewhere"))
    code = "import sys; print(sys.argv[1:])"
    outcome = func("exec", "--prefix", str(app), sys.executable, "-c", code, "--prefix", "web", "--", "-x")
    assert outcome.code == 0, outcome.err
    assert outcome.out == "['--prefix', 'web', '--', '-x']\n"


def test_hub_can_be_kept(func: Func, app: Path, connection_string: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("AzureWebJobsStorage", connection_string)
    outcome = func("exec", "--keep-hub", "--", sys.executable, "ask.py", "0")
    assert outcome.code == 0, outcome.err
    hub = outcome.json()["hub"]
    listed = func("durable", "get-instances", "--task-hub-name", hub, "--output", "json").json()
    assert [state["Name"] for state in listed["instances"]] == ["flow"]
    assert func("durable", "delete-task-hub", "--task-hub-name", hub).code == 0


def test_azurite_of_its_own_ends_with_the_command(func: Func, app: Path, monkeypatch: pytest.MonkeyPatch):
    connection: Connection = free_connection()
    monkeypatch.setenv("AzureWebJobsStorage", text_of(connection))
    outcome = func("exec", "--", sys.executable, "ask.py", "0")
    assert outcome.code == 0, outcome.err
    assert "Azurite is ready" in outcome.err
    assert probe(connection).is_silent
    assert not (app / ".azurite").exists()


def test_embedded_hub_leaves_nothing_in_the_app(func: Func, app: Path, monkeypatch: pytest.MonkeyPatch):
    (app / "host.json").write_text(
        '{"version": "2.0", "extensions": {"durableTask": {"storageProvider": {"type": "sqlite"}}}}'
    )
    monkeypatch.setenv("AzureWebJobsStorage", "")
    (app / "ask.py").write_text(ASK.replace('os.environ["AzureWebJobsStorage"]', "None"))
    outcome = func("exec", "--", sys.executable, "ask.py", "0")
    assert outcome.code == 0, outcome.err
    assert not (app / ".durable-host").exists()


def test_app_that_does_not_load_is_not_a_host(
    func: Func, app: Path, connection_string: str, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("AzureWebJobsStorage", connection_string)
    (app / "function_app.py").write_text("import no_such_module_anywhere\n")
    (app / "ask.py").write_text("print('it ran')")
    outcome = func("exec", "--", sys.executable, "ask.py")
    assert outcome.code not in (0, 1)
    assert "error DH3020: The host did not start." in outcome.err
    assert "no_such_module_anywhere" in outcome.err
    assert '"level"' not in outcome.err, "errors are text, although the host writes JSON"
    assert "it ran" not in outcome.out


@pytest.mark.skipif(sys.platform == "win32", reason="signals of a terminal")
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 3), (signal.SIGTERM, 143)])
def test_interruption_ends_command_and_host(app: Path, connection_string: str, number: signal.Signals, code: int):
    """As a terminal does it: Ctrl+C goes to the program and its command, not to the host."""
    (app / "wait.py").write_text(
        "import os, signal, sys, threading\n"
        "signal.signal(signal.SIGINT, lambda *_: sys.exit(3))\n"
        "print(os.environ['FUNC_BASE_URL'], os.environ['FUNC_TASK_HUB'], flush=True)\n"
        "threading.Event().wait()\n"
    )
    environ = {**os.environ, "AzureWebJobsStorage": connection_string}
    process = subprocess.Popen(
        command("--", sys.executable, "wait.py"),
        cwd=app, env=environ, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True,
    )  # fmt: skip
    assert process.stdout is not None
    url, hub = process.stdout.readline().split()
    if number == signal.SIGINT:
        os.killpg(process.pid, number)
    else:
        process.send_signal(number)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == code, errors
    assert "Traceback" not in errors
    with pytest.raises(OSError, match="refused"):
        urllib.request.urlopen(f"{url}/api/hello", timeout=5)
    assert left_of(connection_string, hub) == []


def test_command_that_is_killed_gives_the_code_of_shells(
    func: Func, app: Path, connection_string: str, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("AzureWebJobsStorage", connection_string)
    outcome = func("exec", "sh", "-c", "kill -9 $$")
    assert outcome.code == 137


@pytest.mark.parametrize(
    ("arguments", "code", "text"),
    [
        (["--", "no-such-program"], 127, "error DH1011: There is no command 'no-such-program'."),
        ([], 0, ""),
        (["--port", "x", "--", "true"], 2, "'x' is not a valid integer"),
    ],
)
def test_mistakes_end_before_a_host_is_started(func: Func, app: Path, arguments: list[str], code: int, text: str):
    outcome = func("exec", *arguments)
    assert outcome.code == code
    assert text in outcome.err
