"""Several task hubs behind one gRPC endpoint: the headers of a call choose one."""

import contextlib
import uuid
from collections.abc import AsyncIterator, Callable
from concurrent.futures import Executor
from pathlib import Path
from typing import Any

import grpc
import pytest
from durabletask import task
from durabletask.client import AsyncTaskHubGrpcClient, OrchestrationStatus
from durabletask.worker import TaskHubGrpcWorker
from workers_world import PATIENCE

from durable_host.cli.durable.serve import _config as config_of  # pyright: ignore[reportPrivateUsage]
from durable_host.cli.durable.serve import serve
from durable_host.config.start_options import StartOptions
from durable_host.durable.proto import pb, service
from durable_host.host.plain_workers import PlainWorkersHost, ServedWorkers


class Hubs:
    """A host with the hubs `default` and `Orders`."""

    def __init__(self, url: str, ends: contextlib.AsyncExitStack, stops: Executor) -> None:
        self.url = url
        self._ends = ends
        self._stops = stops

    async def client(self, hub: str = "") -> AsyncTaskHubGrpcClient:
        metadata = [("taskhub", hub)] if hub else None
        return await self._ends.enter_async_context(AsyncTaskHubGrpcClient(host_address=self.url, metadata=metadata))

    def worker(self, hub: str, says: str) -> TaskHubGrpcWorker:
        """A worker whose orchestrator tells which one it is."""

        def which(ctx: task.OrchestrationContext, _: Any) -> str:
            return says

        worker = TaskHubGrpcWorker(host_address=self.url, metadata=[("taskhub", hub)])
        worker.add_orchestrator(which)
        worker.start()
        self._ends.callback(self._stops.submit, worker.stop)
        return worker

    async def stub(self) -> Any:
        channel = grpc.aio.insecure_channel(self.url.removeprefix("http://"))
        await self._ends.enter_async_context(channel)
        return service.TaskHubSidecarServiceStub(channel)


@contextlib.asynccontextmanager
async def serving(stops: Executor, *arguments: str) -> AsyncIterator[Hubs]:
    given = serve.make_context("serve", ["--port", "0", *arguments]).params
    ready: list[ServedWorkers] = []
    host = PlainWorkersHost(config_of(given), StartOptions(), ready.append, given["task_hub_name"])
    await host.start(0)
    async with contextlib.AsyncExitStack() as ends:
        yield Hubs(f"http://127.0.0.1:{ready[0].port}", ends, stops)
    await host.stop(0)


@pytest.fixture
async def hubs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stops: Executor) -> AsyncIterator[Hubs]:
    monkeypatch.chdir(tmp_path)
    async with serving(stops, "--task-hub-name", "default", "--task-hub-name", "Orders") as hubs:
        yield hubs


async def rest_of(stream: Any) -> None:
    while True:
        await stream.read()


async def output(client: AsyncTaskHubGrpcClient, instance_id: str) -> Any:
    state = await client.wait_for_orchestration_completion(instance_id, timeout=PATIENCE)
    assert state is not None
    assert state.runtime_status == OrchestrationStatus.COMPLETED
    return state.get_output()


async def test_each_hub_has_its_own_instances_and_workers(hubs: Hubs) -> None:
    for hub in ("default", "orders"):
        hubs.worker(hub, f"the worker of {hub}")
    for hub in ("default", "ORDERS"):
        client = await hubs.client(hub)
        await client.schedule_new_orchestration("which", instance_id="same")
        assert await output(client, "same") == f"the worker of {hub.lower()}"


async def test_call_that_names_no_hub_is_for_the_first(hubs: Hubs) -> None:
    hubs.worker("default", "the worker of default")
    client = await hubs.client()
    await client.schedule_new_orchestration("which", instance_id="i")
    assert await output(client, "i") == "the worker of default"


async def test_hub_that_a_client_creates_is_served(hubs: Hubs) -> None:
    stub, metadata = await hubs.stub(), [("taskhub", "made")]
    await stub.CreateTaskHub(pb.CreateTaskHubRequest(), metadata=metadata)
    hubs.worker("made", "the worker of made")
    client = await hubs.client("made")
    await client.schedule_new_orchestration("which", instance_id="i")
    assert await output(client, "i") == "the worker of made"


@pytest.mark.parametrize(
    "call",
    [
        lambda stub, metadata: stub.GetInstance(pb.GetInstanceRequest(instanceId="i"), metadata=metadata),
        lambda stub, metadata: stub.StartInstance(pb.CreateInstanceRequest(name="x"), metadata=metadata),
        lambda stub, metadata: stub.GetWorkItems(pb.GetWorkItemsRequest(), metadata=metadata).read(),
    ],
)
async def test_hub_that_does_not_exist_is_refused_with_the_way_to_create_it(
    hubs: Hubs, call: Callable[[Any, Any], Any]
) -> None:
    with pytest.raises(grpc.RpcError) as refused:
        await call(await hubs.stub(), [("taskhub", "unknown")])
    assert refused.value.code() == grpc.StatusCode.NOT_FOUND
    assert "func durable serve --task-hub-name unknown" in (refused.value.details() or "")


@pytest.mark.parametrize("hub", ["default", "orders"])
async def test_deleted_hub_is_gone_with_its_data_and_its_workers(hubs: Hubs, hub: str) -> None:
    stub, metadata = await hubs.stub(), [("taskhub", hub)]
    client = await hubs.client(hub)
    await client.schedule_new_orchestration("which", instance_id="i")
    stream = stub.GetWorkItems(pb.GetWorkItemsRequest(), metadata=metadata)
    await stream.read()
    await stub.DeleteTaskHub(pb.DeleteTaskHubRequest(), metadata=metadata)
    with pytest.raises(grpc.RpcError) as ended:
        await rest_of(stream)
    assert ended.value.code() == grpc.StatusCode.NOT_FOUND
    with pytest.raises(grpc.RpcError) as refused:
        await client.get_orchestration_state("i")
    assert refused.value.code() == grpc.StatusCode.NOT_FOUND
    await stub.DeleteTaskHub(pb.DeleteTaskHubRequest(), metadata=metadata)
    await stub.CreateTaskHub(pb.CreateTaskHubRequest(), metadata=metadata)
    assert await client.get_orchestration_state("i") is None


@pytest.mark.parametrize("recreates", [True, False])
async def test_hub_that_is_recreated_on_request_loses_its_data(hubs: Hubs, recreates: bool) -> None:
    stub, client = await hubs.stub(), await hubs.client("orders")
    await client.schedule_new_orchestration("which", instance_id="i")
    await stub.CreateTaskHub(pb.CreateTaskHubRequest(recreateIfExists=recreates), metadata=[("taskhub", "orders")])
    assert (await client.get_orchestration_state("i") is None) is recreates
    hubs.worker("orders", "the worker of orders")
    await client.schedule_new_orchestration("which", instance_id="again")
    assert await output(client, "again") == "the worker of orders"


async def test_hub_on_the_development_account_is_deleted_if_no_other_host_works_on_it(
    monkeypatch: pytest.MonkeyPatch, connection_string: str, stops: Executor
) -> None:
    monkeypatch.setenv("AzureWebJobsStorage", connection_string)
    own, shared = (f"served{uuid.uuid4().hex[:8]}" for _ in range(2))
    arguments = ["--storage", "azure", "--task-hub-name", shared]
    async with serving(stops, *arguments, "--task-hub-name", own) as hubs, serving(stops, *arguments) as others:
        for one in (await hubs.stub(), await others.stub()):
            with pytest.raises(grpc.RpcError) as refused:
                await one.DeleteTaskHub(pb.DeleteTaskHubRequest())
            assert refused.value.code() == grpc.StatusCode.FAILED_PRECONDITION
        client = await hubs.client(own)
        await client.schedule_new_orchestration("which", instance_id="i")
        again = pb.CreateTaskHubRequest(recreateIfExists=True)
        await (await hubs.stub()).CreateTaskHub(again, metadata=[("taskhub", own)])
        assert await client.get_orchestration_state("i") is None
        hubs.worker(own, "the worker of the new hub")
        await client.schedule_new_orchestration("which", instance_id="again")
        assert await output(client, "again") == "the worker of the new hub"
