"""The app `durable-entities` on a real host: operations, errors, signals between entities, locks."""

from collections.abc import Iterator
from typing import Any

import pytest
from durable_world import MANAGEMENT, finished
from host_process import HostProcess, until
from node_durable_hosts import node_output, start_node_instance

pytestmark = pytest.mark.process


@pytest.fixture(scope="module")
def host(start_node_app: Any) -> Iterator[HostProcess]:
    host = start_node_app("durable-entities")
    yield host
    host.end()


def signal(host: HostProcess, entity: str, operation: str, input: object = None) -> None:
    url = f"{MANAGEMENT}/entities/{entity}?op={operation}"
    assert host.post(url, json=input).status_code == 202


def state_of(host: HostProcess, entity: str) -> Any:
    response = host.get(f"{MANAGEMENT}/entities/{entity}")
    return response.json() if response.status_code == 200 else None


def test_calls_and_signals_of_an_orchestrator(host: HostProcess) -> None:
    output = node_output(host, "entities")
    assert output == [3, True, 7, ["[object Object]", "bad text"]]


def test_failed_operations_are_logged_with_their_errors(host: HostProcess) -> None:
    signal(host, "Counter/failing", "fail")
    host.wait_for("Operation 'fail' failed.")
    host.wait_for("Exception: lost")
    host.wait_for(r"at .*entities\.js:\d+")
    signal(host, "Counter/failing", "failText")
    host.wait_for("Operation 'failText' failed.")
    host.wait_for("Exception: bad text")


def test_signal_of_an_entity_to_another_one(host: HostProcess) -> None:
    signal(host, "Counter/teller", "tell", 5)
    assert until(lambda: state_of(host, "Counter/other") == 5, host=host)


@pytest.mark.parametrize(("key", "end"), [("returns", "Completed"), ("raises", "Failed")])
def test_lock_that_the_code_keeps_ends_with_it(host: HostProcess, key: str, end: str) -> None:
    for _ in range(2):
        finished(host, start_node_instance(host, "keepsLock", key), end)
    signal(host, f"Account/{key}", "deposit", 1)
    assert until(lambda: state_of(host, f"Account/{key}") == 1, host=host)


def test_deleted_entity_is_gone(host: HostProcess) -> None:
    signal(host, "Counter/gone", "add", 1)
    until(lambda: state_of(host, "Counter/gone") == 1, host=host)
    signal(host, "Counter/gone", "delete")
    assert until(lambda: state_of(host, "Counter/gone") is None, host=host)


def test_an_operation_that_returns_twice_has_its_first_result(host: HostProcess) -> None:
    signal(host, "Counter/twice", "twice")
    signal(host, "Counter/twice", "add", 2)
    assert until(lambda: state_of(host, "Counter/twice") == 2, host=host)


@pytest.mark.differs("node-locks")
def test_locked_entities_are_changed_by_one_orchestration_at_a_time(host: HostProcess) -> None:
    signal(host, "Account/one", "deposit", 100)
    until(lambda: state_of(host, "Account/one") == 100, host=host)
    transfers = [start_node_instance(host, "transfer", {"from": "one", "to": "two", "amount": 30}) for _ in range(5)]
    outputs = [finished(host, transfer)["output"] for transfer in transfers]
    assert sorted(output["moved"] for output in outputs) == [0, 0, 30, 30, 30]
    assert all(output["locked"] for output in outputs)
    assert (state_of(host, "Account/one"), state_of(host, "Account/two")) == (10, 90)
