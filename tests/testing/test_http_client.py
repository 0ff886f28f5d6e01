"""The HTTP client of tests, against a handler in the same process."""

import asyncio
import json
from collections.abc import Iterator
from contextlib import AbstractAsyncContextManager

import aiohttp
import pytest
from aiohttp import web

from durable_host.http_port import HttpPort
from durable_host.testing.http_client import HttpClient
from durable_host.testing.http_response import HttpStatusError
from durable_host.testing.kit_patience import StillBusy, ends_in_time
from durable_host.testing.loop_thread import LoopThread
from durable_host.testing.web_in_memory import MemoryConnector

ROUNDS = 3


async def handler(request: web.Request) -> web.StreamResponse:
    """Answers by path; other paths return the request as JSON."""
    match request.path:
        case "/moved":
            return web.Response(
                status=int(request.query.get("status", "302")), headers={"Location": "/echo?from=moved"}
            )
        case "/elsewhere":
            return web.Response(status=302, headers={"Location": "https://example.com/"})
        case "/round":
            return web.Response(status=302, headers={"Location": "/round"})
        case "/error":
            return web.Response(status=500, text="out of order")
        case "/cookie":
            response = web.Response(text=request.headers.get("Cookie", "none"))
            response.set_cookie("session", "1")
            return response
        case "/stream":
            return await _streamed(request)
        case "/never":
            await asyncio.Event().wait()
            raise AssertionError
        case "/broken":
            response = web.StreamResponse()
            await response.prepare(request)
            await response.write(b"half")
            assert request.transport is not None
            request.transport.close()
            return response
        case _:
            body = await request.read()
            return web.json_response(
                {
                    "method": request.method,
                    "url": str(request.rel_url.raw_path_qs),
                    "type": request.headers.get("Content-Type"),
                    "chunked": request.headers.get("Transfer-Encoding"),
                    "remote": request.remote,
                    "header": request.headers.get("X-Own"),
                    "body": body.decode(),
                }
            )


async def _streamed(request: web.Request) -> web.StreamResponse:
    """Write lines forever, until the client goes away."""
    response = web.StreamResponse()
    await response.prepare(request)
    number = 0
    while True:
        await response.write(f"data: {number}\n".encode())
        await asyncio.sleep(0)
        number += 1


class _World:
    """A client and what its requests have caused."""

    def __init__(self, thread: LoopThread) -> None:
        self.thread = thread
        self.settled = 0
        self._port = HttpPort(handler, body_limit=1_000_000, close_within=0.1)
        self._session: aiohttp.ClientSession | None = None
        self.client = HttpClient(thread, "http://localhost:7071", self._open, self._settle)

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()
        await self._port.close()

    async def _open(self) -> aiohttp.ClientSession:
        if self._session is None:
            connector = MemoryConnector(self._port, 7071)
            self._session = aiohttp.ClientSession(connector=connector, cookie_jar=aiohttp.DummyCookieJar())
        return self._session

    async def _settle(self) -> None:
        self.settled += 1


@pytest.fixture(scope="module")
def world() -> Iterator[_World]:
    thread = LoopThread("test")
    world = _World(thread)
    yield world
    thread.run(world.close())
    thread.close()


@pytest.mark.parametrize("method", ["get", "post", "put", "patch", "delete", "options"])
def test_each_method_sends_its_name(world: _World, method: str) -> None:
    assert getattr(world.client, method)("/echo").json()["method"] == method.upper()


def test_head_has_no_body(world: _World) -> None:
    response = world.client.head("/echo")
    assert (response.status_code, response.content) == (200, b"")


def test_any_other_method_can_be_sent(world: _World) -> None:
    assert world.client.request("PURGE", "/echo").json()["method"] == "PURGE"


@pytest.mark.parametrize(
    ("options", "kind", "body"),
    [
        ({"json": {"ü": 1}}, "application/json", '{"ü": 1}'),
        ({"json": None}, "application/json", "null"),
        ({"content": "text"}, "text/plain; charset=utf-8", "text"),
        ({"content": b"bytes"}, None, "bytes"),
        ({"content": iter([b"a", b"b"])}, None, "ab"),
        ({"data": {"a": "1 2", "b": "x"}}, "application/x-www-form-urlencoded", "a=1+2&b=x"),
        (
            {"content": b"{}", "headers": {"content-type": "application/cloudevents+json"}},
            "application/cloudevents+json",
            "{}",
        ),
        ({}, None, ""),
    ],
)
def test_a_body_is_sent_with_its_type(world: _World, options: dict[str, object], kind: str | None, body: str) -> None:
    echo = world.client.post("/echo", **options).json()  # type: ignore[arg-type]
    assert (echo["type"], echo["body"]) == (kind, body)


def test_a_form_with_a_file_is_multipart(world: _World) -> None:
    form = aiohttp.FormData()
    form.add_field("report", b"content", filename="report.txt")
    echo = world.client.post("/echo", data=form).json()
    assert echo["type"].startswith("multipart/form-data; boundary=")
    assert 'filename="report.txt"' in echo["body"]


def test_an_iterable_is_sent_in_chunks(world: _World) -> None:
    assert world.client.post("/echo", content=iter([b"a"])).json()["chunked"] == "chunked"


def test_two_bodies_are_refused(world: _World) -> None:
    with pytest.raises(ValueError, match="one body, but json and content"):
        world.client.post("/echo", json=1, content="1")


@pytest.mark.parametrize(
    ("path", "parameters", "sent"),
    [
        ("/echo", {"a": "1 2", "b": ["x", "y"], "c": True, "d": 3}, "/echo?a=1+2&b=x&b=y&c=true&d=3"),
        ("/echo?z=0", [("a", "1"), ("a", "2")], "/echo?z=0&a=1&a=2"),
        ("echo", None, "/echo"),
        ("/a b/ü", None, "/a%20b/%C3%BC"),
        ("/a%2Fb%40c?x=%2F&code=a%3D%3D", None, "/a%2Fb%40c?x=%2F&code=a%3D%3D"),
        ("http://localhost:7071/echo?reason={text}", None, "/echo?reason=%7Btext%7D"),
    ],
)
def test_the_path_and_the_parameters_make_the_url(world: _World, path: str, parameters: object, sent: str) -> None:
    assert world.client.get(path, params=parameters).json()["url"] == sent  # type: ignore[arg-type]


def test_a_request_comes_from_this_machine(world: _World) -> None:
    assert world.client.get("/echo").json()["remote"] == "127.0.0.1"


def test_headers_are_sent(world: _World) -> None:
    assert world.client.get("/echo", headers={"X-Own": "1"}).json()["header"] == "1"


@pytest.mark.parametrize("url", ["http://localhost:7072/echo", "https://localhost:7071/echo", "http://example.com/"])
def test_the_url_of_another_server_is_refused(world: _World, url: str) -> None:
    with pytest.raises(ValueError, match="sends requests to http://localhost:7071 only"):
        world.client.get(url)


def test_a_redirect_is_followed(world: _World) -> None:
    response = world.client.post("/moved", json={"a": 1})
    assert (response.json()["method"], response.json()["url"], response.json()["body"]) == (
        "GET",
        "/echo?from=moved",
        "",
    )
    assert response.url == "http://localhost:7071/echo?from=moved"
    assert [one.status_code for one in response.history] == [302]


@pytest.mark.parametrize("status", [307, 308])
def test_a_redirect_that_keeps_the_method_sends_the_body_again(world: _World, status: int) -> None:
    echo = world.client.post("/moved", json={"a": 1}, params={"status": status}).json()
    assert (echo["method"], json.loads(echo["body"])) == ("POST", {"a": 1})


def test_a_redirect_is_returned_if_the_test_wants_it(world: _World) -> None:
    response = world.client.get("/moved", follow_redirects=False)
    assert (response.status_code, response.headers["location"]) == (302, "/echo?from=moved")


def test_a_redirect_to_another_server_is_returned(world: _World) -> None:
    assert world.client.get("/elsewhere").headers["Location"] == "https://example.com/"


def test_redirects_without_end_are_an_error(world: _World) -> None:
    with pytest.raises(aiohttp.TooManyRedirects):
        world.client.get("/round")


def test_cookies_are_not_kept(world: _World) -> None:
    assert "session=1" in world.client.get("/cookie").headers["Set-Cookie"]
    assert world.client.get("/cookie").text == "none"


def test_an_error_status_is_raised_with_the_body(world: _World) -> None:
    response = world.client.get("/error")
    assert not response.is_success
    with pytest.raises(HttpStatusError, match=r"GET http://localhost:7071/error failed.*500.*out of order"):
        response.raise_for_status()


def test_a_success_is_not_raised(world: _World) -> None:
    response = world.client.get("/echo")
    assert response.raise_for_status() is response


def test_a_body_that_is_not_json_is_shown(world: _World) -> None:
    with pytest.raises(ValueError, match=r"is not JSON.*out of order"):
        world.client.get("/error").json()


async def test_a_response_may_be_awaited(world: _World) -> None:
    assert (await world.client.get("/echo")).status_code == 200


def test_a_request_returns_when_everything_that_follows_has_happened(world: _World) -> None:
    before = world.settled
    world.client.get("/echo")
    assert world.settled == before + 1


def test_an_interrupted_response_is_an_error(world: _World) -> None:
    with pytest.raises(aiohttp.ClientPayloadError):
        world.client.get("/broken")


def test_a_stream_is_read_line_by_line_until_the_client_leaves(world: _World) -> None:
    with world.client.stream("GET", "/stream") as response:
        assert response.status_code == 200
        lines = response.iter_lines()
        assert [next(lines) for _ in range(ROUNDS)] == [f"data: {number}" for number in range(ROUNDS)]
    assert world.client.get("/echo").status_code == 200


def test_a_stream_is_read_piece_by_piece(world: _World) -> None:
    with world.client.stream("GET", "/stream") as response:
        assert next(response.iter_bytes()).startswith(b"data: 0\n")


def test_the_rest_of_a_stream_is_read(world: _World) -> None:
    with world.client.stream("POST", "/echo", content="all") as response:
        assert json.loads(response.read())["body"] == "all"


def test_a_response_that_takes_too_long_is_an_error(world: _World) -> None:
    with pytest.raises(TimeoutError, match=r"GET /stream got no response within 0\.05 s"):
        world.client.get("/stream", timeout=0.05)


def test_what_a_test_waits_for_without_a_timeout_has_the_limit_of_its_steps(world: _World) -> None:
    limits: list[str] = []

    def limit(what: str) -> AbstractAsyncContextManager[None]:
        limits.append(what)
        return ends_in_time(what, 0.05)

    client = HttpClient(world.thread, "http://localhost:7071", world._open, world._settle, limit)
    for path in ("/never", "/stream"):
        with pytest.raises(StillBusy, match=f"GET {path} has not ended within 0.05 s"):
            client.get(path)
    with pytest.raises(StillBusy, match="GET /never has not ended"):
        client.stream("GET", "/never").__enter__()
    assert len(limits) == 3
    with pytest.raises(TimeoutError):
        client.get("/never", timeout=0.01)
    assert len(limits) == 3
