"""A runtime over an embedded hub with the 1.x SDK in this process, served over gRPC, and the SDK's client as caller."""

import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import grpc.aio
from durabletask.client import AsyncTaskHubGrpcClient
from runtime_world import App, World, hosts_on, runtime_options

from durable_host.durable.api import DurableClient
from durable_host.durable.api.other_hubs import HubFactory
from durable_host.durable.proto import service
from durable_host.durable.sidecar.grpc_server import SidecarListener
from durable_host.durable.sidecar.hubs import SidecarHubs
from durable_host.durable.sidecar.service import SidecarService


@dataclass
class Sidecar:
    """`sdk` calls without metadata, `stub` makes raw calls."""

    host: World
    url: str
    sdk: AsyncTaskHubGrpcClient
    stub: Any
    _callers: contextlib.AsyncExitStack = field(default_factory=contextlib.AsyncExitStack)

    @property
    def target(self) -> str:
        return self.url.removeprefix("http://")

    async def caller(self, **metadata: str) -> AsyncTaskHubGrpcClient:
        """The SDK's client with these headers."""
        client = AsyncTaskHubGrpcClient(host_address=self.url, metadata=list(metadata.items()))
        return await self._callers.enter_async_context(client)


@contextlib.asynccontextmanager
async def running_sidecar(
    app: App, path: Path | str, *, hub_for: HubFactory | None = None, **options: Any
) -> AsyncIterator[Sidecar]:
    settings = runtime_options(**options)
    async with hosts_on(path) as hosts:
        host = await hosts.start(app, options=settings)
        client = DurableClient(host.hub, None, settings, host.clock, host.runtime.live)
        hubs = SidecarHubs(client, settings, hub_for)
        listener = SidecarListener(SidecarService(hubs, settings, host.clock))
        await listener.start()
        try:
            async with (
                AsyncTaskHubGrpcClient(host_address=listener.url) as sdk,
                grpc.aio.insecure_channel(listener.url.removeprefix("http://")) as channel,
            ):
                sidecar = Sidecar(host, listener.url, sdk, service.TaskHubSidecarServiceStub(channel))
                async with sidecar._callers:
                    yield sidecar
        finally:
            await listener.stop()
            await hubs.close()
