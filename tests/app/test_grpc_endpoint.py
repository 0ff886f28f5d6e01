"""The gRPC endpoint of `func start` on an app of the 1.x SDK, with the client of the Durable Task SDK as caller."""

import json
import re
import socket
from collections.abc import Iterator
from pathlib import Path

import grpc
import pytest
from durable_world import HEADER, StartHost
from durabletask.client import EntityQuery, OrchestrationQuery, OrchestrationStatus, TaskHubGrpcClient
from durabletask.entities import EntityInstanceId
from host_process import HostProcess, until

from durable_host.ports import reserved

APP = (
    HEADER
    + """
@app.activity_trigger(input_name="name")
def hello(name: str) -> str:
    return f"Hello {name}"


@app.activity_trigger(input_name="name")
def unsteady(name: str) -> str:
    if not os.path.exists("steady"):
        raise ValueError("not yet")
    return "done"


@app.orchestration_trigger(context_name="context")
def greet(context):
    context.set_custom_status("greeting")
    return (yield context.call_activity("hello", context.get_input()))


@app.orchestration_trigger(context_name="context")
def approval(context):
    return (yield context.wait_for_external_event("Approval"))


@app.orchestration_trigger(context_name="context")
def fragile(context):
    return (yield context.call_activity("unsteady", "x"))


@app.entity_trigger(context_name="context")
def counter(context):
    context.set_state(context.get_state(lambda: 0) + 1)
"""
)
PATIENCE = 60
GRPC = re.compile(r"gRPC: +http://127\.0\.0\.1:(\d+)")


@pytest.fixture(params=["sqlite", "storage"])
def host(request: pytest.FixtureRequest, start_host: StartHost) -> Iterator[HostProcess]:
    with reserved("127.0.0.1") as port:
        yield start_host({"function_app.py": APP}, "--grpc-port", str(port), "--task-hub", request.param)


@pytest.fixture
def client(host: HostProcess) -> Iterator[TaskHubGrpcClient]:
    match = GRPC.search(host.output)
    assert match is not None, host.output
    with TaskHubGrpcClient(host_address=f"http://localhost:{match[1]}") as client:
        yield client


def test_everything_that_a_client_does_works_on_either_storage(host: HostProcess, client: TaskHubGrpcClient) -> None:
    client.schedule_new_orchestration("greet", input=json.dumps("you"), instance_id="g", tags={"k": "v"})
    state = client.wait_for_orchestration_completion("g", timeout=PATIENCE)
    assert (state.runtime_status, state.serialized_output, state.serialized_custom_status) == (
        OrchestrationStatus.COMPLETED,
        '"Hello you"',
        '"greeting"',
    )
    assert len(client.get_orchestration_history("g")) == 8
    assert client.restart_orchestration("g") == "g"
    assert client.wait_for_orchestration_completion("g", timeout=PATIENCE).serialized_output == '"Hello you"'

    client.schedule_new_orchestration("approval", instance_id="a")
    assert client.wait_for_orchestration_start("a", timeout=PATIENCE).runtime_status is OrchestrationStatus.RUNNING
    client.suspend_orchestration("a", reason="why")
    client.raise_orchestration_event("a", "Approval", data={"by": "me"})
    client.resume_orchestration("a")
    assert client.wait_for_orchestration_completion("a", timeout=PATIENCE).get_output() == {"by": "me"}

    client.schedule_new_orchestration("fragile", instance_id="f")
    failed = client.wait_for_orchestration_completion("f", timeout=PATIENCE)
    assert "not yet" in failed.failure_details.message
    (host.root / "steady").touch()
    client.rewind_orchestration("f")
    assert client.wait_for_orchestration_completion("f", timeout=PATIENCE).serialized_output == '"done"'

    client.schedule_new_orchestration("approval", instance_id="t")
    client.terminate_orchestration("t", output="enough")
    state = client.wait_for_orchestration_completion("t", timeout=PATIENCE)
    assert (state.runtime_status, state.serialized_output) == (OrchestrationStatus.TERMINATED, '"enough"')
    with pytest.raises(grpc.RpcError) as failure:
        client.raise_orchestration_event("t", "Approval")
    assert failure.value.code() is grpc.StatusCode.FAILED_PRECONDITION

    one = EntityInstanceId("counter", "k")
    client.signal_entity(one, "add")
    until(lambda: client.get_entity(one), host=host)
    assert client.get_entity(one).get_state(int) == 1
    assert [str(entity.id) for entity in client.get_all_entities(EntityQuery())] == ["@counter@k"]

    completed = OrchestrationQuery(runtime_status=[OrchestrationStatus.COMPLETED], max_instance_count=1)
    assert [state.instance_id for state in client.get_all_orchestration_states(completed)] == ["a", "f", "g"]
    assert set(client.list_instance_ids().items) == {"a", "f", "g", "t"}
    assert client.purge_orchestration("g").deleted_instance_count == 1
    assert client.purge_orchestrations_by().deleted_instance_count == 3
    assert client.get_all_orchestration_states() == []

    tagged = TaskHubGrpcClient(host_address=client._host_address, metadata=[("taskhub", "NoSuchHub")])
    with tagged, pytest.raises(grpc.RpcError) as failure:
        tagged.get_orchestration_state("a")
    assert failure.value.code() is grpc.StatusCode.NOT_FOUND


def test_an_app_of_the_first_generation_opens_no_port_unasked(start_host: StartHost) -> None:
    host = start_host({"function_app.py": APP}, "--task-hub", "sqlite")
    assert not GRPC.search(host.output)
    assert "cygrpc" not in Path(f"/proc/{host.pid}/maps").read_text("utf-8")


def test_a_port_for_an_app_without_durable_functions_is_said_to_have_no_effect(start_host: StartHost) -> None:
    host = start_host({"function_app.py": HEADER}, "--grpc-port", "1", "--task-hub", "sqlite")
    host.wait_for("--grpc-port has no effect: the app has no durable functions")


def test_a_port_that_is_taken_ends_the_start_with_its_holder(start_host: StartHost) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        host = start_host({"function_app.py": APP}, "--task-hub", "sqlite", "--grpc-port", str(port), wait=False)
        host.wait_for(f"error DH3001: Port {port} is unavailable")
