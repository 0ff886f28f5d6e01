"""The app of a simulated host: programs and ledgers on the real SDK, in this process."""

import asyncio
import json
from typing import TYPE_CHECKING, Any

import azure.durable_functions as df
from programs import ENTITY, ledger, program

from durable_host.durable.sdk.v1 import V1UserCode
from durable_host.invocation.errors import FunctionFailed, WorkerLost
from durable_host.worker.orchestrations_v1 import OrchestrationSessions

if TYPE_CHECKING:
    from simulated_host import SimulatedHost
    from simulated_world import World

FAILURES_BEFORE_SUCCESS = 2
ACTIVITIES = ("work", "flaky", "brittle", "approve", "decline")
ORCHESTRATOR = df.Orchestrator.create(program)
_ENTITY = df.Entity.create(ledger)


class ProgramApp:
    """Implements `sdk.v1.Calls`."""

    def __init__(self, world: "World", host: "SimulatedHost") -> None:
        self._world = world
        self._host = host
        self._sessions = OrchestrationSessions()
        self._running: set[str] = set()

    def reloaded(self) -> None:
        """A new worker: no live sessions."""
        self._sessions = OrchestrationSessions()

    def code(self) -> V1UserCode:
        return V1UserCode(
            self,  # type: ignore[arg-type]
            orchestrators={"program": "program"},
            activities={name: name for name in ACTIVITIES},
            entities={ENTITY: ENTITY},
        )

    async def orchestrate(
        self, function: str, payload: dict[str, Any], *, key: str, instance_id: str | None
    ) -> dict[str, Any]:
        world, instance = self._world, str(instance_id)
        if instance in self._running:
            world.complain(f"two episodes of {instance} run at once on host {self._host.name}")
        self._running.add(instance)
        try:
            await asyncio.sleep(world.random.choice((0.0, 0.0, 0.001, 0.2)))
            self._lose_worker()
            answer = self._sessions.handle(payload, ORCHESTRATOR)
            self._lose_worker()
            return answer
        finally:
            self._running.discard(instance)

    def forget_session(self, key: str) -> None:
        self._sessions.forget(key)

    async def run_activity(
        self, function: str, trigger: str, *, instance_id: str, task_id: int, trace: Any = None
    ) -> str | None:
        world = self._world
        name = json.loads(trigger)
        world.activity_runs(self._host, function, name, instance_id, task_id)
        await asyncio.sleep(world.random.choice(world.plan.activity_times))
        self._lose_worker()
        self._check()
        number = world.ran[function, name] = world.ran[function, name] + 1
        if function == "flaky" and number <= FAILURES_BEFORE_SUCCESS:
            raise FunctionFailed("ValueError", "not yet", "Traceback")
        if function == "brittle" and name not in world.mended:
            raise FunctionFailed("ValueError", "broken", "Traceback")
        return json.dumps(f"{function} {name} done")

    async def run_entity(self, function: str, trigger: str, *, instance_id: str, trace: Any = None) -> str | None:
        await asyncio.sleep(self._world.random.choice((0.0, 0.001, 0.1)))
        self._lose_worker()

        class Context:
            body = trigger

        answer = _ENTITY(Context())
        self._lose_worker()
        return answer

    def _lose_worker(self) -> None:
        self._check()
        if self._world.loses_worker():
            self._sessions = OrchestrationSessions()
            raise WorkerLost("simulated: the worker ended")

    def _check(self) -> None:
        if self._host.is_dead:
            raise asyncio.CancelledError
