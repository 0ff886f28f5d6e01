"""Requests to a path that a function has answered before: shorter work, the same responses."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator
from typing import Any, cast

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import RawTestServer
from yarl import URL

from durable_host.config.extensions import HttpOptions
from durable_host.invocation.datum import string
from durable_host.invocation.invoker import Invoker, Outcome
from durable_host.invocation.metadata import Binding, FunctionMetadata
from durable_host.triggers.http.failure_reply import ErrorDetails
from durable_host.triggers.http.trigger import HttpTrigger
from durable_host.web.admin import AdminApi
from durable_host.web.front import Front
from durable_host.web.keys import Access

LIMIT = 1024**2
"""That of the test server."""


class SaysItsName:
    """Stands in for the invoker: each function returns its name."""

    @contextlib.contextmanager
    def held(self) -> Iterator["SaysItsName"]:
        yield self

    async def invoke(self, function: FunctionMetadata, **_: Any) -> Outcome:
        return Outcome(invocation_id="id", return_value=string(function.name))


class NoKeyIsValid:
    async def allows(self, *_: object) -> bool:
        return False


class Site:
    def __init__(self, front: Front, url: str, session: aiohttp.ClientSession) -> None:
        self.front = front
        self._url = url
        self._session = session

    def serve(self, *functions: FunctionMetadata) -> None:
        invoker = cast("Invoker", SaysItsName())
        options = HttpOptions(route_prefix="")
        self.front.adopt(HttpTrigger(functions, invoker, options, details=ErrorDetails(True), base_url=""), None, None)

    async def get(self, path: str, **options: Any) -> tuple[int, str]:
        url = URL(self._url + path, encoded=True)
        async with self._session.get(url, **options) as response:
            return response.status, await response.text()


def function(name: str, route: str | None = None) -> FunctionMetadata:
    trigger = Binding("req", "httpTrigger", "in", {"route": route or name})
    return FunctionMetadata(name=name, bindings=(trigger, Binding("$return", "http", "out")))


async def _dashboard(_: web.Request) -> web.Response:
    return web.Response(text="dashboard")


@pytest.fixture
async def site() -> AsyncIterator[Site]:
    front = Front(cast("AdminApi", None), home=lambda _: None, cors=None, dashboard=_dashboard, body_limit=LIMIT)
    async with RawTestServer(cast("Any", front.handle)) as server, aiohttp.ClientSession() as session:
        site = Site(front, str(server.make_url("/")).rstrip("/"), session)
        site.serve(function("hello"))
        assert await site.get("/hello") == (200, "hello")
        yield site


async def test_the_next_request_has_the_same_response(site: Site) -> None:
    assert await site.get("/hello?name=Ada") == (200, "hello")


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
    async with site._session.get(site._url + "/hello", data=b"x" * (LIMIT + 1)) as response:
        assert response.status == 413


async def test_an_offered_upgrade_ends_the_connection(site: Site) -> None:
    async with site._session.get(site._url + "/hello", headers={"Upgrade": "h2c"}) as response:
        assert (response.status, response.headers.get("Connection")) == (200, "close")
