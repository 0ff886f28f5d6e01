"""Apps for the Durable Task Scheduler start unchanged: a local task hub replaces the service."""

import json
import uuid

import pytest
from durable_world import HEADER, StartHost
from host_process import HostProcess

APP = (
    HEADER
    + """
CLIENT = {"client_name": "client", "task_hub": "%TASKHUB_NAME%", "connection_name": "SCHEDULER"}


@app.activity_trigger(input_name="name")
def hello(name: str) -> str:
    return f"Hello {name}!"


@app.orchestration_trigger(context_name="context")
def greet(context):
    first = yield context.call_activity("hello", "Tokyo")
    data = yield context.wait_for_external_event("Approval")
    return [first, data]


@app.route(route="start/{instance}")
@app.durable_client_input(**CLIENT)
async def start(req, client):
    instance = await client.start_new("greet", req.route_params["instance"])
    return client.create_check_status_response(req, instance)


@app.route(route="approve/{instance}")
@app.durable_client_input(**CLIENT)
async def approve(req, client):
    await client.raise_event(req.route_params["instance"], "Approval", 7)
    return "approved"
"""
)
SCHEDULER = {
    "hubName": "%TASKHUB_NAME%",
    "storageProvider": {"type": "azureManaged", "connectionStringName": "SCHEDULER"},
}


def start_app(start_host: StartHost, storage: str, *arguments: str) -> HostProcess:
    files = {
        "function_app.py": APP,
        "host.json": json.dumps({"version": "2.0", "extensions": {"durableTask": SCHEDULER}}),
    }
    settings = {
        "AzureWebJobsStorage": storage,
        "SCHEDULER": "Endpoint=http://localhost:8080;Authentication=None",
        "TASKHUB_NAME": f"hub-{uuid.uuid4().hex[:12]}",
        "AzureFunctionsJobHost__extensions__durableTask__hubName": "%TASKHUB_NAME%",
    }
    return start_host(files, *arguments, settings=settings)


def approved(host: HostProcess) -> list[object]:
    instance = uuid.uuid4().hex
    links = host.get(f"/api/start/{instance}").json()
    assert links["id"] == instance
    assert host.get(f"/api/approve/{instance}").text == "approved"
    return host.wait_status(instance, "Completed")["output"]


@pytest.mark.parametrize("storage", ["emulator", "none"])
def test_the_app_runs_on_the_local_task_hub_and_one_line_says_so(
    start_host: StartHost, connection_string: str, storage: str
) -> None:
    host = start_app(start_host, connection_string if storage == "emulator" else "")
    assert approved(host) == ["Hello Tokyo!", "7"]
    host.wait_for("Durable Task Scheduler, which does not run")
    assert host.output.count("Durable Task Scheduler, which does not run on this machine") == 1
    assert bool(list(host.root.rglob("*.db"))) == (storage == "none")


def test_the_option_chooses_the_file(start_host: StartHost, connection_string: str) -> None:
    host = start_app(start_host, connection_string, "--task-hub", "sqlite")
    assert approved(host) == ["Hello Tokyo!", "7"]
    assert list(host.root.rglob("*.db"))
