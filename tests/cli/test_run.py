"""`func run`: runs functions of a running host by hand."""

import json
import os
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from cli_runs import Func

from durable_host.host.host_process import HostProcess

pytestmark = pytest.mark.process

APP = """
import logging
import azure.functions as func
import azure.durable_functions as df

app = df.DFApp(http_auth_level=func.AuthLevel.ANONYMOUS)

@app.route(route="hello")
def hello(req: func.HttpRequest) -> func.HttpResponse:
    return func.HttpResponse(f"hello {req.get_body().decode()}", status_code=201)

@app.queue_trigger(arg_name="message", queue_name="approval-queue", connection="AzureWebJobsStorage")
@app.queue_output(arg_name="$return", queue_name="answers", connection="AzureWebJobsStorage")
def on_message(message: func.QueueMessage) -> str:
    return message.get_json()["name"].upper()

@app.timer_trigger(arg_name="timer", schedule="0 0 0 1 1 *", use_monitor=False)
def yearly(timer: func.TimerRequest) -> None:
    raise RuntimeError("not this year")

@app.orchestration_trigger(context_name="context")
def flow(context: df.DurableOrchestrationContext):
    return "done"
"""


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the app."""
    return tmp_path_factory.mktemp("app")


@pytest.fixture(scope="module")
def port(app: Path, connection_string: str) -> Iterator[str]:
    """The port of a running host."""
    (app / "function_app.py").write_text(APP)
    (app / "host.json").write_text('{"version": "2.0", "extensions": {"durableTask": {"hubName": "RunByHand"}}}')
    environ = {**os.environ, "AzureWebJobsStorage": connection_string, "FUNCTIONS_WORKER_RUNTIME": "python"}
    host = HostProcess(["--port", "0", "--no-azurite", "--no-reload"], environ=environ, folder=app, log=lambda *_: None)
    try:
        yield str(urlsplit(host.wait_until_ready(60)).port)
    finally:
        host.stop()


def test_body_of_an_http_function_goes_to_stdout_and_the_rest_to_stderr(func: Func, port: str) -> None:
    outcome = func("run", "hello", "--content", "you", "--port", port)
    assert outcome.code == 0, outcome.err
    assert outcome.out == "hello you\n"
    assert "hello succeeded in" in outcome.err
    assert "status 201" in outcome.err


def test_content_may_come_from_a_file(func: Func, folder: Path, port: str) -> None:
    (folder / "message.json").write_text('{"name": "ada"}')
    outcome = func("run", "ON_MESSAGE", "--file", "message.json", "--port", port)
    assert outcome.code == 0, outcome.err
    assert "ADA" in outcome.out


def test_outcome_as_json(func: Func, port: str) -> None:
    outcome = func("run", "hello", "--port", port, "--output", "json")
    answer = outcome.json()
    assert answer["status"] == "Succeeded"
    assert answer["returnValue"] == {"status": 201, "body": "hello "}


@pytest.mark.parametrize("form", ["text", "json"])
def test_failure_of_the_function_is_the_exit_code(func: Func, port: str, form: str) -> None:
    outcome = func("run", "yearly", "--port", port, "--output", form)
    assert outcome.code == 1
    told = outcome.err if form == "text" else outcome.json()["error"]
    assert "RuntimeError: not this year" in told


def test_unknown_name_is_answered_with_those_there_are(func: Func, port: str) -> None:
    outcome = func("run", "nothing", "--port", port)
    assert outcome.code == 1
    assert "error DH3022" in outcome.err
    assert "hello, on_message, yearly" in outcome.err.replace("flow, ", "")


def test_orchestrations_are_started_another_way(func: Func, port: str) -> None:
    outcome = func("run", "flow", "--port", port)
    assert outcome.code == 1
    assert "func durable start-new" in outcome.err
    assert f"http://127.0.0.1:{port}/runtime/webhooks/durabletask/entities/NAME/KEY?op=OPERATION" in outcome.err


def test_host_that_does_not_run_is_reported(func: Func, folder: Path) -> None:
    (folder / "host.json").write_text('{"version": "2.0"}')
    (folder / "local.settings.json").write_text('{"IsEncrypted": false, "Host": {"LocalHttpPort": 1}}')
    outcome = func("run", "hello")
    assert outcome.code == 1
    assert "error DH3021: No host answers at http://127.0.0.1:1." in outcome.err
    assert "func start" in outcome.err


def test_content_and_file_exclude_each_other(func: Func, folder: Path) -> None:
    outcome = func("run", "hello", "--content", "x", "--file", "y", "--port", "1")
    assert outcome.code == 2


@pytest.fixture
def in_app(func: Func, app: Path, port: str, connection_string: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Commands run in the app's folder and know the port of its host."""
    (app / "local.settings.json").write_text(json.dumps({"Host": {"LocalHttpPort": int(port)}}))
    monkeypatch.setenv("AzureWebJobsStorage", connection_string)
    monkeypatch.setenv("FUNCTIONS_WORKER_RUNTIME", "python")
    monkeypatch.chdir(app)


@pytest.mark.usefixtures("in_app")
def test_start_of_an_orchestrator_that_the_running_host_lacks_warns(func: Func, port: str) -> None:
    outcome = func("durable", "start-new", "--function-name", "flwo", "--output", "json")
    assert (outcome.code, outcome.json()["name"]) == (0, "flwo")  # as Core Tools: the name is not checked
    assert f"The host at http://127.0.0.1:{port} has no orchestrator 'flwo'" in outcome.err
    assert "Its orchestrators: flow. Did you mean 'flow'?" in outcome.err


@pytest.mark.usefixtures("in_app")
@pytest.mark.parametrize("arguments", [["Flow"], ["flwo", "--task-hub-name", "OtherHub"]])
def test_start_of_what_the_host_has_or_in_another_hub_does_not_warn(func: Func, arguments: list[str]) -> None:
    outcome = func("durable", "start-new", "--function-name", *arguments)
    assert (outcome.code, outcome.err) == (0, "")


@pytest.mark.usefixtures("in_app")
def test_start_does_not_ask_the_host_of_another_app(func: Func, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AzureFunctionsWebHost__hostid", "another")
    outcome = func("durable", "start-new", "--function-name", "flwo")
    assert (outcome.code, outcome.err) == (0, "")
