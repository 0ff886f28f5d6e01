"""Connections that a burst of requests has opened are closed once they are not needed."""

import asyncio
from collections.abc import AsyncIterator

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import BaseTestServer, TestServer

from durable_host.storage.connection_pool import NewestFirstConnector

BURST = 8


class Counted:
    """A server that knows which connections are open, and answers a burst only when it is complete."""

    def __init__(self) -> None:
        self.waiting = 0
        self.complete = asyncio.Event()
        self.used: list[object] = []

    async def burst(self, request: web.Request) -> web.Response:
        self.waiting += 1
        if self.waiting == BURST:
            self.complete.set()
        await self.complete.wait()
        return web.Response()

    async def one(self, request: web.Request) -> web.Response:
        self.used.append(request.transport)
        return web.Response()


@pytest.fixture
async def server() -> AsyncIterator[tuple[Counted, BaseTestServer]]:
    counted, app = Counted(), web.Application()
    app.router.add_get("/burst", counted.burst)
    app.router.add_get("/one", counted.one)
    async with TestServer(app) as running:
        yield counted, running


async def read(session: aiohttp.ClientSession, url: object) -> None:
    async with session.get(url) as answer:  # type: ignore[arg-type]
        await answer.read()


async def test_single_requests_after_a_burst_use_one_connection(server: tuple[Counted, BaseTestServer]) -> None:
    counted, running = server
    connector = NewestFirstConnector(limit=0, limit_per_host=BURST, keepalive_timeout=600)
    async with aiohttp.ClientSession(connector=connector) as session:
        await asyncio.gather(*(read(session, running.make_url("/burst")) for _ in range(BURST)))
        for _ in range(2 * BURST):
            await read(session, running.make_url("/one"))
        assert len(set(counted.used)) == 1


async def test_the_others_are_closed_after_the_keep_alive_time(server: tuple[Counted, BaseTestServer]) -> None:
    _, running = server
    connector = NewestFirstConnector(limit=0, limit_per_host=BURST, keepalive_timeout=0.05)
    async with aiohttp.ClientSession(connector=connector) as session:
        await asyncio.gather(*(read(session, running.make_url("/burst")) for _ in range(BURST)))
        async with asyncio.timeout(30):
            while len(list(running.runner.server.connections)) > 1:  # type: ignore[union-attr]
                await read(session, running.make_url("/one"))
                await asyncio.sleep(0.01)
