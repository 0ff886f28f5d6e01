"""Counts the storage requests that the host makes for one orchestration in the steady state."""

import asyncio
import uuid
from collections.abc import Awaitable
from pathlib import Path

import aiohttp

from bench import scenarios
from bench.running_host import RunningHost
from bench.storage_calls import PERIODIC, Kind
from bench.storage_proxy import StorageProxy
from durable_host.config.connection import Connection
from durable_host.storage.azurite import connection_string

SEQUENCES = 20
SETTLING_SECONDS = 2.0


async def measure(connection: Connection, folder: Path, steps: int, activities: int) -> tuple[float, int]:
    """Count the requests of a sequence of `steps` activities, and of a fan-out of `activities`.

    Requests of an idle host are not counted, nor are the reads with which the caller waits.
    """
    with StorageProxy(connection) as proxy:
        storage, hub = connection_string(proxy.connection), f"count{uuid.uuid4().hex[:8]}"
        host = await asyncio.to_thread(RunningHost, storage, hub, folder / "counted.txt")
        try:
            async with aiohttp.ClientSession() as session:
                client = scenarios.Client(host, session)
                await scenarios.sequences(client, 1, steps, 0)
                sequences = await _count(proxy, scenarios.sequences(client, SEQUENCES, steps, 1))
                fan_out = await _count(proxy, scenarios.fan_out(client, activities, 1))
        finally:
            await asyncio.to_thread(host.stop)
    return sequences / SEQUENCES, fan_out


async def _count(proxy: StorageProxy, scenario: Awaitable[float]) -> int:
    proxy.forget_calls()
    await scenario
    await asyncio.sleep(SETTLING_SECONDS)  # messages are deleted in the background
    ignored = PERIODIC | {Kind.ROW_READ}
    return sum(call.kind not in ignored for call in proxy.calls)
