"""Durable functions that end their worker, or never end: given up after a few tries, with real workers."""

import json
from collections.abc import Iterator

import pytest
from host_process import HostProcess, write_app
from v2_environment import v2_interpreter

APP = """
import os
import time

import azure.durable_functions as df
import azure.functions as func

app = df.DFApp(http_auth_level=func.AuthLevel.ANONYMOUS)


@app.route(route="start/{name}")
@app.durable_client_input(client_name="client")
async def start(req: func.HttpRequest, client) -> str:
    return await client.start_new(req.route_params["name"])


def tried(name):
    with open("tries", "a") as file:
        file.write(f"{name}\\n")


@app.orchestration_trigger(context_name="context")
def crowd(context: df.DurableOrchestrationContext):
    tasks = [context.call_activity("works", number) for number in range(5)]
    try:
        yield context.call_activity("aborts", None)
    except Exception as error:
        caught = str(error)
    return [(yield context.task_all(tasks)), caught]


@app.activity_trigger(input_name="number")
def works(number: int) -> int:
    return number


@app.activity_trigger(input_name="nothing")
def aborts(nothing) -> str:
    tried("aborts")
    os.abort()


@app.orchestration_trigger(context_name="context")
def loops(context: df.DurableOrchestrationContext):
    tried("loops")
    while True:
        time.sleep(0.1)
    yield


@app.orchestration_trigger(context_name="context")
def asks(context: df.DurableOrchestrationContext):
    try:
        yield context.call_entity(df.EntityId("deadly", "d"), "get")
    except Exception as error:
        return str(error)


@app.entity_trigger(context_name="context")
def deadly(context: df.DurableEntityContext):
    tried("deadly")
    os.abort()
"""
HOST_JSON = {
    "version": "2.0",
    "functionTimeout": "00:00:01",
    "extensions": {"durableTask": {"storageProvider": {"type": "sqlite"}}},
}


@pytest.fixture(scope="module", params=["1.x", "2.x"])
def host(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[HostProcess]:
    arguments = ("--python", str(v2_interpreter())) if request.param == "2.x" else ()
    code = APP.replace("df.DurableOrchestrationContext", "object").replace("df.DurableEntityContext", "object")
    files = {"function_app.py": code, "host.json": json.dumps(HOST_JSON)}
    host = HostProcess(write_app(tmp_path_factory.mktemp("lost"), files), {"FUNCTIONS_WORKER_RUNTIME": "python"})
    yield host.start(*arguments)
    host.end()


def tries(host: HostProcess, name: str) -> int:
    return (host.root / "tries").read_text().split().count(name)


def test_an_activity_that_aborts_fails_and_those_beside_it_do_not(host: HostProcess) -> None:
    instance = host.get("/api/start/crowd").text
    results, caught = host.wait_status(instance, "Completed", 60)["output"]
    assert results == list(range(5))
    assert "The activity was tried 3 times and never finished" in caught
    assert "Activity function 'aborts' failed: WorkerLost: " in caught or "Activity task #6 failed: " in caught
    assert "the worker process died with signal 6 (SIGABRT) (3 times)" in caught
    assert tries(host, "aborts") == 3
    host.wait_for("DH6205")


def test_an_orchestrator_that_loops_past_the_function_timeout_fails(host: HostProcess) -> None:
    instance = host.get("/api/start/loops").text
    output = host.wait_status(instance, "Failed", 60)["output"]
    assert (
        "The orchestrator was tried 3 times and never finished: the function timeout was exceeded (3 times)" in output
    )
    assert tries(host, "loops") == 3


def test_an_entity_that_aborts_fails_its_operations(host: HostProcess) -> None:
    instance = host.get("/api/start/asks").text
    output = host.wait_status(instance, "Completed", 60)["output"]
    assert "The entity was tried 3 times and never finished" in output
    assert tries(host, "deadly") == 3
