"""Operations of Durable Task SDK clients on single instances of an app with the 1.x SDK."""

import asyncio
import json
from datetime import UTC, datetime, timedelta

import grpc
import pytest
from durabletask.client import OrchestrationStatus
from google.protobuf.wrappers_pb2 import StringValue
from sidecar_world import Sidecar

from durable_host.durable.proto import pb

PATIENCE = 60


async def test_an_orchestration_is_started_waited_for_and_shown(sidecar: Sidecar) -> None:
    sdk = sidecar.sdk
    assert await sdk.schedule_new_orchestration("greet", input={"a": 1}, instance_id="g1", tags={"k": "v"}) == "g1"
    state = await sdk.wait_for_orchestration_completion("g1", timeout=PATIENCE)
    assert state is not None
    assert (state.name, state.runtime_status, state.serialized_output) == (
        "greet",
        OrchestrationStatus.COMPLETED,
        '"Hello you"',
    )
    assert state.serialized_input == '{"a": 1}'
    assert state.failure_details is None
    raw = (await sidecar.stub.GetInstance(pb.GetInstanceRequest(instanceId="g1"))).orchestrationState
    assert raw.createdTimestamp.seconds > 0
    assert raw.lastUpdatedTimestamp.seconds > 0
    assert raw.completedTimestamp.seconds > 0
    assert raw.tags == {"k": "v"}
    assert not raw.HasField("input")
    assert not raw.HasField("output")


async def test_an_id_is_made_when_none_is_given(sidecar: Sidecar) -> None:
    response = await sidecar.stub.StartInstance(pb.CreateInstanceRequest(name="greet"))
    assert len(response.instanceId) == 32


async def test_custom_status_and_input_are_shown_on_request(sidecar: Sidecar) -> None:
    await sidecar.sdk.schedule_new_orchestration("echo", input=json.dumps("x"), instance_id="e1")
    state = await sidecar.sdk.wait_for_orchestration_completion("e1", timeout=PATIENCE)
    assert state.get_custom_status() == {"step": 1}
    assert await sidecar.sdk.get_orchestration_state("nobody") is None


async def test_a_failure_has_details(sidecar: Sidecar) -> None:
    await sidecar.sdk.schedule_new_orchestration("failing", instance_id="f1")
    state = await sidecar.sdk.wait_for_orchestration_completion("f1", timeout=PATIENCE)
    assert state.runtime_status is OrchestrationStatus.FAILED
    assert "boom" in state.failure_details.message


async def test_a_wait_for_the_start_ends_when_the_instance_runs(sidecar: Sidecar) -> None:
    waiting = asyncio.create_task(sidecar.sdk.wait_for_orchestration_start("late", timeout=PATIENCE))
    await asyncio.sleep(0)
    await sidecar.sdk.schedule_new_orchestration("approval", instance_id="late")
    state = await waiting
    assert state.runtime_status is OrchestrationStatus.RUNNING


async def test_a_wait_for_an_instance_that_does_not_exist_ends_with_the_deadline(sidecar: Sidecar) -> None:
    with pytest.raises(TimeoutError):
        await sidecar.sdk.wait_for_orchestration_completion("nobody", timeout=0.05)  # type: ignore[arg-type]


async def test_a_start_in_the_future_is_pending_until_then(sidecar: Sidecar) -> None:
    due = datetime.now(UTC) + timedelta(hours=1)
    await sidecar.sdk.schedule_new_orchestration("greet", instance_id="s1", start_at=due)
    raw = (await sidecar.stub.GetInstance(pb.GetInstanceRequest(instanceId="s1"))).orchestrationState
    assert raw.orchestrationStatus == pb.ORCHESTRATION_STATUS_PENDING
    assert raw.scheduledStartTimestamp.ToDatetime(UTC) == due


async def test_events_suspension_and_termination_reach_the_instance(sidecar: Sidecar) -> None:
    sdk = sidecar.sdk
    for instance_id in ("a1", "a2"):
        await sdk.schedule_new_orchestration("approval", instance_id=instance_id)
        await sdk.wait_for_orchestration_start(instance_id, timeout=PATIENCE)
    await sdk.suspend_orchestration("a1", reason="wait")
    await sdk.suspend_orchestration("a1")
    await sdk.raise_orchestration_event("a1", "Approval", data={"by": "me"})
    await _until_status(sidecar, "a1", OrchestrationStatus.SUSPENDED)
    await sdk.resume_orchestration("a1", reason="go on")
    state = await sdk.wait_for_orchestration_completion("a1", timeout=PATIENCE)
    assert state.get_output() == {"by": "me"}
    await sdk.terminate_orchestration("a2", output="enough")
    state = await sdk.wait_for_orchestration_completion("a2", timeout=PATIENCE)
    assert (state.runtime_status, state.serialized_output) == (OrchestrationStatus.TERMINATED, '"enough"')
    await sdk.terminate_orchestration("a2", output="again")


async def test_a_recursive_termination_ends_the_children(sidecar: Sidecar) -> None:
    sdk = sidecar.sdk
    await sdk.schedule_new_orchestration("parent", instance_id="p1")
    await sdk.wait_for_orchestration_start("p1-child", timeout=PATIENCE)
    await sdk.terminate_orchestration("p1", output="stop", recursive=True)
    for instance_id in ("p1", "p1-child"):
        state = await sdk.wait_for_orchestration_completion(instance_id, timeout=PATIENCE)
        assert state.runtime_status is OrchestrationStatus.TERMINATED


async def test_an_instance_is_restarted_with_its_input_and_a_new_or_the_same_id(sidecar: Sidecar) -> None:
    sdk = sidecar.sdk
    await sdk.schedule_new_orchestration("greet", input=5, instance_id="r1", tags={"k": "v"})
    await sdk.wait_for_orchestration_completion("r1", timeout=PATIENCE)
    new_id = await sdk.restart_orchestration("r1", restart_with_new_instance_id=True)
    assert new_id != "r1"
    state = await sdk.wait_for_orchestration_completion(new_id, timeout=PATIENCE)
    assert (state.name, state.serialized_input) == ("greet", "5")
    raw = await sidecar.stub.GetInstance(pb.GetInstanceRequest(instanceId=new_id))
    assert raw.orchestrationState.tags == {"k": "v"}
    assert await sdk.restart_orchestration("r1") == "r1"
    await sdk.wait_for_orchestration_completion("r1", timeout=PATIENCE)


async def test_a_failed_instance_is_rewound(sidecar: Sidecar) -> None:
    sdk = sidecar.sdk
    await sdk.schedule_new_orchestration("failing", instance_id="w1")
    await sdk.wait_for_orchestration_completion("w1", timeout=PATIENCE)
    sidecar.host.app.activities["fail"] = lambda text: "healed"
    await sdk.rewind_orchestration("w1", reason="fixed")
    state = await sdk.wait_for_orchestration_completion("w1", timeout=PATIENCE)
    assert (state.runtime_status, state.serialized_output) == (OrchestrationStatus.COMPLETED, '"healed"')


async def test_the_history_is_streamed(sidecar: Sidecar) -> None:
    await sidecar.sdk.schedule_new_orchestration("greet", instance_id="h1")
    await sidecar.sdk.wait_for_orchestration_completion("h1", timeout=PATIENCE)
    events = await sidecar.sdk.get_orchestration_history("h1")
    assert [type(event).__name__ for event in events] == [
        "OrchestratorStartedEvent",
        "ExecutionStartedEvent",
        "TaskScheduledEvent",
        "OrchestratorCompletedEvent",
        "OrchestratorStartedEvent",
        "TaskCompletedEvent",
        "ExecutionCompletedEvent",
        "OrchestratorCompletedEvent",
    ]


@pytest.mark.parametrize(
    ("method", "request_message", "code"),
    [
        ("StartInstance", pb.CreateInstanceRequest(name="greet", instanceId="x" * 101), "INVALID_ARGUMENT"),
        ("StartInstance", pb.CreateInstanceRequest(name="greet", instanceId="@a@b"), "INVALID_ARGUMENT"),
        ("StartInstance", pb.CreateInstanceRequest(name="greet", instanceId="a/b"), "INVALID_ARGUMENT"),
        ("StartInstance", pb.CreateInstanceRequest(instanceId="unnamed"), "INVALID_ARGUMENT"),
        ("StartInstance", pb.CreateInstanceRequest(name="greet", instanceId="running"), "ALREADY_EXISTS"),
        ("RaiseEvent", pb.RaiseEventRequest(instanceId="nobody", name="Go"), "NOT_FOUND"),
        ("RaiseEvent", pb.RaiseEventRequest(instanceId="ended", name="Go"), "FAILED_PRECONDITION"),
        ("RaiseEvent", pb.RaiseEventRequest(instanceId="running"), "INVALID_ARGUMENT"),
        ("TerminateInstance", pb.TerminateRequest(instanceId="nobody"), "NOT_FOUND"),
        ("SuspendInstance", pb.SuspendRequest(instanceId="nobody"), "NOT_FOUND"),
        ("SuspendInstance", pb.SuspendRequest(instanceId="ended"), "FAILED_PRECONDITION"),
        ("ResumeInstance", pb.ResumeRequest(instanceId="nobody"), "NOT_FOUND"),
        ("ResumeInstance", pb.ResumeRequest(instanceId="ended"), "FAILED_PRECONDITION"),
        ("RewindInstance", pb.RewindInstanceRequest(instanceId="nobody"), "NOT_FOUND"),
        ("RewindInstance", pb.RewindInstanceRequest(instanceId="ended"), "FAILED_PRECONDITION"),
        ("RestartInstance", pb.RestartInstanceRequest(instanceId="nobody"), "NOT_FOUND"),
        ("RestartInstance", pb.RestartInstanceRequest(instanceId="running"), "FAILED_PRECONDITION"),
        ("PurgeInstances", pb.PurgeInstancesRequest(), "INVALID_ARGUMENT"),
        ("SignalEntity", pb.SignalEntityRequest(instanceId="counter", name="add"), "INVALID_ARGUMENT"),
        ("GetEntity", pb.GetEntityRequest(instanceId="@@k"), "INVALID_ARGUMENT"),
        ("DeleteTaskHub", pb.DeleteTaskHubRequest(), "FAILED_PRECONDITION"),
        ("CreateTaskHub", pb.CreateTaskHubRequest(recreateIfExists=True), "FAILED_PRECONDITION"),
        (
            "SkipGracefulOrchestrationTerminations",
            pb.SkipGracefulOrchestrationTerminationsRequest(),
            "UNIMPLEMENTED",
        ),
        (
            "QueryInstances",
            pb.QueryInstancesRequest(query=pb.InstanceQuery(continuationToken=StringValue(value="\u00ff"))),
            "INVALID_ARGUMENT",
        ),
        (
            "ListInstanceIds",
            pb.ListInstanceIdsRequest(lastInstanceKey=StringValue(value="x")),
            "INVALID_ARGUMENT",
        ),
        (
            "ListInstanceIds",
            pb.ListInstanceIdsRequest(lastInstanceKey=StringValue(value=f"{'9' * 19}|x")),
            "INVALID_ARGUMENT",
        ),
        (
            "StartInstance",
            pb.CreateInstanceRequest(name="greet", input=StringValue(value="x" * 5_000_000)),
            "RESOURCE_EXHAUSTED",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
async def test_what_cannot_be_done_ends_with_a_code_and_a_text(
    sidecar: Sidecar, method: str, request_message: object, code: str
) -> None:
    await sidecar.sdk.schedule_new_orchestration("approval", instance_id="running")
    await sidecar.sdk.schedule_new_orchestration("greet", instance_id="ended")
    await sidecar.sdk.wait_for_orchestration_completion("ended", timeout=PATIENCE)
    with pytest.raises(grpc.aio.AioRpcError) as failure:
        await getattr(sidecar.stub, method)(request_message)
    assert failure.value.code() is grpc.StatusCode[code]
    assert failure.value.details()


async def test_an_existing_id_is_reused_according_to_the_policy_of_the_call(sidecar: Sidecar) -> None:
    await sidecar.sdk.schedule_new_orchestration("greet", instance_id="i1")
    await sidecar.sdk.wait_for_orchestration_completion("i1", timeout=PATIENCE)
    never = pb.CreateInstanceRequest(
        name="greet", instanceId="i1", orchestrationIdReusePolicy=pb.OrchestrationIdReusePolicy()
    )
    with pytest.raises(grpc.aio.AioRpcError) as failure:
        await sidecar.stub.StartInstance(never)
    assert failure.value.code() is grpc.StatusCode.ALREADY_EXISTS
    await sidecar.stub.StartInstance(pb.CreateInstanceRequest(name="approval", instanceId="i1"))
    await sidecar.sdk.wait_for_orchestration_start("i1", timeout=PATIENCE)
    running = pb.OrchestrationIdReusePolicy(replaceableStatus=[pb.ORCHESTRATION_STATUS_RUNNING])
    await sidecar.stub.StartInstance(
        pb.CreateInstanceRequest(name="greet", instanceId="i1", orchestrationIdReusePolicy=running)
    )
    state = await sidecar.sdk.wait_for_orchestration_completion("i1", timeout=PATIENCE)
    assert state.name == "greet"


async def test_the_history_of_a_missing_instance_is_not_found(sidecar: Sidecar) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as failure:
        await sidecar.sdk.get_orchestration_history("nobody")
    assert failure.value.code() is grpc.StatusCode.NOT_FOUND


async def _until_status(sidecar: Sidecar, instance_id: str, wanted: OrchestrationStatus) -> None:
    async with asyncio.timeout(PATIENCE):
        while True:
            state = await sidecar.sdk.get_orchestration_state(instance_id)
            if state is not None and state.runtime_status is wanted:
                return
