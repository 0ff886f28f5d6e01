"""The load of a long soak: runs of ten patterns, started and controlled over HTTP, each with a known result."""

import asyncio
import base64
import random
from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import quote

import aiohttp

from durable_host.storage import StorageAccount

_POLL_SECONDS = 1.0
_ENDED = ("Completed", "Failed", "Terminated")


class Client:
    """A user of the host. `account` is None if the hub is a file: then events take the place of queue messages."""

    def __init__(self, session: aiohttp.ClientSession, base: str, account: StorageAccount | None, queue: str) -> None:
        self._session = session
        self._base = base
        self._api = f"{base}/runtime/webhooks/durabletask"
        self._account = account
        self._queue = queue

    async def start(self, pattern: str, instance_id: str) -> None:
        """Start an instance through the app's HTTP function."""
        await self._post(f"{self._base}/api/start/{pattern}/{instance_id}")

    async def send(self, instance_id: str, data: Any) -> None:
        """Raise the event `Approval`."""
        await self._post(f"{self._api}/instances/{instance_id}/raiseEvent/Approval", data)

    async def put(self, instance_id: str, number: int) -> None:
        """Let the queue-triggered function raise the event, if the app has one."""
        if self._account is None:
            await self.send(instance_id, number)
        else:
            await self._account.queues.put(self._queue, base64.b64encode(f"{instance_id} {number}".encode()).decode())

    async def signal(self, key: str) -> None:
        await self._post(f"{self._api}/entities/counter/{key}?op=add", "1")

    async def state(self, key: str) -> Any:
        """The state of an entity; None if it does not exist."""
        async with self._session.get(f"{self._api}/entities/counter/{key}") as answer:
            return await answer.json() if answer.status == 200 else None

    async def remove(self, key: str) -> None:
        """Purge an entity."""
        async with self._session.delete(f"{self._api}/instances/{quote(f'@counter@{key}', safe='')}") as answer:
            answer.raise_for_status()

    async def status(self, instance_id: str) -> dict[str, Any]:
        async with self._session.get(f"{self._api}/instances/{instance_id}") as answer:
            if answer.status not in (200, 202):
                raise RuntimeError(f"the status of {instance_id} is {answer.status}: {await answer.text()}")
            return await answer.json()

    async def until(self, instance_id: str, holds: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        """Poll until `holds` is true for the status, and return it."""
        while not holds(status := await self.status(instance_id)):
            await asyncio.sleep(_POLL_SECONDS)
        return status

    async def output(self, instance_id: str) -> Any:
        """Wait for the end, and return the output."""
        status = await self.until(instance_id, lambda status: status["runtimeStatus"] in _ENDED)
        if status["runtimeStatus"] != "Completed":
            raise RuntimeError(f"{instance_id} ended as {status['runtimeStatus']}: {status['output']}")
        return status["output"]

    async def _post(self, url: str, data: Any = None) -> None:
        async with self._session.post(url, json=data) as answer:
            if answer.status != 202:
                raise RuntimeError(f"{url} answered {answer.status}: {await answer.text()}")


Pattern = Callable[[Client, str], Awaitable[tuple[Any, Any]]]
"""Does one run and returns its result and the expected one."""


def _alone(pattern: str, expected: Any) -> Pattern:
    async def run(client: Client, name: str) -> tuple[Any, Any]:
        await client.start(pattern, name)
        return await client.output(name), expected

    return run


async def _approvals(client: Client, name: str) -> tuple[Any, Any]:
    """Three approvals, each sent when the orchestrator waits for it."""
    await client.start("approvals", name)
    for number in range(3):
        waits = f"waits {number}"
        await client.until(name, lambda status, waits=waits: status["customStatus"] == waits)
        await client.send(name, number)
    return await client.output(name), [0, 1, 2]


async def _race(client: Client, name: str) -> tuple[Any, Any]:
    """An approval that comes before its deadline. The timer stays behind."""
    await client.start("races", name)
    await client.send(name, "yes")
    return await client.output(name), ["approved", "approved"]


async def _collect(client: Client, name: str) -> tuple[Any, Any]:
    """Three tokens through the queue, right after the start. A function runs at least once, so a token may repeat."""
    await client.start("collect", name)
    for number in range(3):
        await client.put(name, number)
    return sorted(set(await client.output(name))), [0, 1, 2]


async def _entity(client: Client, name: str) -> tuple[Any, Any]:
    """A signal and a call by an orchestration, then a signal of a client. The entity is purged, as it never ends."""
    await client.start("calls", name)
    called = await client.output(name)
    await client.signal(name)
    while (value := await client.state(name)) != 3:
        await asyncio.sleep(_POLL_SECONDS)
    await client.remove(name)
    return [called, value], [2, 3]


PATTERNS: dict[str, Pattern] = {
    "sequence": _alone("chain", [0, 1, 2]),
    "fan-out": _alone("fan", [0, 1, 2, 3]),
    "timer": _alone("timers", [True, 0]),
    "child": _alone("parents", 0),
    "continue as new": _alone("generations", 2),
    "large payload": _alone("large", 70_000),
    "approvals": _approvals,
    "race": _race,
    "queue": _collect,
    "entity": _entity,
}


def pause(rate: float) -> float:
    """Seconds until the next run begins."""
    return random.expovariate(rate)
