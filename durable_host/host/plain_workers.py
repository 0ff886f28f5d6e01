"""A host without a function app: serves a task hub to workers and clients of the Durable Task SDKs."""

import asyncio
import time
from collections.abc import Callable

import msgspec

from durable_host.bindings.accounts import Accounts
from durable_host.clock import SystemClock
from durable_host.config import HostConfig, StartOptions
from durable_host.durable.api import DurableClient
from durable_host.durable.runtime import DurableRuntime, RuntimeFailed
from durable_host.durable.sidecar.grpc_server import SidecarListener
from durable_host.durable.sidecar.hubs import SidecarHubs
from durable_host.durable.sidecar.service import SidecarService
from durable_host.durable.sidecar.workers.worker_code import WorkerCode
from durable_host.durable.taskhub.port import TaskHubUnavailable
from durable_host.errors import HostError
from durable_host.host.host_storage import HostStorage
from durable_host.host.hub_opening import open_foreign_hub, open_hub, sqlite_path, uses_sqlite
from durable_host.host.summary import storage_text
from durable_host.storage.errors import StorageFailed

ACTIVITY_WINDOW_ON_EMULATOR = 128
_STOP_SECONDS = 1.0
"""Seconds that workers have to finish; unfinished work is released to the hub."""


class ServedWorkers(msgspec.Struct, frozen=True, kw_only=True):
    """Facts for the terminal. `storage` is a text for people; `seconds_to_ready` counts from the program's start."""

    port: int
    task_hub: str
    storage: str
    instances_in_flight: int
    seconds_to_ready: float


class PlainWorkersHost:
    """Serves the hub of `config` at the gRPC endpoint on `config.port`. `ready` is called when it listens."""

    def __init__(self, config: HostConfig, options: StartOptions, ready: Callable[[ServedWorkers], None]) -> None:
        self._config = config
        self._ready = ready
        self._accounts = Accounts(config.settings)
        self._storage = HostStorage(options, config.root)
        self._failed: asyncio.Future[HostError] = asyncio.get_running_loop().create_future()
        durable, clock = config.host.durable, SystemClock()
        connection = durable.storage.connection_name
        self._hub = open_hub(config, self._accounts, durable.hub_name, connection)
        self._code = WorkerCode(self._version_of)
        on_account = not uses_sqlite(config)
        is_emulated = on_account and self._accounts.account(connection).connection.is_development
        self._runtime = DurableRuntime(
            self._hub,
            self._code,
            durable,
            clock,
            activity_window=ACTIVITY_WINDOW_ON_EMULATOR if is_emulated else None,
            on_failure=self._fail,
        )
        client = DurableClient(self._hub, None, durable, clock, self._runtime.live)
        self._hubs = SidecarHubs(client, durable, self._other_hub)
        service = SidecarService(self._hubs, durable, clock, self._code.board)
        self._listener = SidecarListener(service, config.port)

    async def start(self, started_at: float) -> None:
        """Serve the hub, then listen. Raises PortError, StorageFailed, AzuriteError."""
        durable = self._config.host.durable
        if not uses_sqlite(self._config):
            await self._storage.ensure(self._accounts.account(durable.storage.connection_name).connection)
        try:
            await self._runtime.start()
        except TaskHubUnavailable as error:
            raise StorageFailed(
                f"The task hub '{durable.hub_name}' cannot be used.",
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
                storage=self._place(),
                instances_in_flight=await self._runtime.in_flight(),
                seconds_to_ready=time.monotonic() - started_at,
            )
        )

    async def failure(self) -> HostError:
        """Wait until the runtime has ended permanently, and return the reason."""
        return await self._failed

    async def stop(self, grace: float) -> None:
        """Release work in progress to the hub, end all calls and close the hub."""
        await self._runtime.stop(min(grace, _STOP_SECONDS))
        await self._listener.stop()
        await self._hubs.close()
        await self._hub.close()
        await self._accounts.close()
        await self._storage.stop()

    def kill(self) -> None:
        """Stop the Azurite that this host started."""
        self._storage.kill()

    def _place(self) -> str:
        durable = self._config.host.durable
        if uses_sqlite(self._config):
            return str(sqlite_path(self._config, durable.hub_name))
        return storage_text(self._accounts.account(durable.storage.connection_name).connection)

    def _other_hub(self, hub_name: str, connection: str) -> DurableClient:
        hub = open_foreign_hub(self._config, self._accounts, hub_name, connection)
        return DurableClient(hub, None, self._config.host.durable, SystemClock())

    async def _version_of(self, instance_id: str) -> str | None:
        state = await self._hub.get_instance(instance_id, fetch_input=False, fetch_output=False)
        return state.version if state is not None else None

    def _fail(self, error: RuntimeFailed) -> None:
        if not self._failed.done():
            self._failed.set_result(error)
