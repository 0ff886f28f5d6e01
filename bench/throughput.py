"""HTTP and queue throughput, each next to a bare program that does the same without a host.

The client of the HTTP load is aiohttp's, in this process. For a request, it takes more CPU time than a bare server,
and about as much as a host with its worker. So on few cores, the rates depend on the client too: it limits a bare
server, and takes time from a host. With a client that only writes prepared bytes and compares the response, the ratio
of the rates is that of the CPU times. These are measured too, and depend much less on the client: only through the
number of requests that come together. `python -m bench` reports them as "CPU time of server and worker".
"""

import asyncio
import base64
import contextlib
import statistics
import sys
import time
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field

import aiohttp
from aiohttp import web

from bench.running_host import cpu_seconds, free_port
from durable_host.storage import StorageAccount

CONNECTIONS = 64
SAMPLES = 3
WARM_UP = 0.5


@dataclass(frozen=True)
class HttpServer:
    """A running server: the URL that says hello, and the IDs of its processes."""

    url: str
    processes: tuple[int, ...]


@dataclass(frozen=True)
class HttpLoad:
    """What one load has shown. `latencies` are in seconds, and lack the first request of each connection."""

    rate: float
    requests: int
    latencies: list[float]


@dataclass
class HttpSamples:
    """What the loads of one server have shown. `latencies` are in seconds.

    `cpu` is in seconds, for the `cpu_requests` of the samples in which the server's processes lived to the end.
    """

    rates: list[float] = field(default_factory=list[float])
    latencies: list[float] = field(default_factory=list[float])
    cpu: float = 0.0
    cpu_requests: int = 0

    @property
    def rate(self) -> float:
        """Requests per second in the middle sample."""
        return statistics.median(self.rates)

    @property
    def cpu_per_request(self) -> float:
        """CPU time of the server's processes in microseconds."""
        return self.cpu / self.cpu_requests * 1e6


async def http_side_by_side(servers: Mapping[str, HttpServer], seconds: float) -> dict[str, HttpSamples]:
    """Load the servers in turn, several times and for `seconds` each time, so that other work affects all of them."""
    for server in servers.values():
        await http_load(server.url, WARM_UP)
    found = {name: HttpSamples() for name in servers}
    for _ in range(SAMPLES):
        for name, server in servers.items():
            samples, begun = found[name], _cpu_of(server)
            load = await http_load(server.url, seconds)
            if begun is not None and (end := _cpu_of(server)) is not None:
                samples.cpu += end - begun
                samples.cpu_requests += load.requests
            samples.rates.append(load.rate)
            samples.latencies += load.latencies
    return found


def _cpu_of(server: HttpServer) -> float | None:
    """CPU time of the server's processes so far; None if one has ended, or if there is no /proc."""
    each = [cpu_seconds(process) for process in server.processes]
    return sum(each) if all(each) else None


async def http_load(url: str, seconds: float, body: str = "Hello") -> HttpLoad:
    """Load over 64 connections, with at least two requests each. `body` is the expected response."""
    latencies: list[float] = []
    end = time.perf_counter() + seconds

    async def call(session: aiohttp.ClientSession) -> float:
        begun = time.perf_counter()
        async with session.get(url) as answer:
            if answer.status != 200 or await answer.text() != body:
                raise RuntimeError(f"{url} answered {answer.status}")
        return time.perf_counter() - begun

    async def caller(session: aiohttp.ClientSession) -> None:
        await call(session)  # Its latency is that of a connect.
        latencies.append(await call(session))
        while time.perf_counter() < end:
            latencies.append(await call(session))

    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=CONNECTIONS)) as session:
        async with asyncio.TaskGroup() as group:
            for _ in range(CONNECTIONS):
                group.create_task(caller(session))
    requests = CONNECTIONS + len(latencies)
    return HttpLoad(requests / seconds, requests, latencies)


async def plain_aiohttp(port: int) -> None:
    """Serve the same answer with plain aiohttp until cancelled. Runs in a separate process."""

    async def hello(_: web.Request) -> web.Response:
        return web.Response(text="Hello")

    app = web.Application()
    app.router.add_get("/api/hello", hello)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    await asyncio.Event().wait()


@contextlib.asynccontextmanager
async def plain_server() -> AsyncIterator[HttpServer]:
    """Run a plain aiohttp server in a child process."""
    port = free_port()
    program = f"import asyncio, uvloop; from bench.throughput import plain_aiohttp; uvloop.run(plain_aiohttp({port}))"
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", program)
    try:
        for _ in range(500):
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", port)
                writer.close()
                break
            except OSError:
                await asyncio.sleep(0.01)
        yield HttpServer(f"http://127.0.0.1:{port}/api/hello", (process.pid,))
    finally:
        process.terminate()
        await process.wait()


async def fill(account: StorageAccount, queue: str, count: int, seconds: int = 15) -> None:
    """Put `count` messages that all become visible at the same time, and wait for that time."""
    await account.queues.create(queue)
    text = base64.b64encode(b"a message of some length, as they are").decode()
    visible_at = time.time() + seconds
    for begin in range(0, count, 8):
        delay = round(visible_at - time.time())
        await asyncio.gather(*(account.queues.put(queue, text, visibility=delay) for _ in range(min(8, count - begin))))
    if (left := visible_at - time.time()) < 0:
        raise RuntimeError(f"filling the queue took {-left:.0f} s too long")
    await asyncio.sleep(left)


async def bare_queue(account: StorageAccount, queue: str, count: int) -> float:
    """Messages per second that are received and deleted without other work."""
    await fill(account, queue, count)
    begun = time.perf_counter()
    left = count
    while left:
        messages = await account.queues.get(queue, 32, 30)
        await asyncio.gather(*(account.queues.delete(queue, each.id, each.pop_receipt) for each in messages))
        left -= len(messages)
    return count / (time.perf_counter() - begun)


async def triggered_queue(account: StorageAccount, queue: str, count: int) -> float:
    """Messages per second that a queue-triggered function of a running host processes."""
    await fill(account, queue, count)
    begun = time.perf_counter()
    while await account.queues.message_count(queue):
        await asyncio.sleep(0.1)
    return count / (time.perf_counter() - begun)
