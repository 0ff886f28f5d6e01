"""Durable Functions for one app: task hub, user code, runtime, client, management API and RPC endpoint."""

import json
import logging
from collections.abc import Callable, Mapping, Sequence

from durable_host.bindings.accounts import Accounts
from durable_host.clock import Clock, SystemClock
from durable_host.config import HostConfig
from durable_host.config import hub_name as hub_names
from durable_host.config.durable import DurableOptions
from durable_host.durable.api import DurableClient, ManagementUrls, Retention, client_payload
from durable_host.durable.api.client_payload import WEBHOOK_PATH, grpc_client_payload
from durable_host.durable.api.http import DurableHttpApi
from durable_host.durable.api.rpc_server import RpcServer
from durable_host.durable.runtime.http_activity import HttpActivity
from durable_host.durable.runtime.runtime import DurableRuntime, RuntimeFailed
from durable_host.durable.taskhub.port import TaskHub
from durable_host.durable.user_code import UserCode, numbers_its_actions
from durable_host.host.durable_calls import DurableCalls
from durable_host.host.durable_user_code import user_code_for
from durable_host.host.functions import AbsentFunction
from durable_host.host.grpc_endpoint import GrpcEndpoint
from durable_host.host.hub_opening import open_foreign_hub, open_hub, uses_sqlite
from durable_host.host.replaceable_user_code import ReplaceableUserCode
from durable_host.http_port import body_limit
from durable_host.invocation.invoker import Invoker
from durable_host.invocation.metadata import FunctionMetadata
from durable_host.invocation.pool import WorkerPool
from durable_host.web.local_only import is_local_request

_log = logging.getLogger("Host.Triggers.DurableTask")

ACTIVITY_WINDOW_ON_EMULATOR = 128

WrapHub = Callable[[TaskHub, Clock], TaskHub]


class DurableServices:
    """Durable Functions for one app. Start them after storage and before the listeners, and stop them after those.

    `absent` are functions that cannot be called, with the reason for the caller.
    `sdk_versions` are those of the packages of the app. `key` is the system key in management URLs, or None.
    `grpc_port`: see GrpcEndpoint. `on_failure` is called when the runtime has ended permanently. Tests pass their own
    `clock` and `hub`; the defaults are the real time and the configured hub. `around_code` and
    `wrap_hub` get the app's code and the hub, and return what the runtime uses instead. `http` creates the object that
    sends the HTTP requests of orchestrators. `rpc_ports`: see RpcServer.
    """

    def __init__(
        self,
        config: HostConfig,
        accounts: Accounts,
        pool: WorkerPool,
        invoker: Invoker,
        functions: tuple[FunctionMetadata, ...],
        *,
        absent: tuple[AbsentFunction, ...] = (),
        sdk_versions: Mapping[str, str] = {},
        base_url: str,
        function_timeout: float | None,
        key: str | None = None,
        grpc_port: int | None = 0,
        on_failure: Callable[[RuntimeFailed], None] | None = None,
        clock: Clock | None = None,
        hub: TaskHub | None = None,
        around_code: Callable[[UserCode], UserCode] = lambda code: code,
        wrap_hub: WrapHub | None = None,
        http: Callable[[], HttpActivity] = HttpActivity,
        rpc_ports: Sequence[int] | None = None,
    ) -> None:
        self.config, self.accounts = config, accounts
        options = config.host.durable
        is_configured, is_tested = hub is None, clock is not None
        hub = hub or open_hub(
            config, accounts, options.hub_name, options.storage.connection_name, clock=clock, eager=True
        )
        clock = clock or SystemClock()
        self._options = options
        self._pool = pool
        self._invoker = invoker
        self._key = key
        code = self._code = ReplaceableUserCode(self._user_code(functions, absent, function_timeout, sdk_versions))
        self._base_url = base_url
        self._hub = hub if wrap_hub is None else wrap_hub(hub, clock)
        emulated = is_configured and not uses_sqlite(config) and _is_emulated(accounts, options)
        self.runtime = DurableRuntime(
            self._hub,
            around_code(code),
            options,
            clock,
            activity_window=ACTIVITY_WINDOW_ON_EMULATOR if emulated else None,
            on_failure=on_failure,
            http=http,
        )

        def is_of_v2() -> bool:
            return numbers_its_actions(code)

        self.client = DurableClient(self._hub, code, options, clock, self.runtime.live, is_of_v2)

        def foreign_client(hub_name: str, connection: str) -> DurableClient:
            hub = open_foreign_hub(config, accounts, hub_name, connection)
            return DurableClient(hub, None, options, clock, is_of_v2=is_of_v2)

        self.api = DurableHttpApi(
            self.client,
            options,
            admit=is_local_request,
            hub_for=foreign_client,
            max_body=body_limit(config.settings),
            key=key,
        )
        self._rpc = RpcServer(self.api, ports=rpc_ports) if options.local_rpc_endpoint_enabled else None
        # Over gRPC names are not checked: an unknown function fails when it is dispatched.
        anything = DurableClient(self._hub, None, options, clock, self.runtime.live)
        self._grpc = GrpcEndpoint(anything, options, clock, foreign_client, grpc_port)
        self._grpc.is_needed = self._uses_grpc(functions)
        # Tests, which pass their own clock, keep everything for their assertions.
        retain = None if is_tested else options.retain
        self._retention = Retention(self.client, clock, retain, self.runtime.recovered)

    @property
    def code(self) -> UserCode:
        """The durable functions of the app."""
        return self._code

    async def start(self) -> None:
        """Open the endpoints and serve the task hub. Raises PortError, GrpcMissing, TaskHubUnavailable."""
        if self._rpc is not None:
            await self._rpc.start()
        await self.open_grpc()
        await self.runtime.start()
        self._retention.start()

    async def open_grpc(self) -> None:
        """Open the gRPC endpoint if the app needs it. Raises PortError, GrpcMissing."""
        await self._grpc.open()
        if self._grpc.is_needed and self._grpc.url is None:
            _log.warning("Durable clients of this app cannot reach the host: --grpc-port 0 disables gRPC.")

    @property
    def grpc_url(self) -> str | None:
        """The URL of the gRPC endpoint; None while it is closed."""
        return self._grpc.url

    @property
    def lacks_grpc(self) -> bool:
        """Whether the adopted app needs `open_grpc` first."""
        return self._grpc.is_due

    def adopt(
        self,
        functions: tuple[FunctionMetadata, ...],
        function_timeout: float | None,
        absent: tuple[AbsentFunction, ...] = (),
        sdk_versions: Mapping[str, str] = {},
    ) -> None:
        """Run the functions of a reloaded app. The new worker replays every instance from its history."""
        self._code.code = self._user_code(functions, absent, function_timeout, sdk_versions)
        self._grpc.is_needed = self._uses_grpc(functions)

    async def stop(self, grace: float) -> None:
        """Stop processing instances. The RPC endpoint stays open for functions that still run."""
        await self._retention.stop()
        await self.runtime.stop(grace)

    async def close(self) -> None:
        """Close the endpoints and the hubs."""
        try:
            await self._grpc.close()
            if self._rpc is not None:
                await self._rpc.stop()
            await self.api.close()
        finally:
            await self._hub.close()

    async def set_aside(self) -> dict[str, int]:
        """The number of unreadable messages of the hub, by queue. Raises TaskHubUnavailable."""
        return await self._hub.set_aside()

    def payload(self, task_hub: str | None, connection: str | None) -> str:
        """The durable client payload for user code, for the hub that the binding names."""
        options = self._options
        storage = options.storage
        if storage.stands_in_for is not None:
            # The binding may use the hub's name in the other service.
            task_hub = hub_names.repaired(task_hub) if task_hub else None
            is_replaced = (connection or "").casefold() == (storage.replaced_connection_name or "").casefold()
            connection = None if is_replaced else connection
        urls = ManagementUrls(
            base_url=self._base_url + WEBHOOK_PATH,
            task_hub=task_hub or options.hub_name,
            connection=connection or storage.connection_name,
            key=self._key,
        )
        if self._grpc.is_needed:
            return grpc_client_payload(urls, options, rpc_base_url=self._grpc.url, connection_name=connection)
        base = self._rpc.base_url if self._rpc is not None else None
        return json.dumps(client_payload(urls, rpc_base_url=base, connection_name=connection))

    def _uses_grpc(self, functions: tuple[FunctionMetadata, ...]) -> bool:
        """Whether the client of the app's SDK uses gRPC."""
        return self._pool.kind.durable_dialect(functions) in ("v2", "dotnet")

    def _user_code(
        self,
        functions: tuple[FunctionMetadata, ...],
        absent: tuple[AbsentFunction, ...],
        function_timeout: float | None,
        sdk_versions: Mapping[str, str],
    ) -> UserCode:
        return user_code_for(
            self._pool.kind.durable_dialect(functions),
            DurableCalls(self._pool, self._invoker, functions, orchestrator_timeout=function_timeout),
            functions,
            absent,
            sdk_versions,
            self._options,
        )


def _is_emulated(accounts: Accounts, options: DurableOptions) -> bool:
    return accounts.account(options.storage.connection_name).connection.is_development
