"""Settings of `extensions.durableTask` in the real host. Source: docs/protocol/durable-host-json.md#settings"""

import json
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from durable_world import (
    HEADER,
    MANAGEMENT,
    StartHost,
    finished,
    history_rows,
    output,
    run,
    start_instance,
    wait_custom_status,
)
from host_process import HostProcess, hub_settings, until, write_app

APP = (
    HEADER
    + """
running, most = 0, 0


@app.activity_trigger(input_name="value")
async def busy(value):
    import asyncio
    global running, most
    running += 1
    most = max(most, running)
    await asyncio.sleep(0.02)
    running -= 1
    return most


@app.orchestration_trigger(context_name="context")
def fan_out(context):
    return max((yield context.task_all([context.call_activity("busy", n) for n in range(context.get_input())])))


@app.orchestration_trigger(context_name="context")
def version(context):
    return getattr(context, "version", None)


@app.orchestration_trigger(context_name="context")
def child_versions(context):
    own = context.version
    default = yield context.call_sub_orchestrator("version")
    given = yield context.call_sub_orchestrator("version", version="1.5")
    return [own, default, given]


@app.orchestration_trigger(context_name="context")
def waiting(context):
    context.set_custom_status("waiting")
    yield context.wait_for_external_event("go")


@app.entity_trigger(context_name="context")
def batches(context):
    context.set_state(context.get_state(lambda: 0) + 1)


@app.route(route="payload")
@app.durable_client_input(client_name="client")
async def payload(req, client: str):
    return func.HttpResponse(json.dumps(client.create_http_management_payload("x")))
"""
)


def with_settings(settings: Mapping[str, Any]) -> dict[str, str]:
    host_json = {"version": "2.0", "extensions": {"durableTask": settings}}
    return {"function_app.py": APP, "host.json": json.dumps(host_json)}


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory, connection_string: str) -> Iterator[HostProcess]:
    """A host with as many settings changed as can be tested beside one another."""
    settings = {
        "maxConcurrentActivityFunctions": 3,
        "maxOrchestrationActions": 20,
        "storeInputsInOrchestrationHistory": True,
        "overridableExistingInstanceStates": "AnyState",
        "defaultVersion": "2.0",
        "versionFailureStrategy": "Fail",
        "tracing": {"traceReplayEvents": True},
    }
    root = write_app(tmp_path_factory.mktemp("settings") / "app", with_settings(settings))
    host = HostProcess(root, hub_settings(connection_string))
    yield host.start()
    host.end()


def test_no_more_activities_run_at_once_than_allowed(host: HostProcess) -> None:
    assert output(host, "fan_out", 15) == 3


def test_an_orchestration_with_too_many_actions_fails(host: HostProcess) -> None:
    told = run(host, "fan_out", 30, wanted="Failed")["output"]
    assert "Maximum amount of orchestration actions (20) has been reached." in told


def test_inputs_are_stored_in_the_history_when_asked(host: HostProcess) -> None:
    status = run(host, "fan_out", 1)
    scheduled = next(row for row in history_rows(host, status["instanceId"]) if row["EventType"] == "TaskScheduled")
    assert scheduled["Input"] == '["0"]'


def test_any_state_may_be_replaced_when_asked(host: HostProcess) -> None:
    instance_id = start_instance(host, "waiting")
    wait_custom_status(host, instance_id, "waiting")
    start_instance(host, "version", instance_id=instance_id)
    until(lambda: host.status(instance_id)["name"] == "version", host=host)
    assert finished(host, instance_id)["output"] == "2.0"


def test_versions_of_starts_and_children(host: HostProcess) -> None:
    assert output(host, "child_versions") == ["2.0", "2.0", "1.5"]
    assert finished(host, start_instance(host, "version", version="1.9"))["output"] == "1.9"


def test_a_newer_version_fails_when_asked(host: HostProcess) -> None:
    instance_id = start_instance(host, "version", version="10.0")
    finished(host, instance_id, "Failed")
    completed = next(row for row in history_rows(host, instance_id) if row["EventType"] == "ExecutionCompleted")
    assert "Orchestration version did not comply with Worker Versioning" in completed["FailureDetails"]


def test_settings_without_effect_are_reported_at_the_start(host: HostProcess) -> None:
    host.wait_for("traceReplayEvents.*has no effect here")


def test_a_rejected_version_waits_and_is_reported(start_host: StartHost) -> None:
    host = start_host(with_settings({"versionMatchStrategy": "Strict", "defaultVersion": "1.0"}))
    instance_id = start_instance(host, "version", version="0.9")
    line = host.wait_for(f"DH6204.*{instance_id}")
    assert "'0.9'" in line
    assert "'1.0'" in line
    assert host.status(instance_id)["runtimeStatus"] in {"Pending", "Running"}
    assert output(host, "version") == "1.0"


def test_without_the_rpc_endpoint_urls_are_handed_out_and_entities_work(start_host: StartHost) -> None:
    host = start_host(with_settings({"localRpcEndpointEnabled": False, "maxEntityOperationBatchSize": 2}))
    assert host.get("/api/payload").json()["id"] == "x"
    for _ in range(10):
        assert host.post(f"{MANAGEMENT}/entities/batches/k?op=x").status_code == 202
    until(lambda: host.get(f"{MANAGEMENT}/entities/batches/k").text == "10", host=host)


def test_the_hub_in_a_file_serves_an_app_without_storage(start_host: StartHost) -> None:
    host = start_host(with_settings({"storageProvider": {"type": "sqlite"}}))
    assert output(host, "fan_out", 5) <= 5
    assert list(host.root.rglob("*.db"))


def test_ended_instances_are_purged_after_the_time_of_the_option(start_host: StartHost) -> None:
    host = start_host(with_settings({"storageProvider": {"type": "sqlite"}, "retain": "7d"}), "--retain", "1s")
    host.wait_for("Retention: instances of the task hub '.*' are purged 1s after they have ended")
    waiting = start_instance(host, "waiting")
    ended = start_instance(host, "version")
    host.wait_for("Retention: purged 1 instance of the task hub")
    assert host.get(f"{MANAGEMENT}/instances/{ended}").status_code == 404
    assert host.get(f"{MANAGEMENT}/instances/{waiting}").status_code == 202


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"retain": "a week"}, r"'extensions\.durableTask\.retain' is \"a week\", expected a duration such as"),
        ({"storageProvider": {"type": "redis"}}, r"Storage provider type \(redis\) was not found"),
        ({"maxConcurrentActivityFunctions": 0}, "MaxConcurrentActivityFunctions must be a positive integer value"),
        ({"storageProvider": {"partitionCount": 17}}, "PartitionCount must be an integer value between 1 and 16"),
    ],
)
def test_settings_that_cannot_be_served_end_the_start_with_one_message(
    start_host: StartHost, settings: dict[str, Any], message: str
) -> None:
    host = start_host(with_settings(settings), wait=False)
    host.wait_for(message)
    assert host.wait_exit() != 0
    assert "Traceback" not in host.output


def test_a_bad_hub_name_ends_the_start(start_host: StartHost) -> None:
    name = {"AzureFunctionsJobHost__extensions__durableTask__hubName": "my-hub"}
    host = start_host(with_settings({}), settings=name, wait=False)
    host.wait_for("Task hub name 'my-hub' should contain only alphanumeric characters")
    assert host.wait_exit() != 0


CLIENT = (
    HEADER
    + """
@app.route(route="status")
@app.durable_client_input(client_name="client")
async def status(req: func.HttpRequest, client: df.DurableOrchestrationClient) -> str:
    return str((await client.get_status("none")).runtime_status)


@app.orchestration_trigger(context_name="context")
def nothing(context):
    yield context.create_timer(context.current_utc_datetime)
"""
)


def test_a_worker_that_has_used_the_client_ends_without_errors(start_host: StartHost) -> None:
    settings = {"AzureFunctionsJobHost__extensions__durableTask__storageProvider__type": "sqlite"}
    host = start_host({"function_app.py": CLIENT}, settings=settings, fork=False)
    assert host.get("/api/status").status_code == 200
    assert host.stop() == 0
    assert "Unclosed" not in host.output
