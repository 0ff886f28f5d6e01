"""Clients of .NET: their recorded requests, and no answer that makes them repeat a call in vain."""

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import grpc.aio
import pytest
from google.protobuf.json_format import ParseDict
from sidecar_world import Sidecar

from durable_host.durable.proto import StringValue, pb, service
from durable_host.durable.sidecar.service import message_class

RECORDED: dict[str, dict[str, Any]] = json.loads(
    (Path(__file__).parent / "recorded_dotnet_clients.json").read_text("utf-8")
)
AGENT = "grpc-dotnet/2.80.0 (.NET 10.0.12; CLR 10.0.12; net10.0; linux; x64)"


@pytest.fixture
async def dotnet(sidecar: Sidecar) -> AsyncIterator[Any]:
    """A stub that looks like a client of .NET."""
    options = [("grpc.primary_user_agent", AGENT)]
    async with grpc.aio.insecure_channel(sidecar.target, options=options) as channel:
        yield service.TaskHubSidecarServiceStub(channel)


def recorded(method: str, **changes: Any) -> Any:
    described = pb.DESCRIPTOR.services_by_name["TaskHubSidecarService"].methods_by_name[method]
    return ParseDict({**RECORDED[method]["request"], **changes}, message_class(described.input_type)())


async def call(stub: Any, method: str, **changes: Any) -> Any:
    metadata = [
        (name, value)
        for name, value in RECORDED[method]["metadata"].items()
        if name not in {"user-agent", "durable-taskhub", "durable-connectionname"}
    ]
    return await getattr(stub, method)(recorded(method, **changes), metadata=metadata)


async def test_the_recorded_calls_are_answered(dotnet: Any) -> None:
    started = await call(dotnet, "StartInstance", name="approval", instanceId="a" * 32)
    assert started.instanceId == "a" * 32
    await call(dotnet, "RaiseEvent", instanceId="a" * 32)
    done = await call(dotnet, "WaitForInstanceCompletion", instanceId="a" * 32)
    assert done.exists
    state = done.orchestrationState
    assert state.HasField("createdTimestamp")
    assert state.HasField("lastUpdatedTimestamp")
    assert state.input.value == '{"Title":"Desk","Amount":12.5}'
    assert (await call(dotnet, "GetInstance", instanceId="a" * 32)).orchestrationState.instanceId == "a" * 32
    listed = await call(dotnet, "QueryInstances")
    assert [one.instanceId for one in listed.orchestrationState] == ["a" * 32]
    assert not listed.HasField("continuationToken"), "an absent token ends the list"
    again = await call(dotnet, "RestartInstance", instanceId="a" * 32)
    assert again.instanceId not in {"", "a" * 32}
    await call(dotnet, "TerminateInstance", instanceId=again.instanceId)
    await call(dotnet, "SignalEntity")
    purged = await call(dotnet, "PurgeInstances", instanceId="a" * 32)
    assert purged.deletedInstanceCount == 1
    assert not (await call(dotnet, "GetInstance", instanceId="a" * 32)).exists
    assert not (await call(dotnet, "GetEntity", instanceId="@counter@nobody")).exists


@pytest.mark.parametrize(
    ("method", "message"),
    [
        ("SuspendInstance", recorded("SuspendInstance")),
        ("ResumeInstance", pb.ResumeRequest(instanceId="missing")),
        ("TerminateInstance", recorded("TerminateInstance")),
        ("RewindInstance", pb.RewindInstanceRequest(instanceId="missing")),
        ("RestartInstance", pb.RestartInstanceRequest(instanceId="missing")),
        ("RaiseEvent", pb.RaiseEventRequest(instanceId="missing", name="e")),
        ("StartInstance", pb.CreateInstanceRequest(name="greet", instanceId="@no")),
        ("StartInstance", pb.CreateInstanceRequest(name="greet", input=StringValue(value="x" * 5_000_000))),
        ("StartInstance", pb.CreateInstanceRequest()),
        ("SignalEntity", pb.SignalEntityRequest(instanceId="nothing", name="add")),
        ("PurgeInstances", pb.PurgeInstancesRequest()),
        (
            "SkipGracefulOrchestrationTerminations",
            pb.SkipGracefulOrchestrationTerminationsRequest(),
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
async def test_a_call_that_can_never_succeed_is_not_repeated(dotnet: Any, method: str, message: Any) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as failure:
        await getattr(dotnet, method)(message)
    assert failure.value.code() not in {grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.RESOURCE_EXHAUSTED}


async def test_a_refused_start_has_the_status_that_the_client_expects(dotnet: Any) -> None:
    await call(dotnet, "StartInstance", name="approval", instanceId="twice")
    for message, code in (
        (pb.CreateInstanceRequest(name="approval", instanceId="twice"), grpc.StatusCode.ALREADY_EXISTS),
        (pb.CreateInstanceRequest(name="approval", instanceId="a/b"), grpc.StatusCode.INVALID_ARGUMENT),
    ):
        with pytest.raises(grpc.aio.AioRpcError) as failure:
            await dotnet.StartInstance(message)
        assert failure.value.code() is code
