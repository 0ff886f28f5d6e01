"""The host's endpoint in this process: real routes, real keys in memory, functions whose calls are recorded."""

import contextlib
from collections.abc import AsyncIterator, Iterator, Mapping
from pathlib import Path
from typing import Any, cast

import aiohttp
from aiohttp.test_utils import RawTestServer

from durable_host.bindings.accounts import Accounts
from durable_host.clock import SystemClock
from durable_host.config import HostConfig, load
from durable_host.config.effective import effective_options
from durable_host.host.functions import AppFunctions
from durable_host.host.manual_starts import manual_starts
from durable_host.host.summary import described
from durable_host.invocation.datum import string
from durable_host.invocation.invoker import Invoker, Outcome
from durable_host.invocation.metadata import Binding, FunctionMetadata
from durable_host.triggers.http.failure_reply import ErrorDetails
from durable_host.triggers.http.trigger import HttpTrigger
from durable_host.web.admin import AdminApi
from durable_host.web.admin_host import HostControl, HostRoutes, HostState
from durable_host.web.front import Front
from durable_host.web.keys import Access, KeyRing, KeyRoutes
from durable_host.web.manual_invocation import ManualInvocation

PROCESS = {"processId": 1, "processName": "func", "debugEngine": "python", "isEligibleForOpenInBrowser": False}


class KeysInMemory:
    """A repository of keys."""

    def __init__(self) -> None:
        self.documents: dict[str, dict[str, Any]] = {}

    async def read(self, name: str) -> dict[str, Any] | None:
        return self.documents.get(name)

    async def write(self, name: str, document: dict[str, Any]) -> None:
        self.documents[name] = document


class NotedCalls:
    """Stands in for the invoker: notes what would run."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, dict[str, Any]]] = []

    @contextlib.contextmanager
    def held(self) -> Iterator["NotedCalls"]:
        yield self

    async def invoke(self, function: FunctionMetadata, **call: Any) -> Outcome:
        self.calls.append((function.name, call))
        return Outcome(invocation_id=str(call.get("invocation_id")), return_value=string("ran"))

    def inputs(self) -> list[str | None]:
        """The trigger values as texts."""
        return [call["trigger_value"].as_text() for _, call in self.calls]


class World:
    """`url` has no slash at the end. `keys` are the real ones."""

    def __init__(self, session: aiohttp.ClientSession, url: str, keys: KeyRing, calls: NotedCalls) -> None:
        self.session = session
        self.url = url
        self.keys = keys
        self.calls = calls

    async def ask(
        self, method: str, path: str, key: str | None = None, **options: Any
    ) -> tuple[int, Mapping[str, str], Any]:
        """Status, headers and body: JSON where it is, else text."""
        headers = {**options.pop("headers", {}), **({"x-functions-key": key} if key else {})}
        async with self.session.request(method, self.url + path, headers=headers, **options) as response:
            is_json = response.content_type == "application/json"
            body = await response.json() if is_json else await response.text()
            return response.status, response.headers, body

    async def status(self, method: str, path: str, key: str | None = None, **options: Any) -> int:
        return (await self.ask(method, path, key, **options))[0]


@contextlib.asynccontextmanager
async def running_world(
    root: Path,
    functions: tuple[FunctionMetadata, ...] = (),
    *,
    model: str = "v2",
    with_auth: bool = False,
    settings: Mapping[str, str] | None = None,
    durable: Any = None,
) -> AsyncIterator[World]:
    """`durable` stands in for the management API of Durable Functions."""
    if not (root / "host.json").exists():
        (root / "host.json").write_text('{"version": "2.0"}')
    config = load(root, environ=settings or {})
    calls, ring = NotedCalls(), KeyRing(KeysInMemory(), "instance")
    front = _front(config, functions, model, calls, ring, with_auth=with_auth, durable=durable)
    server = RawTestServer(cast(Any, front.handle))
    async with server, aiohttp.ClientSession() as session:
        yield World(session, str(server.make_url("/")).rstrip("/"), ring, calls)


def http_function(name: str, **properties: Any) -> FunctionMetadata:
    trigger = Binding("req", "httpTrigger", "in", properties)
    return FunctionMetadata(name=name, bindings=(trigger, Binding("$return", "http", "out")), entry_point=name)


def _front(
    config: HostConfig,
    functions: tuple[FunctionMetadata, ...],
    model: str,
    calls: NotedCalls,
    ring: KeyRing,
    *,
    with_auth: bool,
    durable: Any,
) -> Front:
    async def nothing_set_aside() -> None:
        return None

    invoker = cast("Invoker", calls)
    app = AppFunctions(served=functions, all=functions, model=model)
    host = HostRoutes(
        HostState(host_id="reference", state="Running"),
        cast("HostControl", None),
        root=str(config.root),
        effective=lambda: effective_options(config.host),
        bundle=lambda: None,
        processes=lambda: [PROCESS],
        set_aside=nothing_set_aside,
    )
    manual = ManualInvocation()
    starts = manual_starts(invoker, SystemClock(), Accounts(config.settings), config.settings, "reference")
    manual.adopt(starts)
    prefix = config.host.http.route_prefix
    admin = AdminApi(host, lambda base_url: described(app, config.root, base_url, prefix), manual, KeyRoutes(ring))
    front = Front(
        admin,
        home=lambda _: "home",
        cors=None,
        access=Access(ring) if with_auth else None,
        body_limit=1_000_000,
    )
    served = [function for function in functions if function.trigger.type == "httpTrigger"]
    http = HttpTrigger(served, invoker, config.host.http, details=ErrorDetails(True), base_url="http://localhost:7071")
    front.adopt(http, durable, None)
    return front
