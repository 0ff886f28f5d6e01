"""A worker that asks for a partition and then stops: the owner goes on with it, but not before its drain has ended.

Source: docs/protocol/task-hub-storage-partitions.md#partition-drain
"""

import asyncio
import logging

import msgspec

from durable_host.clock import SystemClock
from durable_host.durable.taskhub.azure.neighbours import Neighbours
from durable_host.durable.taskhub.azure.outage import Outage
from durable_host.durable.taskhub.azure.partition_manager import PartitionManager, PartitionTable
from durable_host.durable.taskhub.azure.partition_plan import PartitionRow
from durable_host.supervision import Tasks


class OneRow(PartitionTable):
    """A table with one partition. `ask` is what another worker writes."""

    def __init__(self) -> None:
        self.row = PartitionRow("q0")

    async def read_whole(self) -> list[PartitionRow]:
        return [self.row]

    async def replace(self, row: PartitionRow) -> None:
        self.row = row

    def ask(self, worker: str | None) -> None:
        self.row = msgspec.structs.replace(self.row, next_owner=worker, is_draining=False)


async def test_a_partition_whose_request_was_withdrawn_is_polled_again_when_its_drain_has_ended() -> None:
    table, background, gate = OneRow(), Tasks(logging.getLogger("test")), asyncio.Event()
    seen: list[str] = []

    async def close(queue: str) -> None:
        seen.append("closed")

    async def drain(queue: str) -> None:
        seen.append("drains")
        await gate.wait()

    manager = PartitionManager(
        table,
        "me:0",
        SystemClock(),
        background,
        Outage("hub"),
        open_queue=lambda _: seen.append("opened"),
        close_queue=close,
        drain_queue=drain,
        on_neighbours=lambda around: seen.append(around.value),
    )
    await manager._pass()
    table.ask("other:0")
    await manager._pass()
    await asyncio.sleep(0)
    table.ask(None)
    assert await manager._pass()
    assert seen == ["opened", Neighbours.NONE.value, Neighbours.OURS.value, "drains"]
    gate.set()
    await asyncio.sleep(0)
    assert not await manager._pass()
    assert seen[4:] == ["opened", Neighbours.NONE.value]
    table.ask("other:0")
    assert await manager._pass()
    assert table.row.current_owner == "me:0"
    await background.stop()
