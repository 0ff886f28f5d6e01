"""The durable client of the 2.x SDK in an app's functions: over gRPC, with the management URLs that it creates."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
import requests
from host_process import HostProcess, hub_settings, until, write_app
from v2_environment import v2_interpreter

pytestmark = pytest.mark.timeout(300)

APP = """
import json
import azure.functions as func
import azure.durable_functions as df

app = df.DFApp(http_auth_level=func.AuthLevel.ANONYMOUS)


@app.activity_trigger(input_name="name")
def hello(name: str) -> str:
    return f"Hello {name}"


@app.orchestration_trigger(context_name="context")
def greet(context: df.DurableOrchestrationContext):
    return (yield context.call_activity("hello", context.get_input()))


@app.orchestration_trigger(context_name="context")
def approval(context: df.DurableOrchestrationContext):
    return (yield context.wait_for_external_event("Approval"))


@app.entity_trigger(context_name="context")
def counter(context: df.DurableEntityContext):
    context.set_state(context.get_state(lambda: 0) + context.get_input())


@app.route(route="start/{name}", methods=["POST"])
@app.durable_client_input(client_name="client")
async def start(req: func.HttpRequest, client: df.DurableOrchestrationClient) -> func.HttpResponse:
    id = await client.start_new(req.route_params["name"], client_input=req.get_json())
    return client.create_check_status_response(req, id)


@app.route(route="wait/{name}", methods=["POST"])
@app.durable_client_input(client_name="client")
async def wait(req: func.HttpRequest, client: df.DurableOrchestrationClient) -> func.HttpResponse:
    id = await client.start_new(req.route_params["name"], client_input=req.get_json())
    return await client.wait_for_completion_or_create_check_status_response(req, id, 30000)


@app.route(route="round", methods=["POST"])
@app.durable_client_input(client_name="client")
async def round_trip(req: func.HttpRequest, client: df.DurableOrchestrationClient) -> func.HttpResponse:
    seen = {}
    id = await client.start_new("approval")
    await client.wait_for_orchestration_start(id)
    seen["running"] = str((await client.get_status(id)).runtime_status)
    await client.suspend(id, "wait")
    await client.raise_event(id, "Approval", {"by": "me"})
    await client.resume(id, "go on")
    state = await client.wait_for_orchestration_completion(id)
    seen["output"] = json.loads(state.serialized_output)
    seen["history"] = [one["EventType"] for one in (await client.get_status(id, show_history=True)).history]
    other = await client.start_new("approval")
    await client.terminate(other, "enough")
    state = await client.wait_for_orchestration_completion(other)
    seen["terminated"] = str(state.runtime_status)
    await client.signal_entity(df.EntityId("Counter", "k"), "add", 3)
    seen["all"] = len(await client.get_status_all())
    seen["purged"] = (await client.purge_instance_history(id)).instances_deleted
    seen["missing"] = bool(await client.get_status(id))
    try:
        await client.raise_event("nobody", "Approval")
    except Exception as error:
        seen["error"] = error.code().name
    return func.HttpResponse(json.dumps(seen))


@app.route(route="entity", methods=["GET"])
@app.durable_client_input(client_name="client")
async def entity(req: func.HttpRequest, client: df.DurableOrchestrationClient) -> func.HttpResponse:
    found = await client.read_entity_state(df.EntityId("Counter", "k"))
    return func.HttpResponse(json.dumps([found.entity_exists, found.entity_state]))


@app.route(route="sync", methods=["POST"])
@app.durable_client_input(client_name="client")
def sync(req: func.HttpRequest, client) -> func.HttpResponse:
    id = client.schedule_new_orchestration("greet", input="sync")
    return func.HttpResponse(client.wait_for_orchestration_completion(id, timeout=30).serialized_output)
"""


@pytest.fixture(scope="module", params=["sqlite", "storage"])
def host(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, connection_string: str
) -> Iterator[HostProcess]:
    interpreter = v2_interpreter()
    root = write_app(tmp_path_factory.mktemp("v2client"), {"function_app.py": APP})
    host = HostProcess(root, hub_settings(connection_string))
    yield host.start("--python", str(interpreter), "--task-hub", request.param)
    host.end()


def _post(host: HostProcess, path: str, body: Any = None) -> requests.Response:
    return host.post(f"/api/{path}", data=json.dumps(body), headers={"Content-Type": "application/json"})


def test_the_banner_names_the_grpc_endpoint(host: HostProcess) -> None:
    assert "gRPC:      http://127.0.0.1:" in host.output


def test_the_urls_of_a_check_status_response_work(host: HostProcess) -> None:
    response = _post(host, "start/approval", "x")
    assert response.status_code == 202, response.text
    urls = response.json()
    assert response.headers["Location"] == urls["statusQueryGetUri"]
    assert urls["statusQueryGetUri"].startswith(f"{host.base_url}/runtime/webhooks/durabletask/instances/{urls['id']}?")
    assert requests.post(urls["suspendPostUri"].replace("{text}", "why"), timeout=30).status_code == 202
    assert requests.post(urls["resumePostUri"].replace("{text}", "why"), timeout=30).status_code == 202
    event = urls["sendEventPostUri"].replace("{eventName}", "Approval")
    assert requests.post(event, json={"by": "me"}, timeout=30).status_code == 202

    def status() -> Any:
        return requests.get(urls["statusQueryGetUri"], timeout=30).json()

    until(lambda: status()["runtimeStatus"] == "Completed", host=host)
    assert status()["output"] == {"by": "me"}
    assert requests.post(urls["restartPostUri"], timeout=30).status_code == 202
    assert requests.delete(urls["purgeHistoryDeleteUri"], timeout=30).status_code == 200


def test_a_function_may_wait_for_the_output(host: HostProcess) -> None:
    response = _post(host, "wait/greet", "Ada")
    assert (response.status_code, response.json()) == (200, "Hello Ada")


def test_a_function_that_is_not_async_gets_a_synchronous_client(host: HostProcess) -> None:
    assert _post(host, "sync").text == '"Hello sync"'


def test_the_client_does_what_it_offers(host: HostProcess) -> None:
    response = _post(host, "round")
    assert response.status_code == 200, f"{response.text}\n{host.output}"
    seen = response.json()
    assert seen["running"].endswith("RUNNING") or seen["running"].endswith("Running")
    assert seen["output"] == {"by": "me"}
    assert seen["history"][0] == "ExecutionStarted"
    assert seen["history"][-1] == "ExecutionCompleted"
    assert seen["terminated"].endswith("TERMINATED")
    assert seen["all"] >= 2
    assert (seen["purged"], seen["missing"], seen["error"]) == (1, False, "NOT_FOUND")
    until(lambda: requests.get(f"{host.base_url}/api/entity", timeout=30).json() == [True, 3], host=host)
