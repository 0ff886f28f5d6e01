"""The app `durable-all` on a real host: what orchestrators can do, and what can be done with them."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from durable_world import MANAGEMENT, finished, raise_event, wait_custom_status
from host_process import HostProcess, until
from node_durable_hosts import node_output, operate, start_node_instance

pytestmark = pytest.mark.process


@pytest.fixture(scope="module", params=["newest", "oldest"])
def host(request: pytest.FixtureRequest, start_node_app: Any) -> Iterator[HostProcess]:
    version = {"AzureFunctionsJobHost__extensions__durableTask__defaultVersion": "2.0"}
    host = start_node_app("durable-all", kind=request.param, settings=version)
    yield host
    host.end()


@pytest.mark.parametrize(
    ("orchestrator", "input", "output"),
    [
        ("inputs", None, ["text", "5", 5, 0, True, False, None, None, {"a": [1, "é"]}, [], ""]),
        ("kinds", None, ["YWI=", None, 1.5, 100_000]),
        ("again", {"n": 0}, {"n": 3}),
        ("againText", "first", '"second"'),
        ("anyThenAll", None, ["a", ["a", "b", "c"]]),
        ("fanOut", 100, 4950),
        (
            "retried",
            {"firstRetryIntervalInMilliseconds": 50},
            ["Activity function 'escalate' failed:  no boss: x ", "after"],
        ),
    ],
)
def test_output(host: HostProcess, orchestrator: str, input: Any, output: Any) -> None:
    assert node_output(host, orchestrator, input) == output


def test_children_get_ids_and_inputs(host: HostProcess) -> None:
    instance_id = start_node_instance(host, "fixedChild")
    output = finished(host, instance_id)["output"]
    assert output == [{"input": 1, "parent": instance_id}, {"input": 2, "parent": instance_id}, 36, False]
    assert host.status(f"{instance_id}-child")["input"] == 1


def test_failure_of_an_orchestrator(host: HostProcess) -> None:
    status = finished(host, start_node_instance(host, "fails", "error"), "Failed")
    assert status["output"] == "Orchestrator function 'fails' failed: user bug"
    host.wait_for("Exception: user bug")
    host.wait_for(r"orchestrations\.js:\d+")


def test_failure_of_an_activity(host: HostProcess) -> None:
    status = finished(host, start_node_instance(host, "fails", "activity"), "Failed")
    assert status["output"].startswith(
        "Orchestrator function 'fails' failed: Activity function 'throwText' failed:  just text"
    )


def test_suspend_resume_and_version(host: HostProcess) -> None:
    instance_id = start_node_instance(host, "waits")
    wait_custom_status(host, instance_id, "waiting")
    operate(host, instance_id, "suspend", reason="pause")
    host.wait_status(instance_id, "Suspended")
    raise_event(host, instance_id, "Go", {"n": 1})
    operate(host, instance_id, "resume", reason="go on")
    data, version = finished(host, instance_id)["output"]
    assert (data, version) in [({"n": 1}, "2.0"), ({"n": 1}, None)]


def test_terminate_and_purge(host: HostProcess) -> None:
    instance_id = start_node_instance(host, "waits")
    wait_custom_status(host, instance_id, "waiting")
    operate(host, instance_id, "terminate", reason="no more")
    assert finished(host, instance_id, "Terminated")["output"] == "no more"
    operate(host, instance_id, "terminate", status=410)
    assert host.request("DELETE", f"{MANAGEMENT}/instances/{instance_id}").json() == {"instancesDeleted": 1}
    assert host.get(f"{MANAGEMENT}/instances/{instance_id}").status_code == 404


def test_rewind(host: HostProcess, tmp_path: Path) -> None:
    file = tmp_path / "there"
    instance_id = start_node_instance(host, "rewound", str(file))
    finished(host, instance_id, "Failed")
    file.touch()
    operate(host, instance_id, "rewind", reason="the file is there")
    assert until(lambda: host.status(instance_id)["output"] == "there", host=host)


def test_restart(host: HostProcess) -> None:
    instance_id = start_node_instance(host, "again", {"n": 2})
    finished(host, instance_id)
    restarted = operate(host, instance_id, "restart")
    assert restarted["id"] != instance_id
    assert finished(host, restarted["id"])["output"] == {"n": 3}


def test_event_that_nothing_takes_is_reported(host: HostProcess) -> None:
    instance_id = start_node_instance(host, "waits")
    wait_custom_status(host, instance_id, "waiting")
    raise_event(host, instance_id, "go", 1)
    host.wait_for("'go' was raised while the orchestrator waits for 'Go'")
    raise_event(host, instance_id, "Go", 2)
    assert finished(host, instance_id)["output"][0] == 2
    host.wait_for("The event 'go' was never consumed")
