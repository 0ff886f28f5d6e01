"""A runtime over an embedded hub whose functions are those of plain workers, served over gRPC."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from concurrent.futures import Executor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import grpc.aio
from durabletask.client import AsyncTaskHubGrpcClient
from durabletask.worker import TaskHubGrpcWorker
from runtime_world import runtime_options

from durable_host.clock import SystemClock
from durable_host.durable.api import DurableClient
from durable_host.durable.proto import pb, service
from durable_host.durable.runtime.runtime import DurableRuntime
from durable_host.durable.sidecar.grpc_server import SidecarListener
from durable_host.durable.sidecar.hubs import SidecarHubs
from durable_host.durable.sidecar.service import SidecarService
from durable_host.durable.sidecar.workers.board import WorkBoard
from durable_host.durable.sidecar.workers.worker_code import WorkerCode
from durable_host.durable.taskhub.sqlite import SqliteTaskHub

PATIENCE = 60


@dataclass
class Workers:
    """`sdk` is a client, `stub` makes raw calls."""

    url: str
    hub: SqliteTaskHub
    runtime: DurableRuntime
    board: WorkBoard
    sdk: AsyncTaskHubGrpcClient
    stub: Any
    started: list[TaskHubGrpcWorker] = field(default_factory=list)

    async def start(self, *functions: Any, **options: Any) -> TaskHubGrpcWorker:
        """The SDK's worker, once it is connected. Functions whose name begins with `act` are activities."""
        worker = TaskHubGrpcWorker(host_address=self.url, **options)
        for function in functions:
            if isinstance(function, type):
                worker.add_entity(function)
            elif function.__name__.startswith("act"):
                worker.add_activity(function)
            else:
                worker.add_orchestrator(function)
        return await self.connect(worker)

    async def connect(self, worker: TaskHubGrpcWorker) -> TaskHubGrpcWorker:
        before = self.board.worker_count
        worker.start()
        self.started.append(worker)
        await self.until(lambda: self.board.worker_count > before)
        return worker

    async def until(self, holds: Callable[[], Any]) -> None:
        async with asyncio.timeout(PATIENCE):
            while not holds():  # noqa: ASYNC110
                await asyncio.sleep(0.005)

    async def begin(self, name: str, instance_id: str, **options: Any) -> None:
        await self.sdk.schedule_new_orchestration(name, instance_id=instance_id, **options)

    async def result(self, name: str, instance_id: str, **options: Any) -> Any:
        """The state at the end of a new instance."""
        await self.begin(name, instance_id, **options)
        return await self.end(instance_id)

    async def end(self, instance_id: str) -> Any:
        state = await self.sdk.wait_for_orchestration_completion(instance_id, timeout=PATIENCE)
        assert state is not None
        return state

    @contextlib.asynccontextmanager
    async def raw(self, **request: Any) -> AsyncIterator["RawWorker"]:
        """A worker that a test plays itself."""
        call = self.stub.GetWorkItems(pb.GetWorkItemsRequest(**request))
        worker = RawWorker(call)
        try:
            await call.read()  # the first ping
            yield worker
        finally:
            call.cancel()


class RawWorker:
    def __init__(self, call: Any) -> None:
        self.call = call

    async def next(self) -> pb.WorkItem:
        async with asyncio.timeout(PATIENCE):
            while True:
                item = await self.call.read()
                if item.WhichOneof("request") != "healthPing":
                    return item


@contextlib.asynccontextmanager
async def serving_workers(path: Path, stops: Executor, **changes: Any) -> AsyncIterator[Workers]:
    """`stops` ends the workers of the SDK: each takes up to a second, and nobody waits for it."""
    options = runtime_options(version_match_strategy="None", **changes)
    clock = SystemClock()
    hub = SqliteTaskHub(path, options.hub_name, clock)

    async def version_of(instance_id: str) -> str | None:
        state = await hub.get_instance(instance_id, fetch_input=False, fetch_output=False)
        return state.version if state is not None else None

    code = WorkerCode(version_of)
    runtime = DurableRuntime(hub, code, options, clock)
    await runtime.start()
    client = DurableClient(hub, None, options, clock, runtime.live)
    hubs = SidecarHubs(client, options, None)
    listener = SidecarListener(SidecarService(hubs, options, clock, code.board))
    await listener.start()
    async with (
        AsyncTaskHubGrpcClient(host_address=listener.url) as sdk,
        grpc.aio.insecure_channel(listener.url.removeprefix("http://")) as channel,
    ):
        stub = service.TaskHubSidecarServiceStub(channel)
        workers = Workers(listener.url, hub, runtime, code.board, sdk, stub)
        try:
            yield workers
        finally:
            for worker in workers.started:
                stops.submit(worker.stop)
            await listener.stop()
            await runtime.stop(0.1)
            await hub.close()
