"""The app `durable-approval`: approvals by a queue-triggered sender, with hosts and workers that die meanwhile."""

import json
import os
import signal
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from approvals_world import empty_queue
from azure.storage.queue import QueueClient
from durable_world import finished, wait_custom_status
from host_process import HostProcess

pytestmark = pytest.mark.process


@pytest.fixture
def queue(connection_string: str) -> Iterator[QueueClient]:
    queue = empty_queue(connection_string, f"approvals-{uuid.uuid4().hex[:12]}")
    yield queue
    queue.delete_queue()


@pytest.fixture(params=["storage", "sqlite"])
def host(
    request: pytest.FixtureRequest, start_node_app: Any, queue: QueueClient, tmp_path: Path
) -> Iterator[HostProcess]:
    """The task hub is in storage, or in a file."""
    settings = {"ApprovalQueue": queue.queue_name}
    if request.param == "sqlite":
        prefix = "AzureFunctionsJobHost__extensions__durableTask__storageProvider__"
        settings |= {f"{prefix}type": "sqlite", f"{prefix}path": str(tmp_path / "hub.db")}
    host = start_node_app("durable-approval", settings=settings)
    yield host
    host.end()


def start(host: HostProcess, to: object = "boss", seconds: float = 600) -> str:
    response = host.post("/api/approvals", json={"to": to, "seconds": seconds})
    assert response.status_code == 202, response.text
    return response.json()["id"]


def send(queue: QueueClient, instance_id: str, data: object) -> None:
    queue.send_message(json.dumps({"id": instance_id, "data": data}))


def test_approval_by_the_queue(host: HostProcess, queue: QueueClient) -> None:
    instance_id = start(host)
    wait_custom_status(host, instance_id, "waiting")
    send(queue, instance_id, {"by": "Ann", "list": [1, "é", None]})
    assert finished(host, instance_id)["output"] == {"outcome": {"approved": {"by": "Ann", "list": [1, "é", None]}}}


def test_approval_that_nobody_gives(host: HostProcess) -> None:
    assert finished(host, start(host, "Bob", 0.2))["output"] == {"outcome": "escalated from Bob"}


def test_approval_before_and_after_a_new_start(host: HostProcess, queue: QueueClient) -> None:
    early, late = start(host), start(host)
    wait_custom_status(host, late, "waiting")
    assert host.stop() == 0
    send(queue, early, "early")
    host.start()
    send(queue, late, "late")
    assert finished(host, early)["output"] == {"outcome": {"approved": "early"}}
    assert finished(host, late)["output"] == {"outcome": {"approved": "late"}}


@pytest.mark.timeout(240)
@pytest.mark.parametrize("victim", ["host", "worker"])
def test_all_of_50_approvals_complete_after_kill_9(host: HostProcess, queue: QueueClient, victim: str) -> None:
    ids = [start(host, number) for number in range(50)]
    for number, instance_id in enumerate(ids):
        send(queue, instance_id, number)
    finished(host, ids[10])
    if victim == "host":
        host.kill()
        host.start()
    else:
        os.kill(host.get("/api/pid").json(), signal.SIGKILL)
    for number, instance_id in enumerate(ids):
        status = finished(host, instance_id, limit=60)
        assert status["output"] == {"outcome": {"approved": number}}
        done = [event.get("FunctionName") for event in status["historyEvents"] if event["EventType"] == "TaskCompleted"]
        assert done == ["notify", "approve"]


@pytest.mark.timeout(240)
def test_1000_requests_beside_orchestrations(host: HostProcess, queue: QueueClient) -> None:
    with ThreadPoolExecutor(16) as threads:
        ids = list(threads.map(lambda number: start(host, number), range(30)))
        answers = threads.map(lambda _: host.get("/api/hello").text, range(1000))
        for number, instance_id in enumerate(ids):
            send(queue, instance_id, number)
        assert set(answers) == {"hello"}
    for number, instance_id in enumerate(ids):
        assert finished(host, instance_id, limit=60)["output"] == {"outcome": {"approved": number}}
