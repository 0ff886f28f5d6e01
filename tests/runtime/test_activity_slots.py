"""How activity requests get to their slots."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any, cast

from durable_host.clock import SystemClock
from durable_host.durable.model.events import OrchestrationInstance, TaskScheduled
from durable_host.durable.model.messages import TaskMessage
from durable_host.durable.runtime.activities import ActivityRunner
from durable_host.durable.runtime.diagnostics import Diagnostics
from durable_host.durable.runtime.lost_work import LostWork
from durable_host.durable.runtime.storage_faults import StorageFaults
from durable_host.durable.taskhub.azure.inbox import Inbox
from durable_host.durable.taskhub.port import ReceivedMessage, TaskHub
from durable_host.durable.user_code import ActivityOutcome, UserCode


class World:
    """A hub and code whose activities run until `gate` is set. `seen` is what happened, in order."""

    def __init__(self, slots: int) -> None:
        self.inbox = Inbox()
        self.gate = asyncio.Event()
        self.seen: list[str] = []
        clock, diagnostics = SystemClock(), Diagnostics()
        hub, code = cast("TaskHub", self), cast("UserCode", self)
        self.runner = ActivityRunner(
            hub,
            code,
            clock,
            diagnostics,
            StorageFaults(clock, "hub"),
            LostWork(code, clock, diagnostics),
            slots=slots,
            http=cast("Any", None),
        )

    async def next_activities(self, most: int) -> list[ReceivedMessage]:
        return await self.inbox.take(most)

    async def complete_activity(self, request: ReceivedMessage, result: TaskMessage) -> None:
        pass

    def has_activity(self, name: str) -> bool:
        return True

    async def run_activity(self, name: str, input: str | None, **details: Any) -> ActivityOutcome:
        self.seen.append(name)
        await self.gate.wait()
        return ActivityOutcome(result="null")

    def request(self, *names: str) -> None:
        for number, name in enumerate(names):
            target = OrchestrationInstance("a", "b")
            message = TaskMessage(TaskScheduled(event_id=number, name=name), target, sender=target)
            self.inbox.put(ReceivedMessage(name, message, 1, 0, None))

    @asynccontextmanager
    async def served(self) -> AsyncGenerator[asyncio.Task[None]]:
        """Serve until the end of the body, or until the task is cancelled."""
        async with asyncio.TaskGroup() as group:
            serving = group.create_task(self.runner.serve(group))
            await self.turned()
            yield serving
            serving.cancel()

    async def turned(self) -> None:
        """Let the event loop do everything that it can do now."""
        for _ in range(10):
            await asyncio.sleep(0)


async def test_an_activity_begins_before_later_callbacks_of_the_loop() -> None:
    world = World(slots=2)
    async with world.served():
        world.request("first")
        asyncio.get_running_loop().call_soon(world.seen.append, "other work")
        await world.turned()
        assert world.seen == ["first", "other work"]
        world.gate.set()


async def test_requests_begin_in_their_order_in_as_many_slots_as_there_are() -> None:
    world = World(slots=3)
    async with world.served():
        world.request("1", "2", "3", "4", "5")
        await world.turned()
        assert (world.seen, world.runner.running) == (["1", "2", "3"], 3)
        world.gate.set()
        await world.turned()
        assert (world.seen, world.runner.running) == (["1", "2", "3", "4", "5"], 0)


async def test_after_the_end_of_the_service_requests_stay_in_the_hub_and_running_activities_end() -> None:
    world = World(slots=2)
    async with world.served() as serving:
        world.request("first")
        await world.turned()
        serving.cancel()
        await asyncio.wait((serving,))
        world.request("second")
        await world.turned()
        assert (world.seen, len(world.inbox)) == (["first"], 1)
        world.gate.set()
        async with asyncio.timeout(30):
            await world.runner.drain()
        assert world.runner.running == 0
