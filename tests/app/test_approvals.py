"""The life of an event: the sample apps through `func start`, queues and HTTP.

The sample in Python runs with both generations of the SDK; the one in JavaScript has the same routes and messages.
"""

import base64
import json
import uuid
from collections.abc import Iterator

import pytest
from approvals_world import QUEUE, copy_node_sample, copy_sample, interpreter_options, start_approval, wait_stage
from azure.storage.queue import QueueClient
from host_process import HostProcess, hub_settings, until
from npm_packages import NpmPackages


@pytest.fixture(
    scope="module",
    params=[("1.x", "storage"), ("2.x", "storage"), ("2.x", "sqlite"), ("node", "storage"), ("node", "sqlite")],
    ids="-".join,
)
def shared_host(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, connection_string: str
) -> Iterator[HostProcess]:
    generation, task_hub = request.param
    folder, settings = tmp_path_factory.mktemp("shared") / "app", hub_settings(connection_string)
    if generation == "node":
        packages: NpmPackages = request.getfixturevalue("npm_packages")
        host = HostProcess(copy_node_sample(folder, packages), settings | {"FUNCTIONS_WORKER_RUNTIME": "node"})
        options = ()
    else:
        host = HostProcess(copy_sample(folder), settings)
        options = interpreter_options(generation)
    yield host.start("--task-hub", task_hub, *options)
    host.end()


@pytest.fixture
def host(shared_host: HostProcess, approval_queue: QueueClient) -> HostProcess:
    """One host for all tests that leave it running."""
    return shared_host


def test_a_started_approval_answers_with_the_management_urls_and_runs(host: HostProcess) -> None:
    response = host.post("/api/approvals", data='{"item": "laptop", "amount": 1800}')
    assert response.status_code == 202
    urls = response.json()
    assert {"id", "statusQueryGetUri", "sendEventPostUri", "terminatePostUri", "purgeHistoryDeleteUri"} <= urls.keys()
    assert response.headers["Location"] == urls["statusQueryGetUri"]
    wait_stage(host, urls["id"], "Waiting for approval")
    status = host.get(urls["statusQueryGetUri"])
    assert status.status_code == 202
    assert status.json()["runtimeStatus"] == "Running"


@pytest.mark.parametrize("form", ["base64", "plain", "json"])
def test_a_queue_message_approves(host: HostProcess, approval_queue: QueueClient, form: str) -> None:
    instance_id = start_approval(host)["id"]
    text = {
        "base64": base64.b64encode(instance_id.encode()).decode(),
        "plain": instance_id,
        "json": json.dumps({"instanceId": instance_id}),
    }[form]
    approval_queue.send_message(text)
    finished = host.wait_status(instance_id, "Completed")
    assert finished["output"] == {"outcome": "Approved", "item": "laptop", "amount": 1800}
    assert finished["customStatus"] == {"stage": "Approved"}


def test_a_queue_message_can_deny(host: HostProcess, approval_queue: QueueClient) -> None:
    instance_id = start_approval(host)["id"]
    approval_queue.send_message(json.dumps({"instanceId": instance_id, "approved": False}))
    assert host.wait_status(instance_id, "Completed")["output"]["outcome"] == "Denied"


@pytest.mark.parametrize(
    ("decision", "outcome"),
    [(True, "Approved"), ({"approved": True}, "Approved"), (None, "Approved"), (False, "Denied"), ("denied", "Denied")],
)
def test_posting_the_event_decides(host: HostProcess, decision: object, outcome: str) -> None:
    urls = start_approval(host)
    wait_stage(host, urls["id"], "Waiting for approval")
    response = host.post(urls["sendEventPostUri"].replace("{eventName}", "Approval"), json=decision or decision,
                         data=None if decision is not None else "null",
                         headers={"Content-Type": "application/json"})  # fmt: skip
    assert response.status_code == 202
    assert host.wait_status(urls["id"], "Completed")["output"]["outcome"] == outcome


def test_a_request_that_nobody_decides_expires(host: HostProcess) -> None:
    instance_id = start_approval(host, expiresInSeconds=0.5)["id"]
    assert host.wait_status(instance_id, "Completed")["output"]["outcome"] == "Expired"


def test_an_event_sent_before_the_wait_is_delivered(host: HostProcess) -> None:
    urls = start_approval(host)
    event = urls["sendEventPostUri"].replace("{eventName}", "Approval")
    assert host.post(event, json=True).status_code == 202
    assert host.wait_status(urls["id"], "Completed")["output"]["outcome"] == "Approved"


@pytest.mark.parametrize(
    "body", ["", "no json", "[]", "{}", '{"item": "", "amount": 1}', '{"item": "x", "amount": "1"}',
             '{"item": "x", "amount": NaN}', '{"item": "x", "amount": 1, "expiresInSeconds": -1}',
             '{"item": "x", "amount": 1, "expiresInSeconds": "soon"}'],
)  # fmt: skip
def test_a_senseless_request_is_refused(host: HostProcess, body: str) -> None:
    response = host.post("/api/approvals", data=body)
    assert response.status_code == 400
    assert response.json()["error"]


def test_messages_that_name_no_instance_end_in_the_poison_queue_and_the_host_continues(
    host: HostProcess, approval_queue: QueueClient, connection_string: str
) -> None:
    bad = ["no such instance", "a/b?c#d", "{broken", uuid.uuid4().hex, "<&>\u00e4\U0001f600"]
    for text in bad:
        approval_queue.send_message(text)
    poison = QueueClient.from_connection_string(connection_string, f"{QUEUE}-poison")
    until(lambda: len(poison.peek_messages(32)) == len(bad), host=host)
    assert sorted(message.content for message in poison.peek_messages(32)) == sorted(bad)
    instance_id = start_approval(host)["id"]
    approval_queue.send_message(instance_id)
    assert host.wait_status(instance_id, "Completed")["output"]["outcome"] == "Approved"


def test_a_second_decision_for_a_finished_request_is_only_logged(
    host: HostProcess, approval_queue: QueueClient
) -> None:
    instance_id = start_approval(host)["id"]
    approval_queue.send_message(instance_id)
    host.wait_status(instance_id, "Completed")
    approval_queue.send_message(instance_id)
    host.wait_for(f"Approval {instance_id} is already Completed")
    until(lambda: approval_queue.get_queue_properties().approximate_message_count == 0, host=host)


def test_the_status_route_shows_how_far_a_request_is(host: HostProcess) -> None:
    instance_id = start_approval(host)["id"]
    wait_stage(host, instance_id, "Waiting for approval")
    told = host.get(f"/api/approvals/{instance_id}").json()
    assert (told["state"], told["progress"]["stage"]) == ("Running", "Waiting for approval")
    assert host.get("/api/approvals/nobody").status_code == 404
