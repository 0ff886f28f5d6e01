"""Runs instances to their end through faults and crashes, in virtual time."""

import asyncio
import json
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

from faulty_hub import NO_FAULTS, Faults, FaultyHub
from simulated_app import SimulatedApp

from durable_host.config.durable import DurableOptions
from durable_host.durable.api import DurableClient
from durable_host.durable.model.instance import InstanceState
from durable_host.durable.model.status import OrchestrationStatus
from durable_host.durable.runtime.runtime import DurableRuntime
from durable_host.durable.taskhub.sqlite import SqliteTaskHub
from durable_host.testing import VirtualClock
from durable_host.timestamp import TICKS_PER_SECOND

LOOK_EVERY = 5.0
LONGEST = 24 * 3600.0
REAL_TIME_LIMIT = 90.0
STRAGGLERS_GONE_AFTER = 12 * 3600.0
"""Longer than any timer: one whose withdrawal was lost fires and is discarded."""


@dataclass
class Host:
    hub: SqliteTaskHub
    faulty: FaultyHub
    runtime: DurableRuntime
    client: DurableClient


class Simulation:
    """One seed: `crashes` ends of the process, each after a random number of storage operations."""

    def __init__(self, path: Path, seed: int, faults: Faults, crashes: int) -> None:
        self.clock = VirtualClock()
        self.random = Random(seed)
        self.app = SimulatedApp(self.clock, faults, self.random)
        self._path = path
        self._faults = faults
        self._crashes_left = crashes
        self.crashed = 0

    async def run(self, instances: dict[str, tuple[str, Any]], approved: set[str]) -> dict[str, InstanceState]:
        """Start (name, input) of each id; raise the approvals; give the final states."""
        async with asyncio.timeout(REAL_TIME_LIMIT), self.clock.auto_advance():
            host = await self._start_host()
            unsent = set(approved)
            for instance_id, (name, value) in instances.items():
                await host.client.start(name, instance_id=instance_id, input=json.dumps(json.dumps(value)))
            deadline = self.clock.now() + round(LONGEST * TICKS_PER_SECOND)
            states: dict[str, InstanceState] = {}
            while True:
                if host.faulty.crashed.is_set():
                    self.crashed += 1
                    host = await self._restart(host)
                for one in instances:
                    if one not in states or not states[one].runtime_status.is_terminal:
                        states[one] = await self._state(host, one)
                for instance_id in sorted(unsent):
                    if states[instance_id].runtime_status is OrchestrationStatus.Running:
                        await host.client.raise_event(instance_id, "Approval", "true")
                        unsent.discard(instance_id)
                if all(state.runtime_status.is_terminal for state in states.values()):
                    break
                assert self.clock.now() < deadline, _stuck(states)
                await self.clock.sleep(LOOK_EVERY)
            states = {one: await self._state(host, one) for one in instances}
            await self._settle(host)
            return states

    async def _settle(self, host: Host) -> None:
        """Stop all faults. The remaining messages must then be processed."""
        host = await self._restart(host, faults=NO_FAULTS)
        await self.clock.sleep(STRAGGLERS_GONE_AFTER)
        self.left_behind: list[tuple[Any, ...]] = await host.hub._database.run(
            lambda connection: connection.execute("SELECT kind, instance_id, state FROM messages").fetchall()
        )
        await host.runtime.stop()
        await host.hub.close()

    async def _start_host(self, faults: Faults | None = None) -> Host:
        hub = SqliteTaskHub(self._path, "Simulated", self.clock, inline=True)
        crash_after = self.random.randint(1, 150) if self._crashes_left > 0 and faults is None else None
        faulty = FaultyHub(hub, self._faults if faults is None else faults, self.random, crash_after)
        options = DurableOptions(
            hub_name="Simulated",
            max_concurrent_activity_functions=5,
            max_concurrent_orchestrator_functions=5,
            max_concurrent_entity_functions=5,
        )
        code = self.app.code()
        runtime = DurableRuntime(faulty, code, options, self.clock)  # pyright: ignore[reportArgumentType]
        await runtime.start()
        return Host(hub, faulty, runtime, DurableClient(hub, code, options, self.clock))

    async def _restart(self, host: Host, faults: Faults | None = None) -> Host:
        """End the process at any point, and start another one."""
        main, host.runtime._main = host.runtime._main, None
        assert main is not None
        main.cancel()
        await asyncio.gather(main, return_exceptions=True)
        await host.hub.close()
        self._crashes_left -= 1
        self.app.restarted()
        return await self._start_host(faults)

    async def _state(self, host: Host, instance_id: str) -> InstanceState:
        state = await host.hub.get_instance(instance_id)
        assert state is not None
        return state


def _stuck(states: dict[str, InstanceState]) -> str:
    open_ones = [f"{one} ({state.runtime_status.name})" for one, state in states.items()
                 if not state.runtime_status.is_terminal]  # fmt: skip
    return f"stuck: {', '.join(open_ones)}"
