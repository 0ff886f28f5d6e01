"""Durable Node.js apps in virtual time."""

from collections.abc import Iterator
from datetime import timedelta

import pytest
from node_apps import copy_node_app
from npm_packages import NpmPackages

from durable_host.testing import VirtualHost

pytestmark = pytest.mark.process


@pytest.fixture(scope="module")
def host(npm_packages: NpmPackages, tmp_path_factory: pytest.TempPathFactory) -> Iterator[VirtualHost]:
    root = copy_node_app("durable-time", tmp_path_factory.mktemp("time") / "app", npm_packages, "newest")
    with VirtualHost(root, settings={"FUNCTIONS_WORKER_RUNTIME": "node"}) as virtual:
        yield virtual


@pytest.mark.parametrize("days", [1, 6, 7, 20])
def test_a_timer_fires_after_its_days(host: VirtualHost, days: int) -> None:
    began = host.now
    instance_id = host.start("longTimer", days)
    host.advance(timedelta(days=days) - timedelta(minutes=1))
    assert host.status(instance_id).status == "Running"
    assert host.wait(instance_id).output == "after"
    assert timedelta(days=days) <= host.now - began < timedelta(days=days, minutes=1)


def test_a_long_timer_can_be_canceled(host: VirtualHost) -> None:
    instance_id = host.start("canceledLongTimer")
    host.raise_event(instance_id, "E", {"a": 1})
    assert host.wait(instance_id).output == "after"


def test_inputs_and_events_are_values(host: VirtualHost) -> None:
    instance_id = host.start("race", "5")
    assert host.status(instance_id).input == "5"
    host.raise_event(instance_id, "Approval", {"by": "Ann"})
    assert host.wait(instance_id).output == [{"by": "Ann"}]
