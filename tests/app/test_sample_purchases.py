"""The app in samples/purchases: the native style of the 2.x SDK, through `func start` on Azure Storage and SQLite."""

import json
import shutil
from collections.abc import Iterator

import pytest
from approvals_world import REPOSITORY, empty_queue
from azure.storage.queue import QueueClient
from host_process import HostProcess, hub_settings, until
from v2_environment import v2_interpreter

QUEUE = "purchase-decisions"


@pytest.fixture(scope="module")
def decisions(connection_string: str) -> Iterator[QueueClient]:
    with empty_queue(connection_string, QUEUE) as queue:
        yield queue


@pytest.fixture(scope="module", params=["storage", "sqlite"])
def host(
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
    connection_string: str,
    decisions: QueueClient,
) -> Iterator[HostProcess]:
    folder = tmp_path_factory.mktemp("samples") / "purchases"
    shutil.copytree(REPOSITORY / "samples" / "purchases", folder, ignore=shutil.ignore_patterns("__pycache__"))
    host = HostProcess(folder, hub_settings(connection_string))
    yield host.start("--task-hub", request.param, "--python", str(v2_interpreter()))
    host.end()


def ordered(host: HostProcess, team: str) -> str:
    """The ID of a new purchase that waits for its decision."""
    response = host.post("/api/purchases", json={"item": "laptop", "amount": 1800, "team": team})
    assert response.status_code == 202, response.text
    id = response.json()["id"]
    until(lambda: host.get(f"/api/purchases/{id}").json()["stage"] == "waiting", host=host)
    return id


def test_message_approves_and_the_budget_counts_it(host: HostProcess, decisions: QueueClient) -> None:
    for spent in (1800, 3600):
        id = ordered(host, "web")
        decisions.send_message(json.dumps({"purchase": id, "approved": True, "by": "Ada"}))
        outcome = {"outcome": "approved", "by": "Ada", "spent": spent}
        assert host.wait_status(id, "Completed")["output"] == outcome
        told = host.get(f"/api/purchases/{id}").json()
        assert (told["state"], told["output"]) == ("COMPLETED", outcome)
    assert host.get("/api/budgets/web").json() == {"spent": 3600}


def test_message_denies(host: HostProcess, decisions: QueueClient) -> None:
    id = ordered(host, "data")
    decisions.send_message(json.dumps({"purchase": id, "approved": False}))
    assert host.wait_status(id, "Completed")["output"] == {"outcome": "denied", "by": "somebody"}
    decisions.send_message(json.dumps({"purchase": id, "approved": True}))
    host.wait_for(f"Purchase {id} is already decided")
    assert host.get("/api/budgets/data").json() == {"spent": 0}


def test_posted_event_decides(host: HostProcess) -> None:
    id = ordered(host, "post")
    path = f"/runtime/webhooks/durabletask/instances/{id}/raiseEvent/decision"
    assert host.post(path, json={"approved": True, "by": "Bob"}).status_code == 202
    assert host.wait_status(id, "Completed")["output"] == {"outcome": "approved", "by": "Bob", "spent": 1800}


def test_what_is_wrong_is_refused(host: HostProcess) -> None:
    assert host.post("/api/purchases", data="[]").status_code == 400
    assert host.get("/api/purchases/nobody").status_code == 404
