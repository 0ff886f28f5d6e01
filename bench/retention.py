"""Measures how much a background purge slows down the rest of the host.

A host runs sequences of five activities, in turn without retention and while it purges what earlier rounds have left.
`purge_steps` then measures the longest interruption by one purge.
"""

import asyncio
import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp
from rich.table import Table

from bench import purge_steps
from bench.running_host import RunningHost
from bench.scenarios import Client, percentile
from bench.soak_samples import AccountStore, FileStore, Store
from durable_host.config.connection import Connection
from durable_host.storage import StorageAccount
from durable_host.storage.azurite import connection_string

SECONDS = 10.0
STEPS = 5
AT_ONCE = 8
_LOOK_SECONDS = 0.003
_PROVIDER = "AzureFunctionsJobHost__extensions__durableTask__storageProvider__"
Say = Callable[[str], None]


@dataclass
class Load:
    """The rounds of one kind: the durations of their sequences and of the rounds, and the instances purged."""

    durations: list[float] = field(default_factory=list[float])
    seconds: float = 0.0
    purged: float = 0.0

    def cells(self) -> list[str]:
        p50, p99 = (f"{1000 * percentile(self.durations, share):.0f} ms" for share in (0.5, 0.99))
        return [f"{len(self.durations) / self.seconds:.1f}/s", p50, p99, f"{self.purged / self.seconds:.1f}/s"]


async def measure(connection: Connection, folder: Path, rounds: int, say: Say) -> list[Table]:
    """Return the table of the sequences and that of the interruptions."""
    table = Table("storage", "retention", "sequences", "p50", "p99", "purged", title="Sequences beside a purge")
    hub, file = f"bench{uuid.uuid4().hex[:8]}", folder / "hub.db"
    async with StorageAccount(connection) as account:
        for name, store, settings in (
            ("Azurite", AccountStore(account, hub, f"{hub}-messages"), {}),
            ("SQLite", FileStore(file), {_PROVIDER + "type": "sqlite", _PROVIDER + "path": str(file)}),
        ):
            loads = (Load(), Load())
            for number in range(rounds):
                for load, options in zip(loads, ((), ("--retain", "1s")), strict=True):
                    say(f"{name}, round {number + 1}, {' '.join(options) or 'without retention'} ...")
                    host = await asyncio.to_thread(
                        RunningHost, connection_string(connection), hub, folder / f"{name}.txt",
                        settings=settings, options=("--no-azurite", *options),
                    )  # fmt: skip
                    try:
                        await _round(host, folder / f"{name}.txt", store, load)
                    finally:
                        await asyncio.to_thread(host.stop)
            for word, load in zip(("off", "on"), loads, strict=True):
                table.add_row(name, word, *load.cells())
    say("purges alone ...")
    return [table, await purge_steps.measure(connection, folder)]


async def _round(host: RunningHost, log: Path, store: Store, load: Load) -> None:
    async with aiohttp.ClientSession() as session:
        client = Client(host, session)
        await _run(client, log, 1.0, Load())  # warm up
        before, ran = await _instances(store), len(load.durations)
        await _run(client, log, SECONDS, load)
        load.purged += before + len(load.durations) - ran - await _instances(store)


async def _instances(store: Store) -> float:
    rows: Mapping[str, float] = {name.lower(): count for name, count in (await store.tables()).items()}
    return rows["instances"]


async def _run(client: Client, log: Path, seconds: float, load: Load) -> None:
    """Keep some sequences running. Each writes a line to `log` when its last activity begins."""
    done: dict[str, int] = {}
    begun = time.monotonic()

    async def one_after_another() -> None:
        while time.monotonic() - begun < seconds:
            name = f"sequence-{uuid.uuid4().hex}"
            start = time.time_ns()
            await client.start("stamped_sequence", {"count": STEPS}, name)
            while name not in done:
                await asyncio.sleep(_LOOK_SECONDS)
            load.durations.append((done[name] - start) / 1e9)

    async def read() -> None:
        with log.open(encoding="utf-8") as lines:
            lines.seek(0, 2)
            rest = ""
            while True:
                *whole, rest = (rest + lines.read()).split("\n")
                done.update((name, int(moment)) for name, moment in (line.split() for line in whole))
                await asyncio.sleep(_LOOK_SECONDS)

    await asyncio.to_thread(log.touch)
    reading = asyncio.create_task(read())
    try:
        async with asyncio.TaskGroup() as group:
            for _ in range(AT_ONCE):
                group.create_task(one_after_another())
    finally:
        reading.cancel()
    load.seconds += time.monotonic() - begun
