"""The host's web application without a port: a client in the same event loop connects to it in memory."""

import os
import platform
from collections.abc import Mapping, Sequence
from typing import Any

from aiohttp import BaseConnector, ClientRequest, ClientSession, ClientTimeout, DummyCookieJar, TCPConnector
from aiohttp.client_proto import ResponseHandler
from yarl import URL

from durable_host.config import HostConfig
from durable_host.config.effective import effective_options
from durable_host.host.durable_services import DurableServices
from durable_host.host.served_app import ServedApp
from durable_host.host.summary import described, function_lines, mcp_url
from durable_host.host.web import CLOSE_CONNECTIONS_WITHIN, route_to
from durable_host.host_id import host_id_of, instance_id
from durable_host.http_port import HttpPort, body_limit
from durable_host.http_port.local_names import is_local_host
from durable_host.invocation.invoker import Invoker
from durable_host.invocation.pool import WorkerPool
from durable_host.testing import memory_transport
from durable_host.testing.http_client import OWN_HEADERS
from durable_host.triggers.http.cors import CorsPolicy
from durable_host.triggers.mcp.webhook import McpWebhook
from durable_host.web.admin import AdminApi
from durable_host.web.admin_host import HostRoutes, HostState
from durable_host.web.front import DURABLE_KEY, Front
from durable_host.web.home import home_page
from durable_host.web.keys import Access, KeyRing, KeyRoutes
from durable_host.web.manual_invocation import ManualInvocation


class WebInMemory:
    """Answers the requests of `session` like `func start`: functions, webhooks, management, admin and home page.

    Callers need no keys until `require_keys` is called. There is no dashboard. Call `adopt` before the first request,
    and `close` in the same event loop.
    """

    def __init__(self, config: HostConfig, pool: WorkerPool, invoker: Invoker, base_url: str) -> None:
        self._config = config
        self._pool = pool
        self._invoker = invoker
        self._url = URL(base_url)
        self._app: ServedApp | None = None
        self._durable: DurableServices | None = None
        self._manual = ManualInvocation()
        self._mcp = McpWebhook(invoker)
        self.keys = KeyRing(KeysInMemory(), instance_id(platform.node()))
        limit = body_limit(config.settings)
        self._front = Front(
            self._admin(),
            home=self._home,
            cors=CorsPolicy(config.cors, config.cors_credentials) if config.cors else None,
            body_limit=limit,
        )
        self._port = HttpPort(
            self._front.handle, body_limit=limit, close_within=CLOSE_CONNECTIONS_WITHIN, express=self._front.express
        )

    def require_keys(self) -> None:
        """Ask callers for keys from now on, like `func start --enable-auth`."""
        self._front.access = Access(self.keys)

    async def durable_key(self) -> str:
        """The key in the URLs of the management API, for `DurableServices`."""
        return await self.keys.system_key(DURABLE_KEY)

    def adopt(self, app: ServedApp, durable: DurableServices | None) -> None:
        """Serve this app from now on."""
        self._app, self._durable = app, durable
        self._manual.adopt(app.starts)
        self._mcp.adopt(app.functions.mcp, app.config.host.mcp, explain=app.http.details.shown)
        route_to(app, self._front, durable.api if durable is not None else None, self._mcp)

    def session(self) -> ClientSession:
        """A session whose requests to the base URL end here. It keeps no cookies."""
        return ClientSession(connector=self.connector(), cookie_jar=DummyCookieJar(), headers=OWN_HEADERS)

    def connector(self) -> BaseConnector:
        """A connector for requests to this app, without a socket, and for others."""
        return MemoryConnector(self._port, self._url.port or 80)

    async def close(self) -> None:
        """End all requests."""
        await self._manual.drain(0)
        await self._mcp.drain(0)
        await self._port.close()

    def _admin(self) -> AdminApi:
        config = self._config
        host = HostRoutes(
            HostState(host_id=host_id_of(config.root, config.settings), state="Running"),
            ControlInMemory(self._invoker),
            root=str(config.root),
            effective=lambda: effective_options(config.host),
            bundle=lambda: config.host.raw.get("extensionBundle"),
            processes=self._processes,
            set_aside=self._set_aside,
        )
        return AdminApi(
            host,
            lambda url: described(self._served.functions, config.root, url, self._prefix, config.runtime),
            self._manual,
            KeyRoutes(self.keys),
        )

    @property
    def _served(self) -> ServedApp:
        assert self._app is not None
        return self._app

    @property
    def _prefix(self) -> str:
        return self._served.config.host.http.route_prefix

    def _home(self, lists_functions: bool) -> str | None:
        if self._config.settings.get("AzureWebJobsDisableHomepage", "").lower() == "true":
            return None
        if not lists_functions:
            return home_page(None)
        url = str(self._url).rstrip("/")
        return home_page(function_lines(self._served.functions, url, self._prefix), mcp_url(self._served, url))

    def _processes(self) -> Sequence[Mapping[str, Any]]:
        return [{"processId": pid, "processName": name} for pid, name in self._named_pids()]

    def _named_pids(self) -> list[tuple[int, str]]:
        return [(os.getpid(), "func"), *((pid, self._pool.kind.runtime) for pid in self._pool.pids)]

    async def _set_aside(self) -> Mapping[str, int] | None:
        return None if self._durable is None else await self._durable.set_aside()


class KeysInMemory:
    """Implements `KeyRepository`: the keys of the host, until it ends."""

    def __init__(self) -> None:
        self._documents: dict[str, dict[str, Any]] = {}

    async def read(self, name: str) -> dict[str, Any] | None:
        return self._documents.get(name)

    async def write(self, name: str, document: dict[str, Any]) -> None:
        self._documents[name] = document


class ControlInMemory:
    """Implements `HostControl` for a host that can neither restart nor pause: these requests change nothing."""

    def __init__(self, invoker: Invoker) -> None:
        self._invoker = invoker

    def restart(self) -> None: ...

    def drain(self) -> None: ...

    def resume(self) -> None: ...

    def drain_status(self) -> tuple[str, int, int]:
        return "Disabled", self._invoker.running, self._invoker.waiting

    def is_offline(self) -> bool:
        return False

    def set_offline(self, offline: bool) -> None: ...


class MemoryConnector(TCPConnector):
    """Connects requests to a port of this machine with an `HttpPort` that does not listen, others with their server."""

    def __init__(self, port: HttpPort, number: int) -> None:
        super().__init__(limit=0, keepalive_timeout=None)  # pyright: ignore[reportUnknownMemberType]
        self._http_port = port
        self._number = number

    async def _create_connection(
        self, req: ClientRequest, traces: list[Any], timeout: ClientTimeout
    ) -> ResponseHandler:
        url = req.url
        if url.scheme != "http" or url.port != self._number or not is_local_host(url.host or ""):
            return await super()._create_connection(req, traces, timeout)
        await self._http_port.open()
        client = self._factory()
        memory_transport.connect(client, self._http_port.connection(), server_address=("127.0.0.1", self._number))
        return client
