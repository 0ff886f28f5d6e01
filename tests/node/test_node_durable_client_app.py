"""The app `durable-client`: every method of the client of `durable-functions` against the host."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from durable_world import finished, hub_of, wait_custom_status
from host_process import HostProcess, until
from node_durable_hosts import start_node_instance

pytestmark = pytest.mark.process


@pytest.fixture(scope="module", params=["newest", "middle", "oldest"])
def host(request: pytest.FixtureRequest, start_node_app: Any) -> Iterator[HostProcess]:
    """With a proxy that leads nowhere: calls to the host do not use it."""
    host = start_node_app("durable-client", kind=request.param, settings={"http_proxy": "http://127.0.0.1:9"})
    yield host
    host.end()


def call(host: HostProcess, method: str, *parameters: object) -> Any:
    """The result of a method of the client. Fails with the message of the error that it throws."""
    answer = host.post("/api/client", json={"method": method, "parameters": parameters}).json()
    assert "error" not in answer, answer["error"]
    return answer["result"]


def error_of(host: HostProcess, method: str, *parameters: object) -> str:
    return host.post("/api/client", json={"method": method, "parameters": parameters}).json()["error"]


@pytest.mark.parametrize("input", [{"a": [1, "é"]}, "text", "5", 5, True, None, [], ""])
def test_start_with_input(host: HostProcess, input: object) -> None:
    instance_id = call(host, "startNew", "returns", {"input": input, "instanceId": f"with {input!r}"})
    assert instance_id == f"with {input!r}"
    assert finished(host, instance_id)["output"] == input


def test_start_without_input(host: HostProcess) -> None:
    assert finished(host, call(host, "startNew", "returns"))["output"] in ("", None)


def test_start_of_what_runs(host: HostProcess) -> None:
    instance_id = call(host, "startNew", "waits", {"instanceId": "runs already"})
    wait_custom_status(host, instance_id, {"step": "waiting"})
    assert "409" in error_of(host, "startNew", "waits", {"instanceId": instance_id}) or "already" in error_of(
        host, "startNew", "waits", {"instanceId": instance_id}
    )


@pytest.mark.parametrize("data", [{"ok": True}, "text", 1, False, None, [1]])
def test_raise_event(host: HostProcess, data: object) -> None:
    instance_id = call(host, "startNew", "waits")
    wait_custom_status(host, instance_id, {"step": "waiting"})
    call(host, "raiseEvent", instance_id, "My Event", data)
    assert finished(host, instance_id)["output"] == data


def test_raise_event_without_an_instance(host: HostProcess) -> None:
    assert "No instance with ID 'nobody' found." in error_of(host, "raiseEvent", "nobody", "My Event", 1)


def test_raise_event_on_an_ended_instance(host: HostProcess) -> None:
    instance_id = call(host, "startNew", "returns", {"input": 1})
    finished(host, instance_id)
    call(host, "raiseEvent", instance_id, "My Event", 1)


def test_status(host: HostProcess) -> None:
    instance_id = call(host, "startNew", "waits", {"input": {"a": 1}})
    wait_custom_status(host, instance_id, {"step": "waiting"})
    status = call(host, "getStatus", instance_id, {"showInput": True})
    assert (status["name"], status["instanceId"], status["runtimeStatus"]) == ("waits", instance_id, "Running")
    assert (status["input"], status["output"], status["customStatus"]) == ({"a": 1}, None, {"step": "waiting"})
    assert status["createdTime"] <= status["lastUpdatedTime"]
    assert "404" in error_of(host, "getStatus", "nobody")


def test_status_of_all_and_by(host: HostProcess) -> None:
    instance_id = call(host, "startNew", "fails")
    finished(host, instance_id, "Failed")
    every = call(host, "getStatusAll")
    assert instance_id in [status["instanceId"] for status in every]
    failed = call(
        host, "getStatusBy", {"createdTimeFrom": {"time": "2020-01-01T00:00:00Z"}, "runtimeStatus": ["Failed"]}
    )
    assert {status["runtimeStatus"] for status in failed} == {"Failed"}
    none = call(host, "getStatusBy", {"createdTimeFrom": {"time": "2090-01-01T00:00:00Z"}, "runtimeStatus": ["Failed"]})
    assert none == []


def test_status_of_more_instances_than_fit_in_a_page(host: HostProcess) -> None:
    with ThreadPoolExecutor(8) as threads:
        ids = set(threads.map(lambda number: start_node_instance(host, "returns", number), range(120)))
    assert ids <= {status["instanceId"] for status in call(host, "getStatusAll")}


def test_events_and_signals_to_a_named_hub(host: HostProcess) -> None:
    instance_id = call(host, "startNew", "waits")
    wait_custom_status(host, instance_id, {"step": "waiting"})
    hub = {"taskHubName": hub_of(host), "connectionName": "AzureWebJobsStorage"}
    call(host, "raiseEvent", instance_id, "My Event", "named", hub)
    assert finished(host, instance_id)["output"] == "named"
    call(host, "signalEntity", {"entity": ["Counter", "named"]}, "add", 2, hub)
    assert until(
        lambda: call(host, "readEntityState", {"entity": ["Counter", "named"]}).get("entityState") == 2, host=host
    )


def test_suspend_and_resume(host: HostProcess, request: pytest.FixtureRequest) -> None:
    if "oldest" in request.node.name:
        pytest.skip("suspend came with durable-functions 3.1")
    instance_id = call(host, "startNew", "waits")
    wait_custom_status(host, instance_id, {"step": "waiting"})
    call(host, "suspend", instance_id, "a reason & more")
    host.wait_status(instance_id, "Suspended")
    call(host, "resume", instance_id, "again")
    call(host, "raiseEvent", instance_id, "My Event", 1)
    finished(host, instance_id)


def test_terminate_rewind_and_purge(host: HostProcess) -> None:
    waiting, failing = call(host, "startNew", "waits"), call(host, "startNew", "fails")
    wait_custom_status(host, waiting, {"step": "waiting"})
    call(host, "terminate", waiting, "no more")
    assert finished(host, waiting, "Terminated")["output"] == "no more"
    finished(host, failing, "Failed")
    call(host, "rewind", failing, "again")
    finished(host, failing, "Failed")
    assert error_of(host, "rewind", waiting, "no failure")
    assert call(host, "purgeInstanceHistory", waiting) == {"instancesDeleted": 1}
    assert call(host, "purgeInstanceHistory", "nobody") == {"instancesDeleted": 0}
    purged = call(
        host,
        "purgeInstanceHistoryBy",
        {"createdTimeFrom": {"time": "2020-01-01T00:00:00Z"}, "runtimeStatus": ["Terminated"]},
    )
    assert purged["instancesDeleted"] >= 0


def test_entities(host: HostProcess) -> None:
    counter = {"entity": ["Counter", "K 1"]}
    assert call(host, "readEntityState", {"entity": ["Counter", "nobody"]}) == {"entityExists": False}
    call(host, "signalEntity", counter, "add", 5)
    call(host, "signalEntity", counter, "add")
    state = until(
        lambda: (found := call(host, "readEntityState", counter)).get("entityState") == 6 and found, host=host
    )
    assert state == {"entityExists": True, "entityState": 6}


def test_check_status_response(host: HostProcess) -> None:
    response = host.get("/api/check/some")
    assert response.status_code == 202
    assert response.headers["Location"].startswith(f"{host.base_url}/runtime/webhooks/durabletask/instances/some")
    urls = response.json()
    assert urls["id"] == "some"
    assert all(isinstance(value, str) and "INSTANCEID" not in value for value in urls.values())


def test_wait_for_completion(host: HostProcess) -> None:
    done = call(host, "startNew", "returns", {"input": "out"})
    response = host.get(f"/api/wait/{done}")
    assert (response.status_code, response.text) == (200, '"out"')
    failed = call(host, "startNew", "fails")
    assert host.get(f"/api/wait/{failed}").status_code == 500
    waiting = call(host, "startNew", "waits")
    wait_custom_status(host, waiting, {"step": "waiting"})
    assert host.get(f"/api/wait/{waiting}?limit=100").status_code == 202


def test_management_payload(host: HostProcess) -> None:
    payload = call(host, "createHttpManagementPayload", "some")
    assert payload["id"] == "some"
    assert "/instances/some/terminate" in payload["terminatePostUri"]
    assert start_node_instance(host, "returns", 1)
