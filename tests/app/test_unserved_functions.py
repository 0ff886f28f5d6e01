"""Functions that are not served, and functions that run although a binding is not served, in the real host."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from durable_world import run
from host_process import HostProcess, hub_settings, write_app

APP = """
import azure.functions as func
import azure.durable_functions as df

app = df.DFApp(http_auth_level=func.AuthLevel.ANONYMOUS)
print("LanguageWorkerConsoleLog[INFO] from the worker")


@app.orchestration_trigger(context_name="ctx")
def misnamed(ctx): ...


@app.orchestration_trigger(context_name="context")
def calls(context: df.DurableOrchestrationContext):
    return (yield context.call_activity(context.get_input(), 1))


@app.activity_trigger(input_name="inp")
@app.cosmos_db_input(arg_name="doc", database_name="d", container_name="c", connection="X")
def needs_cosmos(inp, doc): ...


@app.activity_trigger(input_name="inp")
def switched_off(inp): ...


@app.activity_trigger(input_name="inp")
def misfit(other): ...


@app.activity_trigger(input_name="data")
def reserved(data): ...


@app.route(route="documents/{id}", methods=["GET"])
@app.cosmos_db_input(arg_name="doc", database_name="d", container_name="c", connection="X")
def documents(req: func.HttpRequest, doc: func.DocumentList) -> str: ...


@app.retry(strategy="fixedDelay", max_retry_count="3", delay_interval="00:00:01")
@app.route(route="retried")
def retried(req: func.HttpRequest) -> str: ...


@app.route(route="bus")
@app.service_bus_queue_output(arg_name="out", connection="Bus", queue_name="q")
def bus(req: func.HttpRequest, out: func.Out[str]) -> str:
    if "set" in req.params:
        out.set(req.params["set"])
    return "sent"


@app.route(route="returns_a_dict")
def returns_a_dict(req: func.HttpRequest):
    return {"a": 1}
"""


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory, connection_string: str) -> Iterator[HostProcess]:
    settings = {**hub_settings(connection_string), "AzureWebJobs.switched_off.Disabled": "1"}
    host = HostProcess(write_app(tmp_path_factory.mktemp("v2"), {"function_app.py": APP}), settings)
    yield host.start()
    host.end()


def test_an_http_function_that_is_not_served_answers_501_with_the_reason_and_logs_it(host: HostProcess) -> None:
    response = host.get("/api/documents/5")
    assert response.status_code == 501
    told = "The function 'documents' is not served: this host has no 'cosmosDB'."
    assert response.json() == {"error": told, "function": "documents"}
    host.wait_for(f"GET /api/documents/5: {told}")
    assert (host.post("/api/documents/5").status_code, host.get("/api/nothing").status_code) == (404, 404)


def test_a_function_that_cannot_be_indexed_says_what_azure_would_do(host: HostProcess) -> None:
    response = host.get("/api/retried")
    assert response.status_code == 501
    assert 'write strategy="fixed_delay"' in response.json()["error"]
    for name in ("misnamed", "misfit", "retried"):
        assert "Azure would serve none of this app's functions" in host.wait_for(f"The '{name}' function is in error")


def test_a_function_with_an_output_that_is_not_served_runs_until_it_sets_it(host: HostProcess) -> None:
    assert host.get("/api/bus").text == "sent"
    response = host.get("/api/bus?set=x")
    assert response.status_code == 500
    assert "of type 'serviceBus' is not served by this host" in response.json()["error"]
    host.wait_for("DH5021: The function 'bus' runs, but its output 'out' is not served")


def test_a_dict_as_a_response_is_reported_with_what_to_return(host: HostProcess) -> None:
    hint = host.get("/api/returns_a_dict").json()["hint"]
    assert "func.HttpResponse(json.dumps(value)" in hint
    host.wait_for("The function 'returns_a_dict' returned a value of the type dict")


@pytest.mark.parametrize(
    ("activity", "why"),
    [
        ("needs_cosmos", "this host has no 'cosmosDB'"),
        ("switched_off", "it is disabled"),
        ("misfit", "cannot load the misfit function"),
    ],
)
def test_a_call_of_an_activity_that_is_not_served_says_why(host: HostProcess, activity: str, why: str) -> None:
    run(host, "calls", activity, "Failed")
    line = host.wait_for(f"DH6120: .*'{activity}'")
    assert f"The app has '{activity}', but this host does not serve it: {why}" in line
    assert "registered" not in line


def test_what_is_shown_at_the_start(host: HostProcess) -> None:
    assert "LanguageWorkerConsoleLog" not in host.output
    host.wait_for(r"\[INFO\] from the worker")
    host.wait_for("DH5040: The function 'reserved' runs here, but Azure would not serve it")


HTTP = {"name": "req", "type": "httpTrigger", "direction": "in", "authLevel": "anonymous"}


def function_json(*outputs: dict[str, Any]) -> str:
    return json.dumps({"bindings": [HTTP, *outputs]})


def test_functions_of_function_json_that_do_not_load_and_that_send_elsewhere(
    tmp_path_factory: pytest.TempPathFactory, connection_string: str
) -> None:
    queue = {
        "name": "$return",
        "type": "queue",
        "direction": "out",
        "queueName": "sent-by-http",
        "connection": "AzureWebJobsStorage",
    }
    files = {
        "host.json": json.dumps({"version": "2.0", "functions": ["Broken", "Sends"]}),
        "Broken/function.json": function_json({"name": "$return", "type": "http", "direction": "out"}),
        "Broken/__init__.py": "import os\nimport helper\n",
        "Broken/helper.py": "",
        "Sends/function.json": function_json(queue),
        "Sends/__init__.py": "def main(req): return 'sent'\n",
        "Other/function.json": function_json(),
        "Other/__init__.py": "print('CODE RAN')\n",
    }
    host = HostProcess(write_app(tmp_path_factory.mktemp("v1"), files), hub_settings(connection_string)).start()
    try:
        response = host.get("/api/Sends")
        assert (response.status_code, response.content) == (200, b"")
        response = host.get("/api/Broken")
        assert response.status_code == 500
        assert "write `from . import helper` (a relative import)" in response.json()["error"]
        path = host.root / "Broken" / "__init__.py"
        host.wait_for(f"The 'Broken' function is in error: {path}:2: ModuleNotFoundError")
        host.wait_for(f'File "{path}", line 2, in <module>')
        assert "CODE RAN" not in host.output
    finally:
        host.kill()
