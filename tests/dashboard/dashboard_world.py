"""The dashboard in the process of the test, over a task hub in a file, in memory or in Azurite; no host."""

import contextlib
import json
import socket
import time
import uuid
from collections.abc import AsyncIterator, Callable
from functools import partial
from pathlib import Path
from typing import Any, Literal
from urllib.parse import quote

import aiohttp
import msgspec

from durable_host.bindings.accounts import Accounts
from durable_host.clock import SystemClock
from durable_host.config import AppSettings
from durable_host.config.connection import Connection
from durable_host.config.durable import DurableOptions
from durable_host.dashboard.dashboard_routes import ROOT, TOKEN_HEADER, Dashboard
from durable_host.dashboard.sources import AppSource, DashboardSources, HubSource
from durable_host.durable.api import DurableClient
from durable_host.durable.model.instance import InstanceState
from durable_host.durable.model.status import OrchestrationStatus
from durable_host.durable.runtime.live_instances import LiveInstances
from durable_host.durable.taskhub.azure import AzureTaskHub, AzureTaskHubOptions
from durable_host.durable.taskhub.azure.instance_rows import read_instance
from durable_host.durable.taskhub.azure.names import escape_key
from durable_host.durable.taskhub.port import TaskHub
from durable_host.durable.taskhub.sqlite import SqliteTaskHub, instances
from durable_host.http_port import HttpPort
from durable_host.storage import EdmDateTime, StorageAccount
from durable_host.timestamp import TICKS_PER_SECOND

BODY_LIMIT = 200_000


class Answer:
    """A response whose body was read."""

    def __init__(self, status: int, headers: Any, body: bytes) -> None:
        self.status = status
        self.headers = headers
        self.body = body

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def code(self) -> str:
        """The code of the error."""
        return self.json["error"]["code"]


class DashboardWorld:
    """A dashboard at `origin`, and its task hub. `live` is what a runtime would report commits to."""

    def __init__(
        self, dashboard: Dashboard, source: HubSource, live: LiveInstances, origin: str, http: aiohttp.ClientSession
    ) -> None:
        self.dashboard = dashboard
        self.source = source
        self.live = live
        self.origin = origin
        self.http = http
        self.clock = SystemClock()

    @property
    def hub(self) -> TaskHub:
        return self.source.client.hub

    @property
    def token(self) -> str:
        return self.dashboard.context.token

    async def request(self, method: str, path: str, **options: Any) -> Answer:
        """Any request to this origin; `path` begins with a slash."""
        from yarl import URL

        url = URL(self.origin + path, encoded=True)
        async with self.http.request(method, url, allow_redirects=False, **options) as response:
            return Answer(response.status, response.headers, await response.read())

    async def get(self, path: str, **query: str) -> Answer:
        """A GET of the API; `path` is below `/_df/api`."""
        text = "&".join(f"{name.rstrip('_')}={quote(value, safe='')}" for name, value in query.items())
        return await self.request("GET", f"{ROOT}/api{path}" + (f"?{text}" if text else ""))

    async def do(self, method: str, path: str, body: Any = None) -> Answer:
        """An action of the API, with the token."""
        data = None if body is None else json.dumps(body).encode()
        return await self.request(method, f"{ROOT}/api{path}", data=data, headers={TOKEN_HEADER: self.token})

    async def put(self, *states: InstanceState) -> None:
        """Write rows of instances, as episodes would leave them."""
        hub = self.hub
        if isinstance(hub, SqliteTaskHub):
            for state in states:
                await hub._database.run(partial(instances.replace, state=state))
            return
        assert isinstance(hub, AzureTaskHub)
        for state in states:
            await hub._instances._tables.upsert_replace(f"{hub.name}Instances", _azure_row(state))

    async def put_many(self, count: int, **members: Any) -> list[str]:
        """Write instances one second apart, oldest first, with the IDs `i-000000` and so on. Returns the IDs."""
        now = self.clock.now()
        states = [
            instance(f"i-{number:06d}", created_time=now - (count - number) * TICKS_PER_SECOND, **members)
            for number in range(count)
        ]
        await self.put(*states)
        return [state.instance_id for state in states]


def instance(instance_id: str, **members: Any) -> InstanceState:
    """A completed instance, unless `members` say otherwise; times default to now."""
    now = members.get("created_time") or SystemClock().now()
    known = {
        "execution_id": uuid.uuid4().hex,
        "name": "Approval",
        "runtime_status": OrchestrationStatus.Completed,
        "created_time": now,
        "last_updated_time": now,
    }
    state = InstanceState(instance_id=instance_id, **{**known, **members})
    if state.runtime_status.is_terminal and state.completed_time is None:
        state = msgspec.structs.replace(state, completed_time=state.last_updated_time)
    return state


def _azure_row(state: InstanceState) -> dict[str, Any]:
    def moment(ticks: int | None) -> EdmDateTime | None:
        return None if ticks is None else EdmDateTime(ticks)

    row = {
        "PartitionKey": escape_key(state.instance_id),
        "RowKey": "",
        "ExecutionId": state.execution_id,
        "Name": state.name,
        "Version": state.version,
        "RuntimeStatus": state.runtime_status.name,
        "CreatedTime": moment(state.created_time),
        "LastUpdatedTime": moment(state.last_updated_time),
        "CompletedTime": moment(state.completed_time),
        "Input": state.input,
        "Output": state.output,
        "CustomStatus": state.custom_status,
        "ParentInstanceId": state.parent_instance_id,
    }
    assert read_instance(row).name == state.name
    return {name: value for name, value in row.items() if value is not None}


@contextlib.asynccontextmanager
async def dashboard_world(
    place: Path | Literal[":memory:"] | Connection,
    *,
    is_read_only: bool = False,
    is_served: bool = True,
    app: AppSource | None = None,
    settings: dict[str, str] | None = None,
    names: Any = None,
) -> AsyncIterator[DashboardWorld]:
    """A dashboard over a new hub at `place`. `names` is as much of UserCode as the client looks at.

    Not `is_served`: another process serves the hub."""
    clock, live = SystemClock(), LiveInstances()
    options = DurableOptions(
        hub_name=f"t{uuid.uuid4().hex[:16]}",
        max_concurrent_activity_functions=10,
        max_concurrent_orchestrator_functions=10,
        max_concurrent_entity_functions=10,
    )
    accounts = Accounts(AppSettings(settings or {}))
    async with contextlib.AsyncExitStack() as stack:
        hub: TaskHub
        if isinstance(place, Connection):
            account = await stack.enter_async_context(StorageAccount(place))
            hub = AzureTaskHub(account, options=AzureTaskHubOptions(hub_name=options.hub_name))
            stack.push_async_callback(hub.delete)
        else:
            account = None
            hub = SqliteTaskHub(place, options.hub_name, clock)
        stack.push_async_callback(hub.close)
        stack.push_async_callback(accounts.close)
        await hub.create()
        source = HubSource(
            storage="azure" if account is not None else "sqlite",
            account="Azurite" if account is not None else str(place),
            is_development=True,
            client=DurableClient(hub, names, options, clock, live),
            options=options,
            live=live if is_served else None,
            queues=account,
        )
        dashboard = Dashboard(
            DashboardSources(
                hub=lambda: source,
                app=app,
                accounts=lambda: accounts,
                is_read_only=is_read_only,
                started=time.monotonic(),
            )
        )
        stack.push_async_callback(dashboard.close)
        with socket.create_server(("127.0.0.1", 0)) as free:
            number = free.getsockname()[1]
        port = HttpPort(dashboard.handle, body_limit=BODY_LIMIT, close_within=0.5)
        await port.start_listening("127.0.0.1", number)
        stack.push_async_callback(port.close)
        http = await stack.enter_async_context(aiohttp.ClientSession())
        yield DashboardWorld(dashboard, source, live, f"http://127.0.0.1:{number}", http)


Opener = Callable[..., contextlib.AbstractAsyncContextManager[DashboardWorld]]
