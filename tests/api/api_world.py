"""A management API over an embedded hub, with both endpoints, and the SDK's client as caller."""

import asyncio
import contextlib
import json
import socket
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Any

import aiohttp
from aiohttp import web
from azure.durable_functions import DurableOrchestrationClient
from azure.durable_functions.models.utils import http_utils

from durable_host.clock import SystemClock
from durable_host.config.durable import DurableOptions
from durable_host.durable.api import DurableClient, ManagementUrls, client_payload
from durable_host.durable.api.client_payload import RPC_PATH, WEBHOOK_PATH
from durable_host.durable.api.http import DurableHttpApi, raw_tail
from durable_host.durable.model.events import (
    ExecutionStarted,
    HistoryEvent,
    OrchestrationInstance,
    OrchestratorCompleted,
    OrchestratorStarted,
)
from durable_host.durable.model.instance import InstanceUpdate
from durable_host.durable.model.messages import TaskMessage
from durable_host.durable.model.status import OrchestrationStatus
from durable_host.durable.runtime.live_instances import LiveInstances
from durable_host.durable.taskhub.port import EpisodeCommit
from durable_host.durable.taskhub.sqlite import SqliteTaskHub
from durable_host.http_port import HttpPort
from durable_host.web.local_only import is_local_request

HUB = "TestHub"
MAX_BODY = 10_000


class KnownNames:
    """As much of UserCode as the client looks at."""

    def __init__(self) -> None:
        self.orchestrators = ["Orch", "Other"]
        self.entities = ["Counter"]

    def has_orchestrator(self, name: str) -> bool:
        return name.lower() in (one.lower() for one in self.orchestrators)

    def has_entity(self, name: str) -> bool:
        return name.lower() in (one.lower() for one in self.entities)

    def orchestrator_names(self) -> list[str]:
        return self.orchestrators

    def orchestrator_function(self, name: str) -> str:
        return name

    def entity_names(self) -> list[str]:
        return self.entities


class ServedApi:
    """The management API at `origin`, as callers see it."""

    origin: str

    @property
    def webhook(self) -> str:
        return self.origin + WEBHOOK_PATH

    @property
    def rpc(self) -> str:
        return self.origin + RPC_PATH

    def sdk(self) -> DurableOrchestrationClient:
        return sdk_client(self.origin)


@dataclass
class World(ServedApi):
    hub: SqliteTaskHub
    code: KnownNames
    client: DurableClient
    live: LiveInstances
    clock: SystemClock
    http: aiohttp.ClientSession
    origin: str

    async def create(self, instance_id: str, name: str = "Orch", input: str | None = None) -> str:
        target = OrchestrationInstance(instance_id, f"{abs(hash(instance_id)):032x}"[:32])
        event = ExecutionStarted(timestamp=self.clock.now(), orchestration_instance=target, name=name, input=input)
        await self.hub.create_instance(TaskMessage(event, target), dedupe_statuses=frozenset())
        return target.execution_id or ""

    async def put(
        self,
        instance_id: str,
        status: OrchestrationStatus,
        *,
        name: str = "Orch",
        input: str | None = None,
        output: str | None = None,
        custom_status: str | None = None,
        version: str | None = None,
        parent: str = "",
        events: tuple[HistoryEvent, ...] = (),
    ) -> None:
        """Make an instance that has come to `status`."""
        execution_id = await self.create(instance_id, name, input)
        now = self.clock.now()
        target = OrchestrationInstance(instance_id, execution_id)
        started = ExecutionStarted(
            timestamp=now, orchestration_instance=target, name=name, input=input, version=version
        )
        update = InstanceUpdate(
            execution_id=execution_id,
            last_updated_time=now,
            started=started,
            runtime_status=status,
            output=output,
            custom_status=custom_status,
            parent_instance_id=parent,
        )
        history = [OrchestratorStarted(timestamp=now), started, *events, OrchestratorCompleted(timestamp=now)]
        await self.hub.commit(
            EpisodeCommit(
                instance_id=instance_id,
                execution_id=execution_id,
                checkpoint=(await self.hub.load_history(instance_id)).checkpoint,
                first_ordinal=0,
                events=history,
                outbound=(),
                update=update,
                consumed=(),
            )
        )

    async def exists(self, instance_id: str) -> None:
        """Return when the instance has been created by somebody else."""
        while await self.client.get(instance_id) is None:  # noqa: ASYNC110
            await asyncio.sleep(0)

    async def messages(self, instance_id: str) -> list[HistoryEvent]:
        """Events waiting for an instance."""
        await self.hub.start()
        received = await self.hub.next_control_messages()
        return [one.message.event for one in received if one.message.target.instance_id == instance_id]


@contextlib.asynccontextmanager
async def served(api: DurableHttpApi) -> AsyncIterator[tuple[aiohttp.ClientSession, str]]:
    """Both faces of `api` on a free port: a caller's session, and the origin."""

    async def handle(request: web.Request) -> web.Response:
        if request.path.startswith(RPC_PATH):
            return await api.handle(request, raw_tail(request, RPC_PATH), "rpc")
        return await api.handle(request, raw_tail(request, WEBHOOK_PATH), "webhook")

    with socket.create_server(("127.0.0.1", 0)) as free:
        number = free.getsockname()[1]
    port = HttpPort(handle, body_limit=MAX_BODY, close_within=1.0)
    await port.start_listening("127.0.0.1", number)
    async with aiohttp.ClientSession() as session:
        yield session, f"http://127.0.0.1:{number}"
    await http_utils._close_session()
    await port.close()
    await api.close()


def sdk_client(origin: str) -> DurableOrchestrationClient:
    urls = ManagementUrls(base_url=origin + WEBHOOK_PATH, task_hub=HUB)
    return DurableOrchestrationClient(json.dumps(client_payload(urls, rpc_base_url=f"{origin}{RPC_PATH}/")))


@contextlib.asynccontextmanager
async def running_world(
    *,
    options: DurableOptions | None = None,
    hub_for: Callable[[str, str], DurableClient] | None = None,
    key: str | None = None,
) -> AsyncIterator[World]:
    options = options or api_options()
    clock, code, live = SystemClock(), KnownNames(), LiveInstances()
    hub = SqliteTaskHub(":memory:", HUB, clock)
    await hub.create()
    client = DurableClient(hub, code, options, clock, live)  # pyright: ignore[reportArgumentType]
    api = DurableHttpApi(client, options, admit=is_local_request, hub_for=hub_for, max_body=MAX_BODY, key=key)
    async with served(api) as (session, origin):
        yield World(hub, code, client, live, clock, session, origin)
    await hub.stop()
    await hub.close()


def api_options(**changes: Any) -> DurableOptions:
    return DurableOptions(
        hub_name=HUB,
        max_concurrent_activity_functions=10,
        max_concurrent_orchestrator_functions=10,
        max_concurrent_entity_functions=10,
        **changes,
    )
