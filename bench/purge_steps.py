"""The longest interruption by the purge of one instance, for histories of several lengths.

On SQLite it is the time for which a transaction holds the lock of the file, on Azurite the time for which a small read
of another client waits.
"""

import asyncio
import time
import uuid
from collections.abc import Coroutine, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from sqlite3 import Connection as Database
from sqlite3 import connect
from typing import Any

from rich.table import Table

from bench.scenarios import percentile
from bench.storage_proxy import StorageProxy
from durable_host import timestamp
from durable_host.config.connection import Connection
from durable_host.durable.model import identity
from durable_host.durable.model.events import (
    EventRaised,
    ExecutionCompleted,
    ExecutionStarted,
    OrchestrationInstance,
    OrchestratorCompleted,
    OrchestratorStarted,
)
from durable_host.durable.model.instance import InstanceUpdate
from durable_host.durable.model.messages import TaskMessage
from durable_host.durable.model.status import OrchestrationStatus
from durable_host.durable.taskhub.azure import AzureTaskHub, AzureTaskHubOptions
from durable_host.durable.taskhub.port import EpisodeCommit, ReceivedMessage
from durable_host.durable.taskhub.sqlite import history, schema, transactions
from durable_host.storage import StorageAccount

LENGTHS = {1: 40, 100: 20, 1000: 5}
"""Events between the start and the end of an instance, and how many such instances are purged."""
_TIME = timestamp.UNIX_EPOCH_TICKS
_SETTLED_AFTER = 4.0


@dataclass
class Purges:
    """What the purges of instances of one length took."""

    steps: float = 0.0
    waits: list[float] = field(default_factory=list[float])

    def cells(self) -> list[str]:
        times = (percentile(self.waits, 0.5), percentile(self.waits, 0.99), max(self.waits))
        return [f"{self.steps:.0f}", *(f"{1000 * seconds:.2f} ms" for seconds in times)]


async def measure(connection: Connection, folder: Path) -> Table:
    """Purge instances of all lengths on both storages."""
    table = Table(
        "storage", "events", "transactions or requests", "p50", "p99", "longest", title="Interruptions by one purge"
    )
    on_file = await asyncio.to_thread(_on_file, folder / "held.db")
    on_azurite = await _on_azurite(connection)
    for name, found in (("SQLite: lock is held", on_file), ("Azurite: a read takes", on_azurite)):
        for length, purges in found.items():
            table.add_row(name, str(length) if length else "no purge", *purges.cells())
    return table


def _on_file(path: Path) -> dict[int, Purges]:
    found: dict[int, Purges] = {}
    with closing(connect(path, isolation_level=None)) as database:
        database.execute("PRAGMA journal_mode = WAL")
        database.execute("PRAGMA synchronous = NORMAL")
        schema.create(database, "Bench")
        for length, count in LENGTHS.items():
            found[length] = purges = Purges()
            for number in range(count):
                start = _start(f"i{length}-{number}")
                transactions.create_instance(database, start, frozenset(), _TIME)
                transactions.commit(database, _whole_run(start, length, ()), _TIME, False)
            for number in range(count):
                waits = _purge_in_file(database, f"i{length}-{number}")
                purges.waits += waits
                purges.steps += len(waits) / count
    return found


def _purge_in_file(database: Database, instance_id: str) -> list[float]:
    """Return the seconds for which each transaction held the lock."""
    waits: list[float] = []
    is_first, goes_on = True, True
    while goes_on:
        begun = time.perf_counter()
        database.execute("BEGIN IMMEDIATE")
        goes_on = transactions.purge_instance(database, instance_id) if is_first else history.delete_discarded(database)
        database.execute("COMMIT")
        waits.append(time.perf_counter() - begun)
        is_first = False
    return waits


async def _on_azurite(connection: Connection) -> dict[int, Purges]:
    """Purge through a proxy that counts the requests, while another client reads one row again and again."""
    found: dict[int, Purges] = {}
    name = f"bench{uuid.uuid4().hex[:8]}"
    with StorageProxy(connection) as proxy:
        async with StorageAccount(connection) as account, StorageAccount(proxy.connection) as counted:
            hub = AzureTaskHub(account, None, AzureTaskHubOptions(hub_name=name))
            purging = AzureTaskHub(counted, None, AzureTaskHubOptions(hub_name=name))
            await hub.start()
            for length, count in LENGTHS.items():
                for number in range(count):
                    await _run_to_its_end(hub, f"i{length}-{number}", length)
            await asyncio.sleep(_SETTLED_AFTER)
            await hub.stop()
            found[0] = Purges(waits=await _reads_during(account, asyncio.sleep(2)))
            for length, count in LENGTHS.items():
                proxy.forget_calls()
                waits = await _reads_during(account, _purge(purging, [f"i{length}-{one}" for one in range(count)]))
                found[length] = Purges(len(proxy.calls) / count, waits)
            await hub.delete()
            await hub.close()
            await purging.close()
    return found


async def _run_to_its_end(hub: AzureTaskHub, instance_id: str, length: int) -> None:
    await hub.create_instance(_start(instance_id), dedupe_statuses=frozenset())
    (received,) = await hub.next_control_messages()
    await hub.commit(_whole_run(received.message, length, [received]))


async def _purge(hub: AzureTaskHub, instance_ids: Sequence[str]) -> None:
    async def pause() -> None:
        await asyncio.sleep(0.02)

    for instance_id in instance_ids:
        if not await hub.purge_ended(instance_id, 2 * _TIME, pause):
            raise RuntimeError(f"{instance_id} was not purged")


async def _reads_during(account: StorageAccount, work: Coroutine[Any, Any, None]) -> list[float]:
    """Return the seconds that a read of one row took, again and again until `work` is done."""
    table = f"bench{uuid.uuid4().hex[:8]}"
    await account.tables.create_table(table)
    await account.tables.insert(table, {"PartitionKey": "p", "RowKey": "r"})
    waits: list[float] = []
    working = asyncio.ensure_future(work)
    while not working.done():
        begun = time.perf_counter()
        await account.tables.get(table, "p", "r")
        waits.append(time.perf_counter() - begun)
    await working
    await account.tables.delete_table(table)
    return waits


def _start(instance_id: str) -> TaskMessage:
    target = OrchestrationInstance(instance_id, uuid.uuid4().hex)
    event = ExecutionStarted(
        orchestration_instance=target, name="Bench", version="", input="1", timestamp=_TIME, generation=0
    )
    return TaskMessage(event, target, id=identity.of_start(target))


def _whole_run(start: TaskMessage, length: int, consumed: Sequence[ReceivedMessage]) -> EpisodeCommit:
    """An episode that runs an instance from its start to its end, with `length` events between."""
    status, execution_id = OrchestrationStatus.Completed, start.target.execution_id
    assert execution_id is not None
    assert isinstance(start.event, ExecutionStarted)
    between = [EventRaised(name="E", input="x" * 100, timestamp=_TIME) for _ in range(length)]
    return EpisodeCommit(
        instance_id=start.target.instance_id,
        execution_id=execution_id,
        checkpoint=None,
        first_ordinal=0,
        events=[
            OrchestratorStarted(timestamp=_TIME),
            start.event,
            *between,
            ExecutionCompleted(event_id=0, orchestration_status=status, result="1", timestamp=_TIME),
            OrchestratorCompleted(timestamp=_TIME),
        ],
        outbound=(),
        update=InstanceUpdate(
            execution_id=execution_id,
            last_updated_time=_TIME,
            started=start.event,
            runtime_status=status,
            completed_time=_TIME,
        ),
        consumed=consumed,
    )
