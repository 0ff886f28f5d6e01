"""Slow responses to an HTTP request of an MCP client."""

import asyncio
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer, make_mocked_request
from multidict import CIMultiDict

from durable_host.http_port import HttpPort
from durable_host.ports import reserved
from durable_host.triggers.mcp import exchange

ANSWER = {"jsonrpc": "2.0", "id": 1, "result": {}}
BOTH = "application/json, text/event-stream"


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exchange, "QUIET_SECONDS", 0.0)
    monkeypatch.setattr(exchange, "PING_SECONDS", 0.01)


def test_functions_see_all_headers_but_the_key_of_the_host() -> None:
    headers = CIMultiDict([("X-One", "1"), ("X-One", "2"), ("Authorization", "Bearer t"), ("X-Functions-Key", "k")])
    request: Any = make_mocked_request("POST", "/", headers=headers)
    assert exchange.headers_of(request) == {"X-One": "1,2", "Authorization": "Bearer t"}


class Work:
    """A request whose answer comes when `done` is set."""

    def __init__(self) -> None:
        self.done = asyncio.Event()

    async def answers(self) -> list[dict[str, Any]]:
        await self.done.wait()
        return [ANSWER]

    async def handle(self, request: web.Request) -> web.StreamResponse:
        return await exchange.respond(
            request, self.answers(), lambda answers: exchange.json_response(answers[0]), headers={"X-Own": "1"}
        )

    def client(self) -> TestClient:
        application = web.Application()
        application.router.add_post("/", self.handle)
        return TestClient(TestServer(application))


async def test_an_answer_that_takes_long_comes_as_an_event_and_pings_go_before_it(impatient: None) -> None:
    work = Work()
    async with work.client() as client, client.post("/", headers={"Accept": BOTH}) as response:
        assert (response.content_type, response.headers["X-Own"]) == ("text/event-stream", "1")
        assert await response.content.readline() == b": ping\n"
        work.done.set()
        text = (await response.read()).decode().replace(": ping\n\n", "")
        assert text.strip() == 'event: message\ndata: {"jsonrpc":"2.0","id":1,"result":{}}'


async def test_a_client_that_takes_json_only_waits_for_it(impatient: None) -> None:
    work = Work()
    async with work.client() as client:
        waiting = asyncio.create_task(client.post("/", headers={"Accept": "application/json"}))
        work.done.set()
        response = await waiting
        assert (response.content_type, await response.json()) == ("application/json", ANSWER)


async def test_work_continues_when_a_client_with_a_session_has_gone(impatient: None) -> None:
    work = Work()
    ended = asyncio.Event()

    async def handle(request: web.Request) -> web.StreamResponse:
        response = await work.handle(request)
        ended.set()
        return response

    port = HttpPort(handle, body_limit=1000, close_within=0)
    with reserved("127.0.0.1") as number:
        await port.start_listening("127.0.0.1", number)
    try:
        async with aiohttp.ClientSession() as client:
            response = await client.post(f"http://127.0.0.1:{number}/", headers={"Accept": BOTH})
            response.close()
        work.done.set()
        async with asyncio.timeout(20):
            await ended.wait()
    finally:
        await port.close()
