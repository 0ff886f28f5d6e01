"""Switches the host from one state of the app to another: web endpoint, listeners and Durable Functions."""

import asyncio
import logging
from collections.abc import Callable
from enum import Enum
from typing import TYPE_CHECKING

from durable_host.bindings.accounts import Accounts
from durable_host.bindings.blob_signals import BlobSignals
from durable_host.bindings.queue_signals import QueueSignals
from durable_host.clock import SystemClock
from durable_host.config import HostConfig, StartOptions
from durable_host.errors import HostError
from durable_host.host.durable_switch import DurableSwitch
from durable_host.host.host_storage import HostStorage
from durable_host.host.hub_opening import adapter_module
from durable_host.host.launch import PLAIN, Launch
from durable_host.host.listeners import Listeners
from durable_host.host.served_app import AppParts, ServedApp, report_problems, served_app
from durable_host.host.threaded_imports import import_in_turn
from durable_host.host.web import route_to, shown_host
from durable_host.invocation.bindings import BindingRegistry
from durable_host.invocation.invoker import Invoker
from durable_host.invocation.metadata import IndexResult
from durable_host.invocation.pool import WorkerPool
from durable_host.invocation.workers import Workers
from durable_host.triggers.mcp.webhook import McpWebhook
from durable_host.web.front import BLOBS_KEY, DURABLE_KEY, EVENT_GRID_KEY, MCP_KEY, Front
from durable_host.web.keys import KeyRing, KeysUnavailable
from durable_host.web.manual_invocation import ManualInvocation

if TYPE_CHECKING:
    from durable_host.chaos.chaos import Chaos

_log = logging.getLogger("Host.Startup")


class Pause(Enum):
    """Why the host accepts no events."""

    DRAIN = "drain"
    OFFLINE = "offline"
    FAILURE = "failure"


class AppSwitch:
    """Switches between states of the app: `prepare`, then `switch_to`, `update_durable` and `update_listeners`.

    Only one caller may do this at a time: hold the lock `turn`.

    Set `front` and `keys` before the first `switch_to`. `failed` is called when an essential part has ended
    permanently. While there are `pauses`, only HTTP requests start functions. `problem` is the reason why the last
    attempt to serve the app failed. `chaos` injects faults.
    """

    front: Front
    keys: KeyRing

    def __init__(
        self,
        config: HostConfig,
        options: StartOptions,
        pool: WorkerPool,
        failed: Callable[[HostError], None],
        chaos: "Chaos | None" = None,
        launch: Launch = PLAIN,
    ) -> None:
        self.options = options
        self.pool = pool
        self.invoker = Invoker(pool, BindingRegistry(), clock=launch.clock)
        self._launch = launch
        self.base_url = f"http://{shown_host(config.address)}:{config.port}"
        self.accounts = Accounts(config.settings, open_account=None if chaos is None else chaos.open_account)
        self.storage = HostStorage(options, config.root)
        self.durable = DurableSwitch(
            pool,
            self.invoker,
            self.base_url,
            self._route_requests,
            failed,
            grpc_port=options.grpc_port,
            wrap_hub=None if chaos is None else chaos.wrap_hub,
            clock=launch.clock,
            http=launch.http,
        )
        self.listeners = Listeners()
        self.manual = ManualInvocation()
        self.mcp = McpWebhook(self.invoker)
        self.signals = QueueSignals()
        self.turn = asyncio.Lock()
        self.pauses: set[Pause] = set()
        self.problem: str | None = None
        self._app: ServedApp | None = None
        self._parts = AppParts(
            invoker=self.invoker,
            accounts=self.accounts,
            signals=self.signals,
            blob_signals=BlobSignals(),
            client_payload=self._client_payload,
            base_url=self.base_url,
            has_debugger=pool.has_debugger,
            clock=launch.clock or SystemClock(),
        )

    @property
    def app(self) -> ServedApp:
        """The state that is served now. Available after the first `switch_to`."""
        assert self._app is not None
        return self._app

    @property
    def takes_events(self) -> bool:
        return not self.pauses

    async def prepare(self, config: HostConfig, index: IndexResult) -> ServedApp:
        """Build a state of the app, start its storage, and report functions that do not run. Raises HostError."""
        app = served_app(self._parts, config, index)
        report_problems(app, self._app)
        importing = [asyncio.to_thread(import_in_turn, adapter_module(config))] if app.functions.use_durable else []
        await asyncio.gather(self.storage.ensure_for(app), *importing)
        return app

    def switch_to(self, app: ServedApp, workers: Workers | None = None) -> None:
        """Serve `app` from now on with `workers` (None: the current ones).

        The switch is atomic: nothing is awaited, so no request sees parts of both the old and the new app.
        """
        if workers is not None:
            self.pool.adopt(workers)
        self.invoker.adopt(self._launch.pipeline(app.pipeline, app.config.runtime))
        self.manual.adopt(app.starts)
        self.durable.adopt(app)
        self.mcp.adopt(app.functions.mcp, app.config.host.mcp, explain=app.http.details.shown)
        self._app = app
        self.pauses.discard(Pause.FAILURE)
        self._route_requests()

    async def start_events(self) -> None:
        """Start Durable Functions and the listeners if the app has them and the host accepts events.

        Raises HostError; the listeners run nevertheless.
        """
        try:
            await self.update_durable()
            await self.make_keys()
        finally:
            self.update_listeners()

    async def update_durable(self) -> None:
        """Start or stop Durable Functions, as the app needs. Raises StorageFailed."""
        if not (self.app.functions.use_durable and self.takes_events):
            await self.durable.end()
            return
        await self.durable.start(self.app, await self._durable_key())

    async def _durable_key(self) -> str | None:
        """The key for the management API's URLs, as in Azure.

        None if keys cannot be stored and callers need none. Raises KeysUnavailable.
        """
        try:
            return await self.keys.system_key(DURABLE_KEY)
        except KeysUnavailable as error:
            if self.options.enable_auth:
                raise
            _log.warning("The URLs of the management API have no key. %s %s", error, error.cause or "")
            return None

    async def make_keys(self) -> None:
        """Create the keys for the app's webhooks, so that callers can look them up. Raises KeysUnavailable."""
        if not self.options.enable_auth:
            return
        if self.app.triggers.webhook is not None:
            await self.keys.system_key(BLOBS_KEY)
        if self.app.triggers.event_grid is not None:
            await self.keys.system_key(EVENT_GRID_KEY)
        if not self.app.functions.mcp.is_empty:
            await self.keys.system_key(MCP_KEY)

    def update_listeners(self) -> None:
        """Run exactly the listeners of the app; none while the host accepts no events."""
        self.listeners.replace(self.app.triggers.listeners if self.takes_events else ())

    def _route_requests(self) -> None:
        durable = self.durable.services
        route_to(self.app, self.front, durable.api if durable is not None else None, self.mcp)

    async def _client_payload(self, task_hub: str | None, connection: str | None) -> str:
        return await self.durable.payload(task_hub, connection, may_come=self.takes_events)
