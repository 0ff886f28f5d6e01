"""A durable runtime in virtual time on a hub with faults. The code runs in this process, with the real SDK."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

from runtime_world import App, runtime_options

from durable_host.chaos.chaos_hub import SearchableChaosHub
from durable_host.chaos.fault import Fault, FaultKind
from durable_host.chaos.injector import Injector, ScheduledInjector, SeededInjector
from durable_host.chaos.spec import parse_chaos
from durable_host.durable.api import DurableClient
from durable_host.durable.model.instance import InstanceState
from durable_host.durable.runtime.runtime import DurableRuntime
from durable_host.durable.taskhub.port import TaskHubUnavailable
from durable_host.durable.taskhub.sqlite import SqliteTaskHub
from durable_host.testing import VirtualClock
from durable_host.timestamp import TICKS_PER_SECOND

_LONGEST = 30 * 24 * 3600.0


def chaos_app() -> App:
    """An app whose workflows survive all faults, and one (`collect`) that shows how often an event arrives."""
    app = App()
    app.calls = []  # pyright: ignore[reportAttributeAccessIssue]

    @app.activity
    def double(number: int) -> int:
        app.calls.append(number)  # pyright: ignore[reportAttributeAccessIssue]
        return number * 2

    @app.orchestrator
    def chain(context: Any) -> Any:
        results = []
        for number in range(3):
            results.append((yield context.call_activity("double", number)))
        return results

    @app.orchestrator
    def fan_out(context: Any) -> Any:
        return (yield context.task_all([context.call_activity("double", number) for number in range(4)]))

    @app.orchestrator
    def approval(context: Any) -> Any:
        expiry = context.create_timer(context.current_utc_datetime + timedelta(days=3))
        event = context.wait_for_external_event("Approval")
        winner = yield context.task_any([event, expiry])
        if winner is event:
            expiry.cancel()
            return (yield context.call_activity("double", event.result))
        return "expired"

    @app.orchestrator
    def family(context: Any) -> Any:
        first = yield context.call_sub_orchestrator("chain")
        return [first, *(yield context.task_all([context.call_sub_orchestrator("fan_out") for _ in range(2)]))]

    @app.orchestrator
    def collect(context: Any) -> Any:
        deadline = context.current_utc_datetime + timedelta(hours=1)
        seen: list[Any] = []
        while True:
            timer = context.create_timer(deadline)
            event = context.wait_for_external_event("Item")
            if (yield context.task_any([event, timer])) is timer:
                return seen
            timer.cancel()
            seen.append(event.result)

    @app.entity
    def counter(context: Any) -> None:
        value = context.get_state(lambda: 0)
        if context.operation_name == "add":
            value += context.get_input()
        context.set_state(value)
        context.set_result(value)

    @app.orchestrator
    def counting(context: Any) -> Any:
        import azure.durable_functions as df

        entity = df.EntityId("counter", context.instance_id)
        for _ in range(2):
            yield context.call_entity(entity, "add", 1)
        return (yield context.call_entity(entity, "get"))

    return app


class ChaosWorld:
    """One host on a hub with faults. `faults` are those that happened, in order."""

    def __init__(self, app: App, injector: Injector, clock: VirtualClock, faults: list[Fault]) -> None:
        self.app = app
        self.clock = clock
        self.faults = faults
        self.plain = SqliteTaskHub(":memory:", "TestHub", clock)
        self.hub = SearchableChaosHub(self.plain, injector, clock)
        options, code = runtime_options(), app.code()
        self.runtime = DurableRuntime(self.hub, code, options, clock)
        self.client = DurableClient(self.hub, code, options, clock)

    def targets(self, kind: FaultKind) -> list[str]:
        """What faults of this kind happened to."""
        return [fault.target for fault in self.faults if fault.kind == kind]

    @property
    def calls(self) -> list[int]:
        """The inputs of the activities that ran."""
        return self.app.calls  # pyright: ignore[reportAttributeAccessIssue]

    async def start(self, name: str, instance_id: str) -> None:
        await self.again(lambda: self.client.start(name, instance_id=instance_id, input=None))

    async def raise_event(self, instance_id: str, name: str, value: Any) -> None:
        await self.again(lambda: self.client.raise_event(instance_id, name, json.dumps(value)))

    async def again(self, call: Any) -> None:
        """Call, once more after each fault of storage, like a client with retries."""
        while True:
            try:
                await call()
            except TaskHubUnavailable:
                await self.clock.sleep(1)
            except Exception as error:
                if type(error).__name__ not in ("InstanceExists", "InstanceConflict"):
                    raise
                return  # The first call had an effect, but its answer was lost.
            else:
                return

    async def state(self, instance_id: str) -> InstanceState:
        """The state of the instance once it has ended."""
        deadline = self.clock.now() + round(_LONGEST * TICKS_PER_SECOND)
        while True:
            state = await self.plain.get_instance(instance_id)
            assert state is not None
            if state.runtime_status.is_terminal:
                return state
            assert self.clock.now() < deadline, f"{instance_id} is stuck: {[fault.text for fault in self.faults]}"
            await self.clock.sleep(60)

    async def output(self, instance_id: str) -> Any:
        state = await self.state(instance_id)
        assert state.runtime_status.name == "Completed", state
        return json.loads(state.output or "null")

    async def messages(self) -> list[Any]:
        """What is left in the queues."""
        return await self.plain._database.run(
            lambda connection: connection.execute("SELECT kind, instance_id FROM messages").fetchall()
        )


@contextlib.asynccontextmanager
async def chaos_world(
    chaos: str = "", seed: int = 1, *, schedule: list[Fault] | None = None, app: App | None = None
) -> AsyncIterator[ChaosWorld]:
    """A world with the faults of a specification, or with exactly those of a schedule."""
    faults: list[Fault] = []
    injector: Injector = SeededInjector(parse_chaos(chaos), seed, faults.append)
    if schedule is not None:
        injector = ScheduledInjector(schedule, faults.append)
    clock = VirtualClock()
    async with asyncio.timeout(60), clock.auto_advance():
        world = ChaosWorld(app or chaos_app(), injector, clock, faults)
        await world.runtime.start()
        try:
            yield world
        finally:
            await world.runtime.stop(1.0)
            await world.hub.close()
