"""The load of the soak: runs of seven patterns, each judged by the calls that were acknowledged."""

import asyncio
import base64
import json
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import aiohttp

from durable_host.storage import StorageAccount, StorageError

_POLL_SECONDS = 0.3
_TRY_AGAIN_SECONDS = 0.3
TOKENS = 3


@dataclass
class Run:
    """One run. `in_doubt`: a call of its client got no answer, so it may count or not.
    `result` is None until it has ended.
    """

    kind: str
    name: str
    expected: Any = None
    in_doubt: bool = False
    result: Any = None
    acknowledged: bool = False
    notes: list[str] = field(default_factory=list[str])


class Hub:
    """The calls of clients to the host, which may be down, and to its storage, which is always up."""

    def __init__(self, session: aiohttp.ClientSession, account: StorageAccount, base: str, hub: str) -> None:
        self.up = asyncio.Event()
        self._session = session
        self._account = account
        self._base = f"{base}/runtime/webhooks/durabletask"
        self._hub = hub
        self.queue = f"{hub}-senders"

    async def call(self, path: str, data: Any = None) -> int:
        """Send one POST while the host is up. Returns the status, or 0 if there was no answer."""
        await self.up.wait()
        try:
            async with self._session.post(f"{self._base}/{path}", json=data) as answer:
                await answer.read()
                return answer.status
        except (aiohttp.ClientError, TimeoutError):
            return 0

    async def start(self, run: Run, pattern: str) -> None:
        """Retry the start until it is acknowledged. A conflict means that an earlier attempt succeeded."""
        while await self.call(f"orchestrators/{pattern}/{run.name}") not in (202, 409):
            await asyncio.sleep(_TRY_AGAIN_SECONDS)
        run.acknowledged = True

    async def once(self, run: Run, path: str, data: Any) -> bool:
        """Make a call that must not be repeated. Returns False if it is unknown whether it counts."""
        status = await self.call(path, data)
        if status != 202:
            run.in_doubt = True
            run.notes.append(f"{path.rpartition('/')[2]} answered {status}")
        return status == 202

    async def put_token(self, run: Run, number: int) -> None:
        """Put a message for the queue-triggered function, which raises the event."""
        text = base64.b64encode(f"{run.name} {number}".encode()).decode()
        await self._account.queues.put(self.queue, text)

    async def row(self, instance_id: str) -> dict[str, Any]:
        """Read the instance's row directly from storage; empty if there is none."""
        try:
            return await self._account.tables.get(f"{self._hub}Instances", instance_id, "") or {}
        except StorageError:
            return {}

    async def row_when(self, instance_id: str, holds: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        """Wait until `holds` is true for the row, and return it."""
        while not holds(row := await self.row(instance_id)):
            await asyncio.sleep(_POLL_SECONDS)
        return row

    async def finish(self, run: Run) -> None:
        """Wait for the end of the orchestration."""
        row = await self.row_when(
            run.name, lambda row: row.get("RuntimeStatus") in ("Completed", "Failed", "Terminated")
        )
        output = row.get("Output")
        run.result = json.loads(output) if output and row["RuntimeStatus"] == "Completed" else f"ended: {output}"


async def sequence(hub: Hub, run: Run) -> None:
    run.expected = [0, 1, 2]
    await hub.start(run, "chain")
    await hub.finish(run)


async def fan_out(hub: Hub, run: Run) -> None:
    run.expected = [0, 1, 2, 3]
    await hub.start(run, "fan")
    await hub.finish(run)


async def timer(hub: Hub, run: Run) -> None:
    run.expected = [True, 0]
    await hub.start(run, "timers")
    await hub.finish(run)


async def entity_calls(hub: Hub, run: Run) -> None:
    run.expected = 2
    await hub.start(run, "calls")
    await hub.finish(run)


async def approvals(hub: Hub, run: Run) -> None:
    """Three successive approvals, each sent once, when the orchestrator waits for it."""
    run.expected = [0, 1, 2]
    await hub.start(run, "approvals")
    for number in range(3):
        waits = json.dumps(f"waits {number}")
        await hub.row_when(run.name, lambda row, waits=waits: row.get("CustomStatus") == waits)
        if not await hub.once(run, f"instances/{run.name}/raiseEvent/Approval", number):
            return
    await hub.finish(run)


async def signals(hub: Hub, run: Run) -> None:
    """Three signals of a client to a separate entity. The value counts only after all runs have ended."""
    run.expected = 3
    for _ in range(3):
        if not await hub.once(run, f"entities/counter/{run.name}?op=add", "1"):
            return
        run.acknowledged = True
        await asyncio.sleep(random.random())
    await hub.row_when(f"@counter@{run.name}", lambda row: entity_value(row) >= 3)


async def collect(hub: Hub, run: Run) -> None:
    """Three tokens through a queue-triggered function, right after the start."""
    run.expected = list(range(TOKENS))
    await hub.start(run, "collect")
    for number in range(TOKENS):
        await hub.put_token(run, number)
    await hub.finish(run)


def entity_value(row: dict[str, Any]) -> int:
    """The counter in an entity's row."""
    state = json.loads(row.get("Input") or "{}").get("state")
    return json.loads(state) if state else 0


KINDS: dict[str, Callable[[Hub, Run], Awaitable[None]]] = {
    "sequence": sequence,
    "fan-out": fan_out,
    "timer": timer,
    "orchestration to entity": entity_calls,
    "approvals in turn": approvals,
    "client signals": signals,
    "collect": collect,
}
