"""The three scenarios and the chain, run over HTTP as by a user."""

import asyncio
import statistics
import time
from pathlib import Path
from typing import Any

import aiohttp

from bench.running_host import RunningHost

TERMINAL = ("Completed", "Failed", "Terminated")
UNDISTURBED = 0.02
"""Seconds after an event without a request for the status, which would compete with its turn for cores and storage."""


class Client:
    """The management API of a running host."""

    def __init__(self, host: RunningHost, session: aiohttp.ClientSession) -> None:
        self._session = session
        self._base = f"{host.base}/runtime/webhooks/durabletask"

    async def start(self, name: str, data: Any, instance_id: str) -> None:
        # The SDK reads inputs double-encoded; an object may be sent as it is.
        async with self._session.post(f"{self._base}/orchestrators/{name}/{instance_id}", json=data) as answer:
            answer.raise_for_status()

    async def status(self, instance_id: str, query: str = "") -> dict[str, Any]:
        async with self._session.get(f"{self._base}/instances/{instance_id}{query}") as answer:
            if answer.status not in (200, 202):
                raise RuntimeError(f"the status of {instance_id} is {answer.status}: {await answer.text()}")
            return await answer.json()

    async def wait_for(self, instance_id: str, states: tuple[str, ...], pause: float) -> dict[str, Any]:
        """Poll every `pause` seconds until the status is one of `states`, and return it."""
        while (status := await self.status(instance_id))["runtimeStatus"] not in states:
            await asyncio.sleep(pause)
        return status

    async def wait(self, instance_id: str, pause: float) -> dict[str, Any]:
        """Wait until the instance is Completed and return its status. Raises if it ends differently."""
        status = await self.wait_for(instance_id, TERMINAL, pause)
        if status["runtimeStatus"] != "Completed":
            raise RuntimeError(f"{instance_id} ended as {status['runtimeStatus']}: {status['output']}")
        return status

    async def raise_event(self, instance_id: str, name: str) -> None:
        async with self._session.post(f"{self._base}/instances/{instance_id}/raiseEvent/{name}", json="go") as answer:
            if answer.status != 202:
                raise RuntimeError(f"raiseEvent answered {answer.status}: {await answer.text()}")


async def fan_out(client: Client, count: int, run: int) -> float:
    """Seconds from the start request to Completed."""
    begun = time.perf_counter()
    await client.start("fan_out", {"count": count}, f"fan-out-{run}")
    status = await client.wait(f"fan-out-{run}", 0.1)
    assert status["output"] == count
    return time.perf_counter() - begun


async def sequences(client: Client, instances: int, steps: int, run: int) -> float:
    """Seconds from the first start request to the last Completed."""
    begun = time.perf_counter()
    names = [f"sequence-{run}-{number}" for number in range(instances)]
    starters = asyncio.Semaphore(8)

    async def start(name: str) -> None:
        async with starters:
            await client.start("sequence", {"count": steps}, name)

    async with asyncio.TaskGroup() as group:
        for name in names:
            group.create_task(start(name))
    for name in names:
        await client.wait(name, 0.05)
    return time.perf_counter() - begun


async def events(client: Client, count: int, log: Path) -> list[float]:
    """Seconds from each 202 to the moment when the orchestrator's code continues."""
    names = [f"event-{number}" for number in range(count)]
    for name in names:
        await client.start("wait_for_go", {}, name)
    for name in names:
        await client.wait_for(name, ("Running",), 0.02)
    accepted: dict[str, int] = {}
    for name in names:
        await client.raise_event(name, "Go")
        accepted[name] = time.time_ns()
        await client.wait(name, 0.005)
    lines = await asyncio.to_thread(log.read_text, encoding="utf-8")
    went_on = dict(line.split() for line in lines.splitlines())
    return [max(0.0, (int(went_on[name]) - accepted[name]) / 1e9) for name in names]


async def approvals(client: Client, count: int, log: Path, run: int) -> list[float]:
    """Seconds from each request that raises an event to the start of the activity that follows."""
    begun: dict[str, int] = {}
    for number in range(count):
        name = f"approval-{run}-{number}"
        await client.start("approval", {}, name)
        await client.wait_for(name, ("Running",), 0.02)
        begun[name] = time.time_ns()
        await client.raise_event(name, "Go")
        await asyncio.sleep(UNDISTURBED)
        await client.wait(name, 0.01)
    lines = await asyncio.to_thread(log.read_text, encoding="utf-8")
    activity_began = dict(line.split() for line in lines.splitlines())
    return [(int(activity_began[name]) - before) / 1e9 for name, before in begun.items()]


async def chain(client: Client, steps: int, name: str = "chain") -> tuple[float, float]:
    """Milliseconds per step, in the first 50 and in the last 50 activities of one orchestration."""
    await client.start("sequence", {"count": steps}, name)
    await client.wait(name, 0.1)
    history = (await client.status(name, "?showHistory=true"))["historyEvents"]
    done = [_seconds(event["Timestamp"]) for event in history if event["EventType"] == "TaskCompleted"]
    return (done[50] - done[0]) / 50 * 1000, (done[-1] - done[-51]) / 50 * 1000


def _seconds(timestamp: str) -> float:
    hours, minutes, seconds = timestamp.split("T")[1].rstrip("Z").split(":")
    return int(hours) * 3600 + int(minutes) * 60 + float(seconds)


def percentile(values: list[float], share: float) -> float:
    """The percentile of the values at `share` (0 to 1)."""
    return statistics.quantiles(values, n=1000, method="inclusive")[max(0, round(share * 1000) - 1)]
