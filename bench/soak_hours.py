"""Keeps one host under a modest load for hours and samples what could grow: `python -m bench.soak --hours 1`.

Every ten seconds it reads the memory and descriptors of host and worker and the lengths of the queues; every minute,
also the sizes of the tables. The host purges ended instances (`--retain`), so all values should be flat once the first
ones are purged. A run with a wrong result, a failed call, or a value that grows makes the exit code 1.
"""

import asyncio
import sys
import time
import uuid
from collections import Counter
from contextlib import AsyncExitStack
from pathlib import Path

import aiohttp
from rich.console import Console
from rich.table import Table

from bench import soak_samples
from bench.running_host import RunningHost
from bench.soak_hours_load import PATTERNS, Client, pause
from bench.soak_kills import APP
from bench.soak_picture import draw
from bench.soak_samples import AccountStore, FileStore, Sample, Store
from durable_host.config import retention_period
from durable_host.config.connection import Connection
from durable_host.storage import StorageAccount
from durable_host.storage.azurite import connection_string, free_connection, start_azurite
from durable_host.storage.connection_pool import NewestFirstConnector

SAMPLE_SECONDS = 10.0
SAMPLES_PER_COUNT = 6
SETTLING_SECONDS = 300.0
MOST_OPEN = 50
PATIENCE = 120.0
"""Seconds that a run may take."""
LONGEST_STEP = 0.2
SHOWN = 20


class LongSoak:
    """One host, its load and its samples."""

    def __init__(self, client: Client, host: RunningHost, store: Store, seconds: float, rate: float) -> None:
        self.samples: list[Sample] = []
        self.ended: Counter[str] = Counter()
        self.faults: list[str] = []
        self._client = client
        self._host = host
        self._store = store
        self._seconds = seconds
        self._rate = rate
        self._room = asyncio.Semaphore(MOST_OPEN)

    async def run(self, kept: Path) -> None:
        """Start runs and take samples until the time is over, then wait for the remaining runs."""
        begun = time.monotonic()
        async with asyncio.TaskGroup() as group:
            load = group.create_task(self._load(group))
            number = 0
            while (second := time.monotonic() - begun) < self._seconds:
                await self._sample(second, counts_rows=number % SAMPLES_PER_COUNT == 0)
                if number % (10 * SAMPLES_PER_COUNT) == 0:
                    _say(f"{second / 60:5.1f} min, {self.ended.total()} runs, {self.samples[-1].memory}")
                    soak_samples.write(self.samples, kept)
                number += 1
                await asyncio.sleep(min(SAMPLE_SECONDS, self._seconds - second))
            load.cancel()
        await self._sample(time.monotonic() - begun, counts_rows=True)
        soak_samples.write(self.samples, kept)

    async def _sample(self, second: float, *, counts_rows: bool) -> None:
        ended = self.ended.total()
        self.samples.append(
            await soak_samples.take(self._host, self._store, second, counts_rows=counts_rows, ended=ended)
        )

    async def _load(self, group: asyncio.TaskGroup) -> None:
        number = 0
        while True:
            await self._room.acquire()
            group.create_task(self._one(list(PATTERNS)[number % len(PATTERNS)], f"run{number}"))
            number += 1
            await asyncio.sleep(pause(self._rate))

    async def _one(self, kind: str, name: str) -> None:
        try:
            async with asyncio.timeout(PATIENCE):
                result, expected = await PATTERNS[kind](self._client, name)
            if result != expected:
                self.faults.append(f"{kind}, {name}: {result} for {expected}")
        except Exception as error:
            self.faults.append(f"{kind}, {name}: {type(error).__name__}: {error}")
        finally:
            self.ended[kind] += 1
            self._room.release()


def soak_hours(storage: str, seconds: float, rate: float, retain: str, folder: Path, picture: Path | None) -> int:
    """Run the soak. Writes the host's output and `samples.json` to `folder`, and returns the exit code."""
    connection = free_connection() if storage == "azurite" else None
    azurite = start_azurite(connection) if connection is not None else None
    try:
        soak = asyncio.run(_soak(connection, seconds, rate, retain, folder))
    finally:
        if azurite is not None:
            azurite.stop()
    if picture is not None:
        where = "Azurite" if storage == "azurite" else "SQLite"
        draw(soak.samples, picture, f"{seconds / 60:g} minutes on {where}")
    kept_for = retention_period.parse(retain) or 0.0
    return _report(soak, max(SETTLING_SECONDS, kept_for * 1.2 + 60))


async def _soak(connection: Connection | None, seconds: float, rate: float, retain: str, folder: Path) -> LongSoak:
    """`connection` None means a hub in a file."""
    hub = f"soak{uuid.uuid4().hex[:8]}"
    queue = f"{hub}-senders"
    path = folder / f"{hub}.db"
    prefix = "AzureFunctionsJobHost__extensions__durableTask__"
    settings = {
        "RUNS": "/dev/null",
        "LONGEST_STEP": str(LONGEST_STEP),
        "DURABLE_HOST_RETAIN": retain,
        f"{prefix}hubName": hub,
        "AzureFunctionsJobHost__logging__logLevel__Function": "Warning",
        "AzureFunctionsJobHost__logging__logLevel__Host.Triggers.DurableTask": "Information",
        **(
            {"QUEUE": queue}
            if connection is not None
            else {f"{prefix}storageProvider__type": "sqlite", f"{prefix}storageProvider__path": str(path)}
        ),
    }
    async with AsyncExitStack() as stack:
        session = await stack.enter_async_context(aiohttp.ClientSession(connector=NewestFirstConnector()))
        storage: StorageAccount | None = None
        account = ""
        if connection is not None:
            account = connection_string(connection)
            storage = await stack.enter_async_context(StorageAccount(connection))
            await storage.queues.create(queue)
        host = await asyncio.to_thread(RunningHost, account, hub, folder / "soak.txt", app=APP, settings=settings)
        stack.push_async_callback(asyncio.to_thread, host.stop)
        store: Store = AccountStore(storage, hub, queue) if storage is not None else FileStore(path)
        soak = LongSoak(Client(session, host.base, storage, queue), host, store, seconds, rate)
        await soak.run(folder / "samples.json")
        return soak


def _report(soak: LongSoak, settled_after: float) -> int:
    found = soak_samples.trends(soak.samples, settled_after)
    table = Table("value", "early", "late", "flat", title="means after settling and at the end")
    for trend in found:
        table.add_row(trend.what, f"{trend.early:.1f}", f"{trend.late:.1f}", "yes" if trend.is_flat else "NO")
    Console(width=110).print(table)
    _say(f"{soak.ended.total()} runs, {len(soak.faults)} faults")
    for line in soak.faults[:SHOWN]:
        _say(line)
    return 1 if soak.faults or not all(trend.is_flat for trend in found) else 0


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
