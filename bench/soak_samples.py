"""What a long soak measures, and whether it stays flat."""

import asyncio
import json
import os
import sqlite3
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Protocol

from bench.running_host import RunningHost, open_descriptors, resident_megabytes
from durable_host.durable.taskhub.azure.names import HubNames
from durable_host.storage import StorageAccount
from durable_host.storage.errors import NotFound

Values = dict[str, float]


@dataclass
class Sample:
    """`second` is relative to the start. `tables` and `files` are empty in most samples, because counting is costly."""

    second: float
    memory: Values
    """MB of the host and of its workers."""
    descriptors: Values
    queues: Values
    """Messages by queue, hidden ones included."""
    tables: Values = field(default_factory=dict[str, float])
    """Rows by table."""
    files: Values = field(default_factory=dict[str, float])
    """What else the hub stores: blobs, or MB of its file."""
    ended: int = 0
    """Runs that have ended so far."""


class Store(Protocol):
    """The storage of the hub, seen from outside the host."""

    async def queues(self) -> Values: ...

    async def tables(self) -> Values: ...

    async def files(self) -> Values: ...


class AccountStore:
    """The hub in a storage account, and the queue of the app."""

    def __init__(self, account: StorageAccount, hub: str, queue: str) -> None:
        self._account = account
        self._names = HubNames.of(hub, 4)
        self._queue = queue

    async def queues(self) -> Values:
        count = self._account.queues.message_count
        control = [await count(name) for name in self._names.control_queues]
        return {
            "control queues": sum(control),
            "work items": await count(self._names.work_items),
            "queue of the app": await count(self._queue),
        }

    async def tables(self) -> Values:
        found: Values = {}
        for label, table in (("History", self._names.history), ("Instances", self._names.instances)):
            rows = self._account.tables.query_all(table, None, ("PartitionKey",))
            found[label] = len([row async for row in rows])
        return found

    async def files(self) -> Values:
        blobs = self._account.blobs.list(self._names.large_messages)
        try:
            return {"blobs of large messages": len([blob async for blob in blobs])}
        except NotFound:  # Nothing was too large for a message yet.
            return {"blobs of large messages": 0}


class FileStore:
    """The hub in a SQLite file."""

    def __init__(self, path: Path) -> None:
        self._path = path

    async def queues(self) -> Values:
        counts = await asyncio.to_thread(self._query, "SELECT queue, COUNT(*) FROM messages GROUP BY queue")
        return {"control messages": counts.get(0, 0), "activity requests": counts.get(1, 0)}

    async def tables(self) -> Values:
        sql = "SELECT 0, COUNT(*) FROM history UNION ALL SELECT 1, COUNT(*) FROM instances"
        counts = await asyncio.to_thread(self._query, sql)
        return {"history": counts[0], "instances": counts[1]}

    async def files(self) -> Values:
        def megabytes(suffix: str) -> float:
            path = self._path.with_name(self._path.name + suffix)
            return os.path.getsize(path) / 1e6 if path.exists() else 0.0

        return {"file (MB)": megabytes(""), "write-ahead log (MB)": megabytes("-wal")}

    def _query(self, sql: str) -> dict[int, int]:
        with closing(sqlite3.connect(f"file:{self._path}?mode=ro", uri=True, timeout=30)) as connection:
            return dict(connection.execute(sql).fetchall())


async def take(host: RunningHost, store: Store, second: float, *, counts_rows: bool, ended: int) -> Sample:
    pid, workers = host.processes()
    return Sample(
        second=second,
        memory={"host": resident_megabytes(pid), "worker": sum(map(resident_megabytes, workers))},
        descriptors={"host": open_descriptors(pid), "worker": sum(map(open_descriptors, workers))},
        queues=await store.queues(),
        tables=await store.tables() if counts_rows else {},
        files=await store.files() if counts_rows else {},
        ended=ended,
    )


@dataclass(frozen=True)
class Trend:
    """The mean of a value early in the soak, once it has settled, and late. `is_flat` says whether it grew."""

    what: str
    early: float
    late: float
    is_flat: bool


_LIMITS: dict[str, Callable[[float], float]] = {
    "memory": lambda early: early * 1.10 + 2,
    "descriptors": lambda early: early + 5,
    "queues": lambda early: early * 1.5 + 10,
    "tables": lambda early: early * 1.25 + 50,
    "files": lambda early: early * 1.25 + 50,
}
"""The highest late value by kind. The load is random, so queues and tables vary."""


def trends(samples: Sequence[Sample], settled_after: float) -> list[Trend]:
    """Compare the first fifth after `settled_after` seconds with the last fifth, for each value."""
    settled = [one for one in samples if one.second >= settled_after] or list(samples)
    share = max(1, len(settled) // 5)
    found: list[Trend] = []
    for kind, limit in _LIMITS.items():
        for name in getattr(samples[0], kind):
            early, late = (_mean(part, kind, name) for part in (settled[:share], settled[-share:]))
            found.append(Trend(f"{kind}: {name}", early, late, late <= limit(early)))
    return found


def _mean(samples: Sequence[Sample], kind: str, name: str) -> float:
    values = [values[name] for one in samples if (values := getattr(one, kind))]
    return sum(values) / len(values) if values else 0.0


def write(samples: Sequence[Sample], path: Path) -> None:
    path.write_text(json.dumps([asdict(one) for one in samples]), encoding="utf-8")


def read(path: Path) -> list[Sample]:
    return [Sample(**one) for one in json.loads(path.read_text(encoding="utf-8"))]
