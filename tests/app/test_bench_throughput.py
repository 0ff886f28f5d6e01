"""The HTTP load of `make bench`: what counts as a latency, and whose CPU time counts."""

from collections.abc import AsyncIterator
from typing import Any, cast

import pytest
from aiohttp import web
from aiohttp.test_utils import RawTestServer

from bench import throughput
from bench.throughput import CONNECTIONS, SAMPLES, HttpServer

pytestmark = pytest.mark.unit


class Server:
    def __init__(self) -> None:
        self.url = ""
        self.requests = 0

    async def answer(self, _: web.BaseRequest) -> web.Response:
        self.requests += 1
        return web.Response(text="Hello")


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    server = Server()
    async with RawTestServer(cast("Any", server.answer)) as listening:
        server.url = str(listening.make_url("/"))
        yield server


@pytest.mark.parametrize("seconds", [1e-6, 0.1])
async def test_the_first_request_of_each_connection_counts_but_has_no_latency(server: Server, seconds: float) -> None:
    load = await throughput.http_load(server.url, seconds)
    assert load.requests == server.requests
    assert len(load.latencies) == server.requests - CONNECTIONS >= CONNECTIONS
    assert load.rate == server.requests / seconds


async def test_a_sample_in_which_a_process_has_gone_has_no_cpu_time(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The process 1 uses a second in each sample; 2 goes within the second sample, and so the third has none."""
    host, worker = iter(range(1, 9)), iter([1.0, 1.5, 1.5, 0.0, 0.0, 0.0])
    monkeypatch.setattr(throughput, "WARM_UP", 1e-6)
    monkeypatch.setattr(throughput, "cpu_seconds", lambda process: next(host if process == 1 else worker))
    found = await throughput.http_side_by_side({"host": HttpServer(server.url, (1, 2))}, 1e-6)
    samples = found["host"]
    assert SAMPLES == len(samples.rates) == 3
    assert samples.cpu == 1.5
    assert samples.cpu_per_request == pytest.approx(1.5e6 / (2 * CONNECTIONS))
