"""Disturbances from outside: others that take leases, and another kind of worker."""

import asyncio
import json
from typing import TYPE_CHECKING, Any

from durable_host.durable.taskhub.azure.names import HubNames
from durable_host.durable.taskhub.azure.partition_plan import PartitionRow
from durable_host.storage.table_codec import write_entity
from durable_host.timestamp import TICKS_PER_SECOND

if TYPE_CHECKING:
    from simulated_world import World

FOREIGN = "RD0003FF-official-worker"
_THIEF = "simulated:99"


def steal_leases(world: "World") -> None:
    """For a while another app has the app lease, or another worker of ours the partitions."""
    now = world.clock.now()
    if world.random.random() < 0.5:
        world.note("", "PARTITIONS STOLEN", "")
        for queue in HubNames.of(world.hub_name, world.plan.partitions).control_queues:
            _give_partition(world, queue, _THIEF, now + 10 * TICKS_PER_SECOND)
    else:
        world.note("", "APP LEASE STOLEN", "")
        for container in world.storage.blobs.containers.values():
            if container.lease.holds(now):
                container.lease.id, container.lease.until = "another", now + 20 * TICKS_PER_SECOND


async def foreign_worker(world: "World") -> None:
    """The last partition belongs to an official worker until calm; it takes nothing."""
    queue = HubNames.of(world.hub_name, world.plan.partitions).control_queues[-1]
    while not world.is_calm.is_set():
        if f"{world.hub_name}Partitions" in world.storage.tables.tables:
            _give_partition(world, queue, FOREIGN, world.clock.now() + 30 * TICKS_PER_SECOND)
        await asyncio.sleep(9.0)
    _give_partition(world, queue, FOREIGN, world.clock.now())


def _give_partition(world: "World", queue: str, owner: str, until: int) -> None:
    now = world.clock.now()
    given: dict[str, Any] = json.loads(write_entity(PartitionRow(queue, "", owner, None, now, now, until).write()))
    world.storage.tables._write("PUT", f"{world.hub_name}Partitions", "", queue, given, None)
