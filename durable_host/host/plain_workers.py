"""A host without a function app: serves task hubs to workers and clients of the Durable Task SDKs."""

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence

import msgspec

from durable_host.bindings.accounts import Accounts
from durable_host.clock import SystemClock
from durable_host.config import HostConfig, StartOptions
from durable_host.config import hub_name as hub_names
from durable_host.durable.api import DurableClient
from durable_host.durable.api.errors import UnknownHub
from durable_host.durable.runtime.runtime import RuntimeFailed
from durable_host.durable.sidecar.grpc_server import SidecarListener
from durable_host.durable.sidecar.hubs import SidecarHubs
from durable_host.durable.sidecar.served_hubs import ServedHubs
from durable_host.durable.sidecar.service import SidecarService
from durable_host.durable.taskhub.port import TaskHubUnavailable
from durable_host.errors import HostError
from durable_host.host.host_storage import HostStorage
from durable_host.host.hub_opening import existing_name, open_foreign_hub, sqlite_path, uses_sqlite
from durable_host.host.plain_workers_hub import PlainWorkersHub
from durable_host.host.summary import storage_text
from durable_host.storage.errors import StorageFailed

_STOP_SECONDS = 1.0
"""Seconds that workers have to finish; unfinished work is released to the hub."""


class ServedWorkers(msgspec.Struct, frozen=True, kw_only=True):
    """Facts for the terminal. `task_hub` is that of calls that name none. `storage` is a text for people;
    `seconds_to_ready` counts from the program's start.
    """

    port: int
    task_hub: str
    task_hubs: tuple[str, ...]
    storage: str
    instances_in_flight: int
    seconds_to_ready: float


class PlainWorkersHost:
    """Serves the hubs `names`, and other existing ones that calls name, at the gRPC endpoint on `config.port`.

    The hub of `config` is that of calls that name none. `ready` is called when the host listens.
    """

    def __init__(
        self,
        config: HostConfig,
        options: StartOptions,
        ready: Callable[[ServedWorkers], None],
        names: Sequence[str] = (),
    ) -> None:
        self._config = config
        self._ready = ready
        self._names = tuple(dict.fromkeys((config.host.durable.hub_name, *names)))
        self._accounts = Accounts(config.settings)
        self._storage = HostStorage(options, config.root)
        self._failed: asyncio.Future[HostError] = asyncio.get_running_loop().create_future()
        durable = config.host.durable
        self._served = ServedHubs(self._make, self._exists)
        self._hubs = SidecarHubs(None, durable, self._other_hub, self._served)
        self._listener = SidecarListener(SidecarService(self._hubs, durable, SystemClock()), config.port)

    async def start(self, started_at: float) -> None:
        """Serve the hubs, then listen. Raises PortError, StorageFailed, AzuriteError."""
        durable = self._config.host.durable
        if not uses_sqlite(self._config):
            await self._storage.ensure(self._accounts.account(durable.storage.connection_name).connection)
        for name in self._names:
            try:
                await self._served.open(name, creates=True)
            except TaskHubUnavailable as error:
                raise StorageFailed(
                    f"The task hub '{name}' cannot be used.",
                    cause=str(error),
                    remedy="Stop the other host, or use another file with --path."
                    if uses_sqlite(self._config)
                    else "Check the storage account of the task hub and its connection setting.",
                ) from error
        await self._listener.start()
        self._ready(
            ServedWorkers(
                port=self._listener.port,
                task_hub=durable.hub_name,
                task_hubs=self._names,
                storage=self._place(),
                instances_in_flight=await self._in_flight(),
                seconds_to_ready=time.monotonic() - started_at,
            )
        )

    async def failure(self) -> HostError:
        """Wait until a runtime has ended permanently, and return the reason."""
        return await self._failed

    async def stop(self, grace: float) -> None:
        """Release work in progress to the hubs, end all calls and close the hubs."""
        await self._served.stop(min(grace, _STOP_SECONDS))
        await self._listener.stop()
        await self._hubs.close()
        await self._accounts.close()
        await self._storage.stop()

    def running_functions(self) -> Mapping[str, bool]:
        """None: there is no app."""
        return {}

    def kill(self) -> None:
        """Stop the Azurite that this host started."""
        self._storage.kill()

    def _make(self, name: str) -> PlainWorkersHub:
        if (problem := hub_names.problem(name)) is not None:
            raise UnknownHub(problem)
        return PlainWorkersHub(self._config, self._accounts, existing_name(self._config, name), self._fail)

    async def _exists(self, name: str) -> bool:
        client = self._other_hub(name, self._config.host.durable.storage.connection_name)
        try:
            return await client.hub.exists()
        finally:
            await client.hub.close()

    async def _in_flight(self) -> int:
        hubs = [await self._served.open(name) for name in self._names]
        return sum([await hub.in_flight() for hub in hubs if isinstance(hub, PlainWorkersHub)])

    def _place(self) -> str:
        durable = self._config.host.durable
        if uses_sqlite(self._config):
            return ", ".join(str(sqlite_path(self._config, name)) for name in self._names)
        return storage_text(self._accounts.account(durable.storage.connection_name).connection)

    def _other_hub(self, hub_name: str, connection: str) -> DurableClient:
        hub = open_foreign_hub(self._config, self._accounts, hub_name, connection)
        return DurableClient(hub, None, self._config.host.durable, SystemClock())

    def _fail(self, error: RuntimeFailed) -> None:
        if not self._failed.done():
            self._failed.set_result(error)
