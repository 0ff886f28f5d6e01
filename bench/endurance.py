"""Mixed load for half an hour: `python -m bench.endurance [--minutes 30]`.

First, callers without pauses measure the maximum rates. Then HTTP requests, queue messages and orchestrations are sent
at half of these rates, while a timer fires every second. The memory of host and workers is sampled. The run fails if a
call fails, if a message or an instance is not done at the end, or if memory grows by more than a tenth after the first
five minutes.
"""

import argparse
import asyncio
import base64
import itertools
import sys
import tempfile
import time
import uuid
from collections.abc import Awaitable, Callable
from pathlib import Path

import aiohttp

from bench import scenarios
from bench.running_host import RunningHost
from durable_host.config.connection import Connection
from durable_host.storage import StorageAccount
from durable_host.storage.azurite import connection_string, free_connection, start_azurite

MAXIMUM_SECONDS = 30.0
SETTLING_SECONDS = 300.0
GROWTH_LIMIT = 1.10
CALLERS = {"http": 8, "queue": 2, "orchestration": 4}

Call = Callable[[], Awaitable[None]]


class Load:
    """The three kinds of work against one host."""

    def __init__(self, host: RunningHost, session: aiohttp.ClientSession, account: StorageAccount) -> None:
        self._host = host
        self._session = session
        self._account = account
        self._client = scenarios.Client(host, session)
        self._numbers = itertools.count()
        self._text = base64.b64encode(b"a message of some length, as they are").decode()
        self.calls: dict[str, Call] = {"http": self._http, "queue": self._queue, "orchestration": self._orchestration}

    async def _http(self) -> None:
        async with self._session.get(f"{self._host.base}/api/hello") as answer:
            if answer.status != 200 or await answer.text() != "Hello":
                raise RuntimeError(f"HTTP answered {answer.status}")

    async def _queue(self) -> None:
        await self._account.queues.put(self._host.queue, self._text)

    async def _orchestration(self) -> None:
        name = f"soak-{next(self._numbers)}"
        await self._client.start("sequence", {"count": 3}, name)
        await self._client.wait(name, 0.1)

    async def queue_is_empty(self) -> None:
        while await self._account.queues.message_count(self._host.queue):
            await asyncio.sleep(0.2)


async def maximum(load: Load) -> dict[str, float]:
    """Calls per second of each kind if all callers run without pauses."""
    done = dict.fromkeys(CALLERS, 0)
    end = time.monotonic() + MAXIMUM_SECONDS

    async def caller(kind: str) -> None:
        while time.monotonic() < end:
            await load.calls[kind]()
            done[kind] += 1

    async with asyncio.TaskGroup() as group:
        for kind, count in CALLERS.items():
            for _ in range(count):
                group.create_task(caller(kind))
    await load.queue_is_empty()
    return {kind: count / MAXIMUM_SECONDS for kind, count in done.items()}


async def at_rate(call: Call, rate: float, end: float) -> tuple[int, list[str]]:
    """Make `call` `rate` times per second until `end`. Returns the number of calls and the failures."""
    failures: list[str] = []
    made = 0

    async def one() -> None:
        try:
            await call()
        except Exception as error:
            failures.append(f"{type(error).__name__}: {error}")

    async with asyncio.TaskGroup() as group:
        due = time.monotonic()
        while (now := time.monotonic()) < end:
            due = max(due + 1 / rate, now - 5)
            group.create_task(one())
            made += 1
            await asyncio.sleep(max(0.0, due - time.monotonic()))
    return made, failures


async def sample_memory(host: RunningHost, end: float, say: Callable[[str], None]) -> list[tuple[float, float]]:
    """Samples of (seconds since the start, megabytes), every ten seconds."""
    begun = time.monotonic()
    samples: list[tuple[float, float]] = []
    while time.monotonic() < end:
        samples.append((time.monotonic() - begun, host.megabytes()))
        if len(samples) % 12 == 1:
            say(f"{samples[-1][0] / 60:5.1f} min  {samples[-1][1]:6.1f} MB")
        await asyncio.sleep(min(10.0, max(0.0, end - time.monotonic())))
    return samples


def growth(samples: list[tuple[float, float]]) -> float:
    """Memory at the end (the last fifth) relative to the memory after the first five minutes."""
    settled = [size for at, size in samples if at >= SETTLING_SECONDS] or [size for _, size in samples]
    share = max(1, len(settled) // 5)
    return (sum(settled[-share:]) / share) / (sum(settled[:share]) / share)


async def soak(connection: Connection, minutes: float, log: Path) -> int:
    def say(text: str) -> None:
        print(text, flush=True)

    hub = f"soak{uuid.uuid4().hex[:8]}"
    host = await asyncio.to_thread(RunningHost, connection_string(connection), hub, log)
    try:
        async with aiohttp.ClientSession() as session, StorageAccount(connection, max_connections=8) as account:
            await account.queues.create(host.queue)
            load = Load(host, session, account)
            most = await maximum(load)
            say("maximum a second: " + ", ".join(f"{kind} {rate:.1f}" for kind, rate in most.items()))
            end = time.monotonic() + minutes * 60
            memory = asyncio.create_task(sample_memory(host, end, say))
            runs = {kind: asyncio.create_task(at_rate(load.calls[kind], rate / 2, end)) for kind, rate in most.items()}
            failures: list[str] = []
            for kind, run in runs.items():
                made, failed = await run
                say(f"{kind}: {made} calls, {len(failed)} failed")
                failures += failed
            samples = await memory
            async with asyncio.timeout(120):
                await load.queue_is_empty()
    finally:
        await asyncio.to_thread(host.stop)
    grown = growth(samples)
    say(f"memory at the end / after the first five minutes: {grown:.3f}")
    for failure in failures[:10]:
        say(f"failed: {failure}")
    return 1 if failures or grown > GROWTH_LIMIT else 0


def main() -> None:
    parser = argparse.ArgumentParser(prog="bench.endurance", description=__doc__)
    parser.add_argument("--minutes", type=float, default=30.0)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        connection = free_connection()
        azurite = start_azurite(connection)
        try:
            code = asyncio.run(soak(connection, options.minutes, Path(folder) / "soak.txt"))
        finally:
            azurite.stop()
    sys.exit(code)


if __name__ == "__main__":
    main()
