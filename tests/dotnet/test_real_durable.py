"""Durable functions of a real .NET isolated app through `func start`. Skipped where there is no .NET."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from azure.storage.queue import QueueClient
from durable_world import MANAGEMENT, finished, raise_event, wait_custom_status
from host_process import HostProcess, until
from real_apps import copy_of, runtime_settings
from real_world import approvals_queue, decide, events, manage, start_budget
from scripted_hosts import dotnet_settings

pytestmark = [pytest.mark.process, pytest.mark.timeout(240)]


def start(host: HostProcess, name: str, input: Any, instance_id: str) -> str:
    """Start over HTTP: .NET code gets the body as its input."""
    response = host.post(f"{MANAGEMENT}/orchestrators/{name}/{instance_id}", data=json.dumps(input))
    assert response.status_code == 202, response.text
    return instance_id


@pytest.fixture(scope="module", params=["azurite", "sqlite"])
def host(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, connection_string: str
) -> Iterator[HostProcess]:
    """A host of the app, on a hub in storage or in a file. An orchestration that takes long has been started."""
    settings = {**dotnet_settings(connection_string), **runtime_settings()}
    host = HostProcess(copy_of("core", tmp_path_factory.mktemp("real")), settings)
    host.start(*(("--task-hub", "sqlite") if request.param == "sqlite" else ()))
    start(host, "Everything", "retry", "retried")
    yield host
    host.end()


@pytest.fixture(scope="module")
def queue(connection_string: str) -> Iterator[QueueClient]:
    with approvals_queue(connection_string) as queue:
        yield queue


@pytest.mark.parametrize(
    ("approved", "output"), [(True, "processed Desk 12.5"), (False, "rejected Desk")], ids=["approved", "rejected"]
)
def test_a_queue_message_decides_on_an_approval(
    host: HostProcess, queue: QueueClient, approved: bool, output: str
) -> None:
    instance_id = start_budget(host)
    wait_custom_status(host, instance_id, {"waiting": True})
    decide(queue, instance_id, approved)
    status = finished(host, instance_id)
    assert status["output"] == output
    assert status["input"] == {"Title": "Desk", "Amount": 12.5}
    assert [event["Name"] for event in events(status, "EventRaised")] == ["Approval"]


@pytest.mark.parametrize(
    ("what", "status", "output"),
    [
        ("all", "Completed", "processed a 1+processed b 2 at "),
        ("child", "Completed", "child:x:2.0"),
        ("childauto", "Completed", "child:x:"),
        ("send", "Completed", "sent"),
        ("guid", "Completed", "-"),
        ("entity", "Completed", ""),
        ("signal", "Completed", "signalled"),
        ("signallater", "Completed", "signalled"),
        ("lock", "Completed", "locked "),
        ("null", "Completed", "True"),
        ("throw", "Failed", "System.InvalidOperationException: orchestrator throws"),
        ("fail", "Failed", "Task 'FailActivity' (#0) failed with an unhandled exception: activity says no: f"),
        ("http", "Failed", "Task 'BuiltIn::HttpActivity' (#0) failed with an unhandled exception: "),
    ],
)
def test_every_action_of_an_orchestrator_is_carried_out(host: HostProcess, what: str, status: str, output: str) -> None:
    start(host, "Everything", what, f"does-{what}")
    ended = finished(host, f"does-{what}", status)
    assert output in ended["output"]


def test_retries_use_a_new_number_for_each_attempt(host: HostProcess) -> None:
    ended = finished(host, "retried", "Failed", limit=60)
    assert "Task 'FailActivity' (#4) failed" in ended["output"]
    assert (len(events(ended, "TaskFailed")), len(events(ended, "TimerFired"))) == (3, 3)


def test_a_wait_with_a_deadline_ends_with_its_event(host: HostProcess) -> None:
    start(host, "Everything", "waitto", "deadline")
    until(lambda: events(host.status("deadline"), "ExecutionStarted"), host=host)
    raise_event(host, "deadline", "approval", True)
    assert finished(host, "deadline")["output"] == "True"


@pytest.mark.parametrize("what", ["timer", "longtimer", "can"])
def test_a_waiting_orchestration_can_be_terminated(host: HostProcess, what: str) -> None:
    start(host, "Everything", what, f"waits-{what}")
    until(lambda: host.status(f"waits-{what}").get("historyEvents"), host=host)
    assert host.post(f"{MANAGEMENT}/instances/waits-{what}/terminate", params={"reason": "bye"}).status_code == 202
    assert finished(host, f"waits-{what}", "Terminated")["output"] == "bye"


def test_entities_are_called_signalled_and_locked(host: HostProcess) -> None:
    start(host, "EntityUser", "shared", "entity-user")
    ended = finished(host, "entity-user")
    assert (ended["output"], ended["customStatus"]) == (13, "entity boom")


def test_a_function_signals_and_reads_an_entity(host: HostProcess) -> None:
    for number in (5, 7):
        assert host.post(f"/api/counter/signalled/{number}").status_code == 202
    until(lambda: host.get("/api/counter/signalled").text == '{"Value":12}', host=host)
    assert host.get("/api/counter/nobody").text == "null"


def test_an_orchestrator_without_a_result_has_none(host: HostProcess) -> None:
    start(host, "VoidOrch", None, "void")
    ended = finished(host, "void")
    assert (ended["output"], ended["customStatus"]) == (None, 42)


def test_a_chain_of_activities_ends(host: HostProcess) -> None:
    start(host, "Chain", 40, "chain")
    assert finished(host, "chain")["output"] == 40


def test_the_client_controls_an_instance(host: HostProcess) -> None:
    instance_id = start_budget(host)
    wait_custom_status(host, instance_id, {"waiting": True})
    assert 'st={"waiting":true}' in manage(host, "get", instance_id)
    manage(host, "suspend", instance_id)
    host.wait_status(instance_id, "Suspended")
    manage(host, "raise", instance_id)
    manage(host, "resume", instance_id)
    assert 'out="processed Desk 12.5"' in manage(host, "wait", instance_id)
    again = manage(host, "restart", instance_id)
    wait_custom_status(host, again, {"waiting": True})
    manage(host, "terminate", again)
    assert finished(host, again, "Terminated")["output"] == "bye"
    assert "List" in manage(host, "list", "any")
    manage(host, "purge", instance_id)
    assert manage(host, "get", instance_id) == "null"


def test_the_client_starts_with_an_id_and_a_version(host: HostProcess) -> None:
    assert manage(host, "start", "Child", "hi") == "fixed-Child"
    assert 'out="child:hi:1.0"' in manage(host, "wait", "fixed-Child")


def test_the_client_gets_the_reason_of_a_failure(host: HostProcess) -> None:
    start(host, "Everything", "throw", "reason")
    finished(host, "reason", "Failed")
    assert "orchestrator throws" in manage(host, "get", "reason")


@pytest.mark.parametrize("operation", ["suspend", "resume", "terminate", "raise"])
def test_a_call_for_an_instance_that_does_not_exist_fails_at_once(host: HostProcess, operation: str) -> None:
    response = host.post(f"/api/manage/{operation}/missing")
    assert response.status_code == 500
    assert "No instance with ID 'missing' was found." in host.wait_for("Grpc.Core.RpcException.*NotFound")


def test_a_failed_instance_is_rewound(host: HostProcess) -> None:
    start(host, "Everything", "fail", "rewound")
    finished(host, "rewound", "Failed")
    assert host.post(f"{MANAGEMENT}/instances/rewound/rewind", params={"reason": "again"}).status_code == 202
    until(lambda: len(events(host.status("rewound"), "GenericEvent")) >= 3, host=host)
    assert len(events(finished(host, "rewound", "Failed"), "TaskFailed")) == 1


def test_the_log_shows_the_failure_of_an_activity_once(host: HostProcess) -> None:
    start(host, "Everything", "fail", "logged")
    finished(host, "logged", "Failed")
    host.wait_for("Executed 'Functions.Everything' .Failed, InstanceId=logged")
    text = host.output
    assert "Exception: System.InvalidOperationException: activity says no: f" in text
    assert "DurableSerializationException" not in text
    assert "An error occurred while executing the orchestrator function" not in text
    assert "Microsoft.DurableTask.TaskOrchestrationShim" not in text
