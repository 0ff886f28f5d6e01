"""Starts and stops Durable Functions while the host runs.

A reload may add the first durable function of an app, or remove the last one.
"""

import asyncio
import contextlib
from collections.abc import Callable

from durable_host.clock import Clock
from durable_host.durable.runtime.http_activity import HttpActivity
from durable_host.durable.taskhub.port import TaskHubRefused, TaskHubUnavailable
from durable_host.errors import HostError
from durable_host.host.durable_services import DurableServices, WrapHub
from durable_host.host.hub_opening import uses_sqlite
from durable_host.host.served_app import ServedApp
from durable_host.invocation.invoker import Invoker
from durable_host.invocation.pool import WorkerPool
from durable_host.storage.errors import StorageFailed

WAIT_FOR_DURABLE = 30.0
PATIENCE_OF_COUNTING = 2.0


class DurableSwitch:
    """Starts, reloads and stops Durable Functions. `services` is None while the app has none.

    `changed` is called after each change of `services`, `failed` when they have ended permanently with an error.
    `wrap_hub`: see DurableServices.
    """

    def __init__(
        self,
        pool: WorkerPool,
        invoker: Invoker,
        base_url: str,
        changed: Callable[[], None],
        failed: Callable[[HostError], None],
        *,
        grpc_port: int | None = None,
        wrap_hub: WrapHub | None = None,
        clock: Clock | None = None,
        http: Callable[[], HttpActivity] = HttpActivity,
    ) -> None:
        self.services: DurableServices | None = None
        self._pool = pool
        self._invoker = invoker
        self._base_url = base_url
        self._changed = changed
        self._failed = failed
        self._grpc_port = grpc_port
        self._wrap_hub = wrap_hub
        self._clock = clock
        self._http = http
        self._is_up = asyncio.Event()

    async def start(self, app: ServedApp, key: str | None) -> None:
        """Start the services, or open what a reloaded app needs in addition. `key`: see DurableServices.

        Raises StorageFailed, PortError, GrpcMissing.
        """
        if self.services is not None:
            await self.services.open_grpc()
            self._is_up.set()
            return
        durable = self.services = DurableServices(
            app.config,
            app.accounts,
            self._pool,
            self._invoker,
            app.functions.served,
            absent=app.functions.absent,
            sdk_versions=app.index.sdk_versions,
            base_url=self._base_url,
            function_timeout=app.pipeline.function_timeout,
            key=key,
            grpc_port=self._grpc_port,
            on_failure=self._failed,
            wrap_hub=self._wrap_hub,
            clock=self._clock,
            http=self._http,
        )
        try:
            await durable.start()
        except Exception as error:
            await self.end(0)
            if not isinstance(error, TaskHubUnavailable):
                raise
            raise StorageFailed(
                f"The task hub '{app.config.host.durable.hub_name}' cannot be used.",
                cause=str(error),
                remedy="Stop the other host, or set another 'path' in extensions.durableTask.storageProvider."
                if uses_sqlite(app.config)
                else "Check the storage account of the task hub and its connection setting.",
                code="DH2002" if isinstance(error, TaskHubRefused) and error.is_about_access else None,
            ) from error
        self._is_up.set()
        self._changed()

    def adopt(self, app: ServedApp) -> None:
        """Run the durable functions of a reloaded app from now on."""
        if self.services is not None:
            self.services.adopt(
                app.functions.served, app.pipeline.function_timeout, app.functions.absent, app.index.sdk_versions
            )
            if self.services.lacks_grpc:
                self._is_up.clear()

    async def pause(self, grace: float = 5.0) -> None:
        """Release running work to the task hub. Clients can still send messages to it."""
        if self.services is not None:
            await self.services.stop(grace)

    async def end(self, grace: float = 5.0) -> None:
        """Release running work to the task hub and close it."""
        durable, self.services = self.services, None
        self._is_up.clear()
        if durable is not None:
            self._changed()
            try:
                await durable.stop(grace)
            finally:
                await durable.close()

    async def close(self) -> None:
        """Close the hub. Call it after `pause`, when no function runs that could send messages to the hub."""
        if self.services is not None:
            await self.services.close()

    async def set_aside(self) -> dict[str, int] | None:
        """The number of unreadable messages, by queue; None without a hub, or while it does not answer."""
        if self.services is None:
            return None
        try:
            async with asyncio.timeout(PATIENCE_OF_COUNTING):
                return await self.services.set_aside()
        except (TimeoutError, TaskHubUnavailable):
            return None

    async def payload(self, task_hub: str | None, connection: str | None, *, may_come: bool) -> str:
        """The durable client payload for user code.

        With `may_come`, wait for Durable Functions to start: functions of an app that has just been loaded may run
        before its task hub is served.
        """
        if may_come:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(WAIT_FOR_DURABLE):
                    await self._is_up.wait()
        if self.services is None:
            raise RuntimeError("Durable Functions do not run in this host")
        return self.services.payload(task_hub, connection)
