"""Listings, purges, entities, and the hub of a call."""

import contextlib
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import grpc
import pytest
from durabletask.client import EntityQuery, OrchestrationQuery, OrchestrationStatus
from durabletask.entities import EntityInstanceId
from google.protobuf.duration_pb2 import Duration
from runtime_world import App, runtime_options
from sidecar_world import Sidecar, running_sidecar

from durable_host.clock import SystemClock
from durable_host.durable.api import DurableClient
from durable_host.durable.proto import pb
from durable_host.durable.sidecar.service import message_class
from durable_host.durable.taskhub.sqlite import ForeignSqliteHub

PATIENCE = 60
METHODS = [
    one.name
    for one in pb.DESCRIPTOR.services_by_name["TaskHubSidecarService"].methods
    if not one.name.startswith("WaitFor")
]


async def _completed(sidecar: Sidecar, *instance_ids: str) -> None:
    for instance_id in instance_ids:
        await sidecar.sdk.schedule_new_orchestration("greet", input="x", instance_id=instance_id)
        await sidecar.sdk.wait_for_orchestration_completion(instance_id, timeout=PATIENCE)


async def test_instances_are_listed_by_status_prefix_and_page(sidecar: Sidecar) -> None:
    await _completed(sidecar, *(f"l{number}" for number in range(5)))
    await sidecar.sdk.schedule_new_orchestration("approval", instance_id="other")
    await sidecar.sdk.signal_entity(EntityInstanceId("counter", "k"), "add", input="1")
    everything = await sidecar.sdk.get_all_orchestration_states()
    assert sorted(state.instance_id for state in everything) == ["l0", "l1", "l2", "l3", "l4", "other"]
    assert {state.serialized_input for state in everything} == {None}
    wanted = OrchestrationQuery(
        runtime_status=[OrchestrationStatus.COMPLETED],
        instance_id_prefix="l",
        max_instance_count=2,
        fetch_inputs_and_outputs=True,
    )
    found = await sidecar.sdk.get_all_orchestration_states(wanted)
    assert [(state.instance_id, state.serialized_output) for state in found] == [
        (f"l{number}", '"Hello you"') for number in range(5)
    ]
    page = await sidecar.stub.QueryInstances(pb.QueryInstancesRequest(query=pb.InstanceQuery(maxInstanceCount=2)))
    assert len(page.orchestrationState) == 2
    assert page.HasField("continuationToken")


async def test_a_page_ends_before_it_is_too_large_for_a_message(sidecar: Sidecar) -> None:
    for number in range(4):
        await sidecar.sdk.schedule_new_orchestration("approval", input="x" * 900_000, instance_id=f"b{number}")
    found = await sidecar.sdk.get_all_orchestration_states(OrchestrationQuery(fetch_inputs_and_outputs=True))
    assert [state.instance_id for state in found] == ["b0", "b1", "b2", "b3"]


async def test_ids_are_listed_in_the_order_of_their_ends(sidecar: Sidecar) -> None:
    await _completed(sidecar, "c", "a", "b")
    await sidecar.sdk.schedule_new_orchestration("approval", instance_id="running")
    first = await sidecar.sdk.list_instance_ids(page_size=2)
    assert first.items == ["c", "a"]
    second = await sidecar.sdk.list_instance_ids(page_size=2, continuation_token=first.continuation_token)
    assert (second.items, second.continuation_token) == (["b"], None)
    later = datetime.now(UTC) + timedelta(hours=1)
    assert (await sidecar.sdk.list_instance_ids(completed_time_from=later)).items == []


async def test_instances_that_have_ended_are_purged_and_counted(sidecar: Sidecar) -> None:
    await _completed(sidecar, "a", "b", "c", "d")
    await sidecar.sdk.schedule_new_orchestration("approval", instance_id="running")
    assert (await sidecar.sdk.purge_orchestration("a")).deleted_instance_count == 1
    assert (await sidecar.sdk.purge_orchestration("a")).deleted_instance_count == 0
    assert (await sidecar.sdk.purge_orchestration("running")).deleted_instance_count == 0
    batch = pb.PurgeInstancesRequest(instanceBatch=pb.InstanceBatch(instanceIds=["b", "b", "nobody"]))
    assert (await sidecar.stub.PurgeInstances(batch)).deletedInstanceCount == 1
    no_time = pb.PurgeInstanceFilter(timeout=Duration(seconds=0))
    response = await sidecar.stub.PurgeInstances(pb.PurgeInstancesRequest(purgeInstanceFilter=no_time))
    assert (response.deletedInstanceCount, response.isComplete.value) == (0, False)
    result = await sidecar.sdk.purge_orchestrations_by(runtime_status=[OrchestrationStatus.COMPLETED])
    assert (result.deleted_instance_count, result.is_complete) == (2, True)
    assert [state.instance_id for state in await sidecar.sdk.get_all_orchestration_states()] == ["running"]


async def test_a_recursive_purge_takes_the_children(sidecar: Sidecar) -> None:
    await sidecar.sdk.schedule_new_orchestration("parent", instance_id="p")
    await sidecar.sdk.wait_for_orchestration_start("p-child", timeout=PATIENCE)
    await sidecar.sdk.raise_orchestration_event("p-child", "Approval", data=1)
    await sidecar.sdk.wait_for_orchestration_completion("p", timeout=PATIENCE)
    assert (await sidecar.sdk.purge_orchestration("p", recursive=True)).deleted_instance_count == 2


async def test_entities_are_signaled_read_listed_and_cleaned(sidecar: Sidecar) -> None:
    sdk = sidecar.sdk
    one, two = EntityInstanceId("Counter", "K1"), EntityInstanceId("counter", "k2")
    assert await sdk.get_entity(one) is None
    await sdk.signal_entity(one, "add", input="3")
    await sdk.signal_entity(two, "add", input="4")
    await sidecar.host.until(lambda: len(sidecar.host.hub.commits) >= 2)
    found = await sdk.get_entity(one)
    assert (str(found.id), found.get_state(int), found.backlog_queue_size) == ("@counter@K1", 3, 0)
    listed = await sdk.get_all_entities(EntityQuery(instance_id_starts_with="@Counter@", page_size=1))
    assert {str(entity.id): entity.get_state(int) for entity in listed} == {"@counter@K1": 3, "@counter@k2": 4}
    assert await sdk.get_all_entities(EntityQuery(instance_id_starts_with="other")) == []
    cleaned = await sdk.clean_entity_storage()
    assert (cleaned.empty_entities_removed, cleaned.orphaned_locks_released) == (0, 0)


@contextlib.asynccontextmanager
async def with_other_hubs(app: App, path: Path) -> AsyncIterator[Sidecar]:
    def other(name: str, connection: str) -> DurableClient:
        options = runtime_options(hub_name=name)
        return DurableClient(ForeignSqliteHub(path / f"{name}.db", name), None, options, SystemClock())

    async with running_sidecar(app, path / "hub.db", hub_for=other) as sidecar:
        yield sidecar


@pytest.mark.parametrize("header", ["taskhub", "durable-taskhub"])
async def test_metadata_chooses_the_hub(app: App, tmp_path: Path, header: str) -> None:
    async with with_other_hubs(app, tmp_path) as sidecar:
        own = await sidecar.caller(**{header: "TESTHUB"})
        await own.schedule_new_orchestration("greet", instance_id="i")
        assert await own.get_orchestration_state("i") is not None
        other = await sidecar.caller(**{header: "Other"})
        with pytest.raises(grpc.aio.AioRpcError) as failure:
            await other.get_orchestration_state("i")
        assert failure.value.code() is grpc.StatusCode.NOT_FOUND
        assert failure.value.details() == "There is no task hub 'Other'."
        await sidecar.stub.CreateTaskHub(pb.CreateTaskHubRequest(), metadata=((header, "Other"),))
        assert await other.get_orchestration_state("i") is None
        await other.schedule_new_orchestration("anything", instance_id="i")
        assert (await other.get_orchestration_state("i")).name == "anything"
        assert (await sidecar.sdk.get_orchestration_state("i")).name == "greet"


@pytest.mark.parametrize("method", METHODS)
async def test_every_method_of_the_service_answers_an_empty_request(sidecar: Sidecar, method: str) -> None:
    described = pb.DESCRIPTOR.services_by_name["TaskHubSidecarService"].methods_by_name[method]
    code, text = await _outcome(getattr(sidecar.stub, method)(message_class(described.input_type)(), timeout=2))
    assert code not in (grpc.StatusCode.UNKNOWN, grpc.StatusCode.INTERNAL, grpc.StatusCode.UNAVAILABLE)
    assert code is grpc.StatusCode.OK or text


async def _outcome(call: Any) -> tuple[grpc.StatusCode, str]:
    """How a call ends; a stream is left after its first message."""
    try:
        if hasattr(call, "__aiter__"):
            async for _ in call:
                call.cancel()
                return grpc.StatusCode.OK, ""
        else:
            await call
    except grpc.aio.AioRpcError as error:
        return error.code(), error.details() or ""
    return grpc.StatusCode.OK, ""
