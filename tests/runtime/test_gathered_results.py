"""Code that replays its history in each turn gets the results of a fan-out in few turns, and anything else at once."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from durable_host.clock import SystemClock
from durable_host.durable.engine.state import OrchestrationState
from durable_host.durable.model.events import (
    EventRaised,
    ExecutionStarted,
    HistoryEvent,
    OrchestrationInstance,
    OrchestratorStarted,
    SubOrchestrationInstanceCompleted,
    SubOrchestrationInstanceCreated,
    TaskCompleted,
    TaskFailed,
    TaskScheduled,
)
from durable_host.durable.model.messages import TaskMessage
from durable_host.durable.runtime import gathering
from durable_host.durable.runtime.dispatcher import WorkItemDispatcher
from durable_host.durable.runtime.gathering import Gathering
from durable_host.durable.runtime.session import InstanceSession
from durable_host.durable.taskhub.port import ReceivedMessage

INSTANCE = OrchestrationInstance("i", "e")
PATIENCE = 30.0


def state_with(*calls: HistoryEvent) -> OrchestrationState:
    return OrchestrationState.from_history(
        "i", [OrchestratorStarted(), ExecutionStarted(orchestration_instance=INSTANCE, name="one"), *calls]
    )


def activities(count: int) -> list[HistoryEvent]:
    return [TaskScheduled(event_id=number, name="act") for number in range(count)]


def received(event: HistoryEvent) -> ReceivedMessage:
    return ReceivedMessage("m", TaskMessage(event, INSTANCE), 1, 0, 0)


class Turns:
    """A dispatcher whose work records the batches. `deliver` sends one message to the only instance."""

    def __init__(self, state: OrchestrationState | None, group: asyncio.TaskGroup, *, gathers: bool = True) -> None:
        self.session = InstanceSession("i")
        self.session.state = state
        self.batches: list[int] = []
        self.gate = asyncio.Event()
        self.gate.set()
        self.dispatcher = WorkItemDispatcher(
            "orchestration", 1, self.work, lambda session: None, SystemClock(), gathers=gathers
        )
        self.dispatcher.start_slots(group)

    async def work(self, session: InstanceSession, batch: list[ReceivedMessage]) -> float | None:
        self.batches.append(len(batch))
        await self.gate.wait()
        return None

    def deliver(self, *events: HistoryEvent) -> None:
        for event in events:
            self.dispatcher.deliver(self.session, received(event))

    async def until_begun(self, *batches: int) -> None:
        async with asyncio.timeout(PATIENCE):
            while tuple(self.batches) != batches:  # noqa: ASYNC110
                await asyncio.sleep(0.001)

    async def until(self, *batches: int) -> None:
        await self.until_begun(*batches)
        async with asyncio.timeout(PATIENCE):
            while self.dispatcher.running:  # noqa: ASYNC110
                await asyncio.sleep(0.001)


@pytest.fixture
async def group() -> AsyncIterator[asyncio.TaskGroup]:
    """Cancels its tasks at the end."""
    opened: asyncio.Future[asyncio.TaskGroup] = asyncio.get_running_loop().create_future()

    async def hold() -> None:
        async with asyncio.TaskGroup() as group:
            opened.set_result(group)
            await asyncio.Event().wait()

    holder = asyncio.create_task(hold())
    yield await opened
    holder.cancel()
    await asyncio.gather(holder, return_exceptions=True)


@pytest.fixture
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing but what arrives ends the wait."""
    monkeypatch.setattr(gathering, "WAIT_PER_EVENT", PATIENCE)
    monkeypatch.setattr(gathering, "PAUSE_PER_EVENT", PATIENCE)
    monkeypatch.setattr(gathering, "LONGEST_WAIT", 10 * PATIENCE)


@pytest.mark.usefixtures("patient")
async def test_results_wait_until_all_that_are_expected_have_come(group: asyncio.TaskGroup) -> None:
    child = SubOrchestrationInstanceCreated(event_id=2, name="child", instance_id="c")
    turns = Turns(state_with(*activities(2), child), group)
    turns.deliver(TaskCompleted(task_scheduled_id=1), TaskFailed(task_scheduled_id=0))
    assert not turns.session.is_scheduled
    turns.deliver(SubOrchestrationInstanceCompleted(task_scheduled_id=2))
    await turns.until(3)


@pytest.mark.usefixtures("patient")
@pytest.mark.parametrize("is_first", [True, False], ids=["before a result", "after a result"])
async def test_any_other_message_begins_the_turn(group: asyncio.TaskGroup, is_first: bool) -> None:
    turns = Turns(state_with(*activities(3)), group)
    events = [EventRaised(name="E"), TaskCompleted(task_scheduled_id=1)]
    turns.deliver(*(events if is_first else reversed(events)))
    assert turns.session.is_scheduled
    await turns.until(2)


@pytest.mark.usefixtures("patient")
@pytest.mark.parametrize(
    ("state", "gathers"),
    [(state_with(*activities(1)), True), (None, True), (state_with(*activities(3)), False)],
    ids=["nothing else is expected", "the state is not in memory", "the code is kept alive between turns"],
)
async def test_a_result_begins_the_turn(
    group: asyncio.TaskGroup, state: OrchestrationState | None, gathers: bool
) -> None:
    turns = Turns(state, group, gathers=gathers)
    turns.deliver(TaskCompleted(task_scheduled_id=0))
    assert turns.session.is_scheduled
    await turns.until(1)


@pytest.mark.usefixtures("patient")
async def test_results_that_come_during_a_turn_wait_for_the_others_after_it(group: asyncio.TaskGroup) -> None:
    turns = Turns(state_with(*activities(3)), group)
    turns.gate.clear()
    turns.deliver(EventRaised(name="E"))
    await turns.until_begun(1)
    turns.deliver(TaskCompleted(task_scheduled_id=0), TaskCompleted(task_scheduled_id=1))
    turns.gate.set()
    await turns.until(1)
    assert not turns.session.is_scheduled
    turns.deliver(TaskCompleted(task_scheduled_id=2))
    await turns.until(1, 3)


async def test_results_do_not_wait_long_for_those_that_do_not_come(group: asyncio.TaskGroup) -> None:
    turns = Turns(state_with(*activities(3)), group)
    turns.deliver(TaskCompleted(task_scheduled_id=0))
    await turns.until(1)
    turns.deliver(TaskCompleted(task_scheduled_id=1))
    await turns.until(1, 1)


def test_each_result_prolongs_the_wait_up_to_a_limit() -> None:
    gathered = Gathering(expected=1000, history_length=1000, now=0.0)
    mailbox = [received(TaskCompleted(task_scheduled_id=0))]
    assert gathered.due == pytest.approx(0.02)
    times = {}
    for now in (0.01, 0.1, 0.19, 0.21):
        assert gathered.keeps_waiting(mailbox, now)
        times[now] = gathered.due
    assert times == pytest.approx({0.01: 0.03, 0.1: 0.12, 0.19: 0.2, 0.21: 0.2})


def test_the_wait_has_a_limit_for_long_histories() -> None:
    gathered = Gathering(expected=1000, history_length=1_000_000, now=0.0)
    gathered.keeps_waiting([received(TaskCompleted(task_scheduled_id=0))], 0.99)
    assert gathered.due == gathering.LONGEST_WAIT
