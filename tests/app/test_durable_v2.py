"""Unmodified apps of azure-functions-durable 2.x on Python 3.13 in a real host, on Azure Storage and SQLite."""

import json
import subprocess
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from durable_world import MANAGEMENT, finished, raise_event, wait_custom_status
from host_process import HostProcess, hub_settings, until, write_app
from v2_environment import SDK, v2_interpreter
from v2_features import FILES

import durable_host

pytestmark = pytest.mark.timeout(300)


@pytest.fixture(scope="module", params=["azure", "sqlite"])
def host(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, connection_string: str
) -> Iterator[HostProcess]:
    interpreter = v2_interpreter()
    provider = {"storageProvider": {"type": "sqlite"}} if request.param == "sqlite" else {}
    files = {**FILES, "host.json": json.dumps({"version": "2.0", "extensions": {"durableTask": provider}})}
    host = HostProcess(write_app(tmp_path_factory.mktemp("v2"), files), hub_settings(connection_string))
    yield host.start("--python", str(interpreter))
    host.end()


def start(host: HostProcess, name: str, input: Any = None, instance_id: str = "") -> str:
    """Start an instance; its input is the JSON text itself, as the 2.x client has it."""
    path = f"{MANAGEMENT}/orchestrators/{name}" + (f"/{instance_id}" if instance_id else "")
    response = host.post(path, data="" if input is None else json.dumps(input))
    assert response.status_code == 202, response.text
    return response.json()["id"]


def output(host: HostProcess, name: str, input: Any = None, instance_id: str = "") -> Any:
    return finished(host, start(host, name, input, instance_id))["output"]


def post(host: HostProcess, instance_id: str, operation: str) -> None:
    response = host.post(f"{MANAGEMENT}/instances/{instance_id}/{operation}")
    assert response.status_code == 202, response.text


def test_banner_names_the_sdk(host: HostProcess) -> None:
    assert SDK in host.output


def test_chain_and_custom_status(host: HostProcess) -> None:
    status = finished(host, start(host, "chain"))
    assert (status["output"], status["customStatus"]) == (["Hello Tokyo!", "Hello Paris!"], {"done": 2})


def test_inputs_of_all_kinds_reach_activities_of_all_kinds(host: HostProcess) -> None:
    assert output(host, "INPUTS", {"k": 1}) == [{"k": 1}, True, [2, {"native": "x"}]]


def test_native_orchestrator_has_no_version_where_none_is_configured(host: HostProcess) -> None:
    id = start(host, "native_style", ["a"])
    assert finished(host, id)["output"] == [["a"], id, None]


def test_timer(host: HostProcess) -> None:
    assert output(host, "nap") >= 0.2


def test_event_names_are_compared_without_case(host: HostProcess) -> None:
    id = start(host, "approve")
    raise_event(host, id, "APPROVAL", {"by": "me"})
    assert finished(host, id)["output"] == {"by": "me"}


def test_early_events_are_delivered_in_order(host: HostProcess) -> None:
    id = start(host, "two_events")
    raise_event(host, id, "Go", 1)
    raise_event(host, id, "gO", 2)
    assert finished(host, id)["output"] == [1, 2]


def test_children_and_the_tree_of_their_failures(host: HostProcess) -> None:
    good, named, tree = output(host, "parent")
    assert (good, named) == (["Hello Tokyo!", "Hello Paris!"], 5)
    types = [one[0] for one in tree]
    assert types == ["durabletask.task.TaskFailedError", "ValueError"]
    assert tree[-1][1] == "boom\nsecond line"


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("unhandled", "durabletask.task.TaskFailedError: "),
        ("raises", "builtins.RuntimeError: no"),
    ],
)
def test_failed_orchestrator_reports_type_and_message(host: HostProcess, name: str, told: str) -> None:
    assert finished(host, start(host, name), "Failed")["output"].startswith(told)


def test_retries_of_activities_and_children(host: HostProcess) -> None:
    assert output(host, "retried") == 3
    assert output(host, "retried_in_vain") == ["TaskFailedError", "ValueError", "boom\nsecond line"]
    assert output(host, "retried_child") == 2


def test_calls_of_functions_that_do_not_exist_fail(host: HostProcess) -> None:
    activity, child = output(host, "missing")
    assert "'nobody'" in activity
    assert "'nobody'" in child


def test_fan_out(host: HostProcess) -> None:
    assert output(host, "fan", 150) is True


def test_continue_as_new_carries_events(host: HostProcess) -> None:
    id = start(host, "again", 0)
    raise_event(host, id, "kept", "early")
    for number in range(3):
        raise_event(host, id, "next")
        wait_custom_status(host, id, f"was {number}")
    assert finished(host, id)["output"] == [3, "early"]


def test_completion_does_not_wait_for_open_tasks(host: HostProcess) -> None:
    assert output(host, "early") == "at once"


def test_suspend_and_resume_twice_are_as_once(host: HostProcess) -> None:
    id = start(host, "approve")
    host.wait_status(id, "Running")
    post(host, id, "suspend?reason=why")
    post(host, id, "suspend?reason=again")
    host.wait_status(id, "Suspended")
    post(host, id, "resume?reason=x")
    post(host, id, "resume?reason=x")
    host.wait_status(id, "Running")
    post(host, id, "suspend?reason=once more")
    raise_event(host, id, "Approval", 1)
    host.wait_status(id, "Suspended")
    post(host, id, "resume?reason=x")
    assert finished(host, id)["output"] == 1


@pytest.mark.parametrize("is_suspended", [False, True])
def test_terminate(host: HostProcess, is_suspended: bool) -> None:
    id = start(host, "approve")
    host.wait_status(id, "Running")
    if is_suspended:
        post(host, id, "suspend?reason=why")
        host.wait_status(id, "Suspended")
    post(host, id, "terminate?reason=stop")
    assert finished(host, id, "Terminated")["output"] == "stop"


def test_rewind_runs_what_failed_again(host: HostProcess) -> None:
    id = start(host, "rewindable")
    finished(host, id, "Failed")
    post(host, id, "rewind?reason=again")
    until(lambda: host.status(id)["runtimeStatus"] == "Completed", host=host)
    assert host.status(id)["output"] == 2


def test_restart_and_purge(host: HostProcess) -> None:
    id = start(host, "native_style", "x")
    finished(host, id)
    response = host.post(f"{MANAGEMENT}/instances/{id}/restart")
    assert response.status_code == 202
    assert finished(host, response.json()["id"])["output"][0] == "x"
    assert host.request("DELETE", f"{MANAGEMENT}/instances/{id}").json() == {"instancesDeleted": 1}


def test_orchestration_sends_an_event_to_another(host: HostProcess) -> None:
    id = start(host, "approve")
    host.wait_status(id, "Running")
    assert output(host, "native_sender", id) == "sent"
    assert finished(host, id)["output"] == {"from": "orchestrator"}


def test_entity_is_signalled_called_and_rolled_back_when_an_operation_fails(host: HostProcess) -> None:
    assert output(host, "entity_calls") == [3, ["builtins.ValueError", "bad"], 3]


def test_locks_keep_others_out(host: HostProcess) -> None:
    ids = [start(host, "locks", 5) for _ in range(4)]
    before = output(host, "reads", "lock-none")
    assert before == 0
    for id in ids:
        assert finished(host, id)["output"] == "unlocked"
    assert output(host, "reads", "lock-a") == 20


def test_class_entity(host: HostProcess) -> None:
    assert output(host, "class_entity", {"v": 1}) == [{"v": 1}, None]


def test_entity_signals_another_and_starts_an_orchestration(host: HostProcess) -> None:
    child, value = output(host, "entity_actions")
    assert value == 5
    until(lambda: host.get(f"{MANAGEMENT}/instances/{child}").status_code != 404, host=host)
    assert finished(host, child)["output"] == ["Hello Tokyo!", "Hello Paris!"]


def test_call_of_an_entity_that_does_not_exist_fails(host: HostProcess) -> None:
    assert "'nobody'" in output(host, "nobodys_entity")


def test_call_http(host: HostProcess) -> None:
    assert output(host, "calls_http", f"{host.base_url}/api/ping") == [200, "pong"]


def test_asynchronous_client_starts_waits_and_reads_the_history(host: HostProcess) -> None:
    status, result, kinds = host.post("/api/clients/approve").json()
    assert (status, result) == ("Completed", {"from": "client"})
    assert kinds[0] == "ExecutionStarted"
    assert "EventRaised" in kinds


def test_synchronous_client(host: HostProcess) -> None:
    assert host.post("/api/synchronous/steps").json() == ["COMPLETED", "end"]


def test_scheduled_task_runs_and_is_deleted(host: HostProcess) -> None:
    id = f"schedule-{uuid.uuid4().hex[:8]}"
    assert host.post(f"/api/schedules/{id}").json() == [id, "scheduled"]


def test_long_chain_is_not_replayed_in_each_turn(host: HostProcess) -> None:
    assert output(host, "steps", 200) == "end"
    assert "'steps' is not kept alive" not in host.output


def test_non_determinism_is_reported_with_the_place_where_the_code_stands(host: HostProcess) -> None:
    finished(host, start(host, "changed"), "Failed")
    line = host.wait_for("DH6101.*function_app.py:")
    assert "in changed" in line


@pytest.mark.parametrize("first", [1, 10_000])
def test_code_that_is_kept_alive_answers_as_a_replay_does(first: int) -> None:
    programs = Path(__file__).with_name("v2_warm_programs.py")
    root = Path(durable_host.__file__).parents[1]
    done = subprocess.run(
        [str(v2_interpreter()), str(programs), str(root), str(first), "300"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("provider", ["AzureStorage", "sqlite"])
def test_nothing_is_lost_when_the_host_is_killed_in_the_middle_of_fifty_approvals(
    tmp_path: Path, connection_string: str, provider: str
) -> None:
    interpreter = str(v2_interpreter())
    durable = {"durableTask": {"storageProvider": {"type": provider}}}
    files = {**FILES, "host.json": json.dumps({"version": "2.0", "extensions": durable})}
    host = HostProcess(write_app(tmp_path / "app", files), hub_settings(connection_string))
    try:
        host.start("--python", interpreter)
        ids = [start(host, "approval_of_many", number) for number in range(50)]
        for number, id in enumerate(ids[:30]):
            raise_event(host, id, "Approval", number)
        host.kill()
        host.start("--python", interpreter)
        for number, id in enumerate(ids[30:], 30):
            raise_event(host, id, "approval", number)
        outputs = [finished(host, id, limit=120)["output"] for id in ids]
        assert outputs == [[number, f"Hello {number}!", number, number] for number in range(50)]
        assert [approvals_of(host, id) for id in ids] == [1] * 50
    finally:
        host.end()


V1_APP = """
import azure.durable_functions as df

app = df.DFApp()


@app.orchestration_trigger(context_name="context")
def asks_first(context):
    approval = yield context.wait_for_external_event("go")
    return [context.get_input()["item"], approval]


@app.activity_trigger(input_name="value")
def echo(value: str) -> str:
    return value


@app.orchestration_trigger(context_name="context")
def works_first(context):
    value = yield context.call_activity("echo", "x")
    approval = yield context.wait_for_external_event("go")
    return [value, approval]
"""


def test_instance_of_the_other_generation_can_be_terminated(tmp_path: Path, connection_string: str) -> None:
    interpreter = str(v2_interpreter())
    host = HostProcess(write_app(tmp_path / "app", {"function_app.py": V1_APP}), hub_settings(connection_string))
    try:
        host.start("--python", interpreter)
        id = start(host, "works_first")
        until(lambda: len(events_of(host, id)) == 2, host=host)
        host.stop()
        host.start()
        raise_event(host, id, "go", 1)
        assert id in host.wait_for("DH6208")
        post(host, id, "terminate?reason=stop")
        finished(host, id, "Terminated")
    finally:
        host.end()


def approvals_of(host: HostProcess, instance_id: str) -> int:
    events = events_of(host, instance_id)
    return sum(one["EventType"] == "EventRaised" and one["Name"].lower() == "approval" for one in events)


def events_of(host: HostProcess, instance_id: str) -> list[dict[str, Any]]:
    """What the history shows; nothing of a pending instance."""
    return host.status(instance_id).get("historyEvents") or []
