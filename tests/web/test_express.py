"""Plain requests to functions: shorter work, the same responses."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator
from typing import Any, cast

import aiohttp
import pytest
from aiohttp import web
from yarl import URL

from durable_host.config.extensions import HttpOptions
from durable_host.http_port import HttpPort
from durable_host.invocation.datum import string
from durable_host.invocation.invoker import Invoker, Outcome
from durable_host.invocation.metadata import Binding, FunctionMetadata
from durable_host.triggers.http.cors import CorsPolicy
from durable_host.triggers.http.failure_reply import ErrorDetails
from durable_host.triggers.http.trigger import HttpTrigger
from durable_host.web.admin import AdminApi
from durable_host.web.front import Front
from durable_host.web.keys import Access

LIMIT = 2000


class SaysItsName:
    """Stands in for the invoker: each function returns its name, but not before `may_end`."""

    def __init__(self) -> None:
        self.has_begun = asyncio.Event()
        self.may_end = asyncio.Event()
        self.may_end.set()

    @contextlib.contextmanager
    def held(self) -> Iterator["SaysItsName"]:
        yield self

    async def invoke(self, function: FunctionMetadata, **_: Any) -> Outcome:
        self.has_begun.set()
        await self.may_end.wait()
        return Outcome(invocation_id="id", return_value=string(function.name))


class NoKeyIsValid:
    async def allows(self, *_: object) -> bool:
        return False


class Site:
    def __init__(self, front: Front, url: str, session: aiohttp.ClientSession) -> None:
        self.front = front
        self.invoker = SaysItsName()
        self._url = url
        self._session = session

    def serve(self, *functions: FunctionMetadata, headers: tuple[tuple[str, str], ...] = ()) -> None:
        invoker = cast("Invoker", self.invoker)
        options = HttpOptions(route_prefix="", custom_headers=headers)
        self.front.adopt(HttpTrigger(functions, invoker, options, details=ErrorDetails(True), base_url=""), None, None)

    async def get(self, path: str, **options: Any) -> tuple[int, str]:
        async with self.ask(path, **options) as response:
            return response.status, await response.text()

    def ask(self, path: str, **options: Any) -> Any:
        return self._session.get(URL(self._url + path, encoded=True), **options)


def function(name: str, route: str | None = None) -> FunctionMetadata:
    trigger = Binding("req", "httpTrigger", "in", {"route": route or name})
    return FunctionMetadata(name=name, bindings=(trigger, Binding("$return", "http", "out")))


async def _dashboard(_: web.Request) -> web.Response:
    return web.Response(text="dashboard")


@contextlib.asynccontextmanager
async def serving(cors: CorsPolicy | None = None) -> AsyncIterator[Site]:
    front = Front(cast("AdminApi", None), home=lambda _: None, cors=cors, dashboard=_dashboard, body_limit=LIMIT)

    async def handle(request: web.Request) -> web.StreamResponse:
        """Looks the method up for each request, so that a test can replace it."""
        return await front.handle(request)

    port = HttpPort(handle, body_limit=LIMIT, close_within=0.1, express=front.express)
    await port.start_listening("127.0.0.1", 0)
    assert port._listener is not None
    number = port._listener.sockets[0].getsockname()[1]
    try:
        async with aiohttp.ClientSession() as session:
            yield Site(front, f"http://127.0.0.1:{number}", session)
    finally:
        await port.close()


@pytest.fixture
async def site() -> AsyncIterator[Site]:
    async with serving() as site:
        site.serve(function("hello"))
        assert await site.get("/hello") == (200, "hello")
        yield site


async def test_plain_requests_are_not_requests_of_aiohttp(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Front, "handle", None)
    assert await site.get("/hello?name=Ada") == (200, "hello")
    async with site.ask("/hello", data=b"x" * LIMIT) as response:
        assert (response.status, await response.text()) == (200, "hello")


async def test_the_next_request_is_not_matched_again(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    matched: list[str] = []

    def match(_: HttpTrigger, method: str, path: str) -> None:
        matched.append(f"{method} {path}")

    monkeypatch.setattr(HttpTrigger, "match", match)
    assert await site.get("/hello?name=Ada") == (200, "hello")
    assert matched == []
    assert (await site.get("/Hello"))[0] == 404
    assert set(matched) == {"GET /Hello"}


async def test_stopping_waits_for_the_next_request(site: Site) -> None:
    site.invoker.has_begun.clear()
    site.invoker.may_end.clear()
    request = asyncio.create_task(site.get("/hello"))
    await site.invoker.has_begun.wait()
    drained = asyncio.create_task(site.front.drain(60))
    await asyncio.sleep(0)
    assert not drained.done()
    site.invoker.may_end.set()
    assert await request == (200, "hello")
    await drained


async def test_cors_headers_are_in_each_response() -> None:
    async with serving(CorsPolicy(("https://a.example",))) as site:
        site.serve(function("hello"))
        for origin in ("https://a.example", "https://a.example", None):
            async with site.ask("/hello", headers={} if origin is None else {"Origin": origin}) as response:
                assert response.headers.get("Access-Control-Allow-Origin") == origin


async def test_without_an_origin_cors_makes_no_difference(monkeypatch: pytest.MonkeyPatch) -> None:
    async with serving(CorsPolicy(("*",))) as site:
        site.serve(function("hello"))
        monkeypatch.setattr(Front, "handle", None)
        assert await site.get("/hello") == (200, "hello")


async def test_headers_of_the_app_are_in_each_response_also_to_mistakes() -> None:
    async with serving() as site:
        site.serve(function("hello"), headers=(("X-App", "mine"),))
        for body, status in ((b"", 200), (b"", 200), (b"x" * (LIMIT + 1), 413)):
            async with site.ask("/hello", data=body) as response:
                assert (response.status, response.headers.get("X-App")) == (status, "mine")


async def test_an_app_that_goes_offline_does_not_answer(site: Site) -> None:
    site.front.offline_page = b"later"
    assert await site.get("/hello") == (503, "later")
    site.front.offline_page = None
    assert await site.get("/hello") == (200, "hello")


async def test_keys_that_are_needed_from_now_on_are_checked(site: Site) -> None:
    site.front.access = cast("Access", NoKeyIsValid())
    assert (await site.get("/hello"))[0] == 401


async def test_a_reload_replaces_the_function(site: Site) -> None:
    site.serve(function("other", "hello"))
    assert await site.get("/hello") == (200, "other")
    site.serve(function("another"))
    assert (await site.get("/hello"))[0] == 404


async def test_a_path_with_dots_does_not_open_the_path_that_it_means(site: Site) -> None:
    site.serve(function("all", "{*path}"))
    assert await site.get("/x/../_df/page") == (200, "all")
    assert await site.get("/_df/page") == (200, "dashboard")


async def test_mistakes_are_refused(site: Site) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", int(site._url.rpartition(":")[2]))
    writer.write(b"GET /hello HTTP/1.1\r\nHost: localhost\r\nName: \xff\r\n\r\n")
    assert (await reader.readline()).startswith(b"HTTP/1.1 400 ")
    writer.close()
    status, text = await site.get("/hello", data=b"x" * (LIMIT + 1))
    assert status == 413
    assert "FUNCTIONS_REQUEST_BODY_SIZE_LIMIT" in text


async def test_an_offered_upgrade_ends_the_connection(site: Site) -> None:
    async with site.ask("/hello", headers={"Upgrade": "h2c"}) as response:
        assert (response.status, response.headers.get("Connection")) == (200, "close")
