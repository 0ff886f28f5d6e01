"""What the JavaScript sample does in the course of days, without waiting for them."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from approvals_world import copy_node_sample
from npm_packages import NpmPackages

from durable_host.testing import VirtualHost

REQUEST = {"item": "laptop", "amount": 1800}


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory, npm_packages: NpmPackages) -> Iterator[VirtualHost]:
    root: Path = copy_node_sample(tmp_path_factory.mktemp("virtual") / "app", npm_packages)
    settings = {"AzureWebJobsStorage": "UseDevelopmentStorage=true", "FUNCTIONS_WORKER_RUNTIME": "node"}
    with VirtualHost(root, settings=settings) as host:
        yield host


def test_nobody_decides_for_three_days(host: VirtualHost) -> None:
    answer = host.run("StartApproval", REQUEST)
    assert answer["status"] == 202
    instance_id = json.loads(answer["body"])["id"]
    host.advance(hours=71)
    assert host.status(instance_id).custom_status["stage"] == "Waiting for approval"
    assert host.wait(instance_id).output == {"outcome": "Expired", **REQUEST}


def test_message_approves_on_the_last_day(host: VirtualHost) -> None:
    instance_id = json.loads(host.run("StartApproval", REQUEST)["body"])["id"]
    host.advance(days=2, hours=23)
    host.run("ApprovalQueueProcessor", instance_id)
    assert host.status(instance_id).output == {"outcome": "Approved", **REQUEST}


def test_event_denies(host: VirtualHost) -> None:
    instance_id = json.loads(host.run("StartApproval", REQUEST)["body"])["id"]
    host.raise_event(instance_id, "Approval", {"approved": False})
    assert host.wait(instance_id).output == {"outcome": "Denied", **REQUEST}
