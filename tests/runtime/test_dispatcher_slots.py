"""Slots of a dispatcher: there may be thousands, so they start when there is work for them."""

import asyncio

from durable_host.clock import SystemClock
from durable_host.durable.model.events import EventRaised, OrchestrationInstance
from durable_host.durable.model.messages import TaskMessage
from durable_host.durable.runtime.dispatcher import WorkItemDispatcher
from durable_host.durable.runtime.session import InstanceSession
from durable_host.durable.taskhub.port import ReceivedMessage


class Work:
    """Work items that run until `gate` is set, in `slots`."""

    def __init__(self, slots: int) -> None:
        self.done: list[str] = []
        self.gate = asyncio.Event()
        self.dispatcher = WorkItemDispatcher("orchestration", slots, self._work, lambda session: None, SystemClock())

    async def _work(self, session: InstanceSession, batch: list[ReceivedMessage]) -> float | None:
        await self.gate.wait()
        self.done.append(session.instance_id)
        return None

    def deliver(self, *instance_ids: str) -> None:
        for id in instance_ids:
            message = TaskMessage(EventRaised(name="e"), OrchestrationInstance(id))
            self.dispatcher.deliver(InstanceSession(id), ReceivedMessage("m", message, 1, 0, 0))

    async def until_running(self, count: int) -> None:
        async with asyncio.timeout(30):
            while len(self.dispatcher.running) != count:  # noqa: ASYNC110
                await asyncio.sleep(0)

    async def until_done(self, *instance_ids: str) -> None:
        async with asyncio.timeout(30):
            while sorted(self.done) != [*instance_ids]:  # noqa: ASYNC110
                await asyncio.sleep(0)


def slots() -> set[asyncio.Task[None]]:
    return {task for task in asyncio.all_tasks() if task.get_name().startswith("orchestration slot")}


def cancel(tasks: set[asyncio.Task[None]]) -> None:
    for task in tasks:
        task.cancel()


async def test_slots_start_when_there_is_work_for_them() -> None:
    work = Work(slots=1000)
    async with asyncio.TaskGroup() as group:
        work.dispatcher.start_slots(group)
        assert not slots()
        work.deliver("a", "b")
        await work.until_running(2)
        assert len(slots()) == 2
        work.gate.set()
        await work.until_done("a", "b")
        work.deliver("c", "d")
        await work.until_done("a", "b", "c", "d")
        assert len(slots()) == 2
        cancel(slots())


async def test_no_more_work_items_run_at_once_than_there_are_slots() -> None:
    work = Work(slots=2)
    work.deliver("a", "b", "c")
    async with asyncio.TaskGroup() as group:
        work.dispatcher.start_slots(group)
        work.deliver("d")
        await work.until_running(2)
        assert len(slots()) == 2
        work.gate.set()
        await work.until_done("a", "b", "c", "d")
        cancel(slots())
