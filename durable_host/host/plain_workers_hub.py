"""One task hub of a host without a function app: its storage, its runtime, and the work for its workers."""

from collections.abc import Callable

import msgspec

from durable_host.bindings.accounts import Accounts
from durable_host.clock import SystemClock
from durable_host.config import HostConfig
from durable_host.durable.api import DurableClient, Retention
from durable_host.durable.runtime.runtime import DurableRuntime, RuntimeFailed
from durable_host.durable.sidecar.workers.board import WorkBoard
from durable_host.durable.sidecar.workers.worker_code import WorkerCode
from durable_host.durable.taskhub.port import TaskHub
from durable_host.host.hub_opening import open_hub, uses_sqlite

ACTIVITY_WINDOW_ON_EMULATOR = 128


class PlainWorkersHub:
    """Implements `ServedHub`. `on_failure` is called when the runtime has ended permanently."""

    def __init__(
        self, config: HostConfig, accounts: Accounts, name: str, on_failure: Callable[[RuntimeFailed], None]
    ) -> None:
        durable, clock = config.host.durable, SystemClock()
        connection = durable.storage.connection_name
        self.hub: TaskHub = open_hub(config, accounts, name, connection, eager=True)
        code = WorkerCode(self._version_of)
        self.board: WorkBoard = code.board
        on_account = not uses_sqlite(config)
        is_emulated = on_account and accounts.account(connection).connection.is_development
        options = msgspec.structs.replace(durable, hub_name=name)
        self._runtime = DurableRuntime(
            self.hub,
            code,
            options,
            clock,
            activity_window=ACTIVITY_WINDOW_ON_EMULATOR if is_emulated else None,
            on_failure=on_failure,
        )
        self.client = DurableClient(self.hub, None, options, clock, self._runtime.live)
        self._retention = Retention(self.client, clock, options.retain, self._runtime.recovered)

    async def start(self) -> None:
        """Serve the hub. Raises TaskHubUnavailable."""
        await self._runtime.start()
        self._retention.start()

    async def in_flight(self) -> int:
        """Return how many instances have not ended."""
        return await self._runtime.in_flight()

    async def stop(self, grace: float) -> None:
        """Release work in progress to the hub."""
        await self._retention.stop()
        await self._runtime.stop(grace)

    async def close(self) -> None:
        """Close the hub."""
        await self.hub.close()

    async def _version_of(self, instance_id: str) -> str | None:
        state = await self.hub.get_instance(instance_id, fetch_input=False, fetch_output=False)
        return state.version if state is not None else None
