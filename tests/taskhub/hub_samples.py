"""Messages, events and commits for the conformance tests."""

import asyncio
import uuid
from collections.abc import Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

from leaping_clock import LeapingClock

from durable_host.durable.model import identity
from durable_host.durable.model.events import (
    EventRaised,
    ExecutionCompleted,
    ExecutionStarted,
    HistoryEvent,
    OrchestrationInstance,
    OrchestratorCompleted,
    OrchestratorStarted,
    TaskCompleted,
    TaskScheduled,
    TimerFired,
)
from durable_host.durable.model.instance import InstanceState, InstanceUpdate
from durable_host.durable.model.messages import TaskMessage
from durable_host.durable.model.status import OrchestrationStatus
from durable_host.durable.taskhub.port import Checkpoint, EpisodeCommit, ReceivedMessage, TaskHub
from durable_host.timestamp import TICKS_PER_SECOND

NON_RUNNING = frozenset(
    {
        OrchestrationStatus.Running,
        OrchestrationStatus.ContinuedAsNew,
        OrchestrationStatus.Pending,
        OrchestrationStatus.Suspended,
    }
)
ANY_STATE: frozenset[OrchestrationStatus] = frozenset()
TIME_LIMIT = 30.0

clock = LeapingClock()
"""Also that of SQLite hubs. Storage services have a clock of their own, so it does not leap in their tests."""

HubOpener = Callable[..., Awaitable[TaskHub]]


def new_id() -> str:
    return uuid.uuid4().hex


def later(seconds: float) -> int:
    return clock.now() + int(seconds * TICKS_PER_SECOND)


def start_message(instance_id: str, *, input: str | None = '"Tokyo"', name: str = "Hello", **more: Any) -> TaskMessage:
    instance = OrchestrationInstance(instance_id, new_id())
    event = ExecutionStarted(
        orchestration_instance=instance, name=name, version="", input=input, timestamp=clock.now(), **more
    )
    return TaskMessage(event, instance, id=identity.new())


def raised(instance_id: str, name: str = "Approval", input: str | None = "true", **more: Any) -> TaskMessage:
    event = EventRaised(name=name, input=input, timestamp=clock.now())
    return TaskMessage(event, OrchestrationInstance(instance_id), **{"id": identity.new(), **more})


def timer(instance: OrchestrationInstance, timer_id: int, fire_at: int) -> TaskMessage:
    event = TimerFired(timer_id=timer_id, fire_at=fire_at, timestamp=clock.now())
    return TaskMessage(event, instance, sender=instance, episode=1, id=identity.new())


def activity(instance: OrchestrationInstance, task_id: int = 0, input: str = '["Tokyo"]') -> TaskMessage:
    event = TaskScheduled(event_id=task_id, name="SayHello", input=input, timestamp=clock.now())
    return TaskMessage(event, instance, sender=instance, episode=1, tags={}, id=identity.new())


def activity_result(instance: OrchestrationInstance, task_id: int = 0, result: str = '"Hello"') -> TaskMessage:
    event = TaskCompleted(task_scheduled_id=task_id, result=result, timestamp=clock.now())
    return TaskMessage(event, instance, sender=instance, episode=1, id=identity.new())


async def create(hub: TaskHub, instance_id: str, **more: Any) -> InstanceState:
    return await hub.create_instance(start_message(instance_id, **more), dedupe_statuses=NON_RUNNING)


async def pause(seconds: float) -> None:
    """Before storage is looked at again. In real time, which `clock` would leave behind."""
    await asyncio.sleep(seconds)


@asynccontextmanager
async def time_limit(seconds: float = TIME_LIMIT):
    async with asyncio.timeout(seconds):
        yield


async def receive(hub: TaskHub, count: int) -> list[ReceivedMessage]:
    """Exactly `count` control messages, in the order they came."""
    received: list[ReceivedMessage] = []
    async with time_limit():
        while len(received) < count:
            received += await hub.next_control_messages()
    assert len(received) == count
    return received


async def receive_activity(hub: TaskHub) -> ReceivedMessage:
    async with time_limit():
        (request,) = await hub.next_activities(1)
    return request


async def nothing_more(hub: TaskHub, instance_id: str) -> None:
    """Asserts that no message of `instance_id` is ready: one sent now is the next to come."""
    mark = f"mark-{new_id()}"
    await hub.send(raised(instance_id, mark))
    (message,) = await receive(hub, 1)
    assert message.message.event.name == mark
    await hub.discard([message])


def first_episode(start: TaskMessage, *more: HistoryEvent) -> list[HistoryEvent]:
    return [
        OrchestratorStarted(timestamp=clock.now()),
        start.event,
        *more,
        OrchestratorCompleted(timestamp=clock.now()),
    ]


def commit_of(
    start: TaskMessage,
    events: Sequence[HistoryEvent],
    consumed: Sequence[ReceivedMessage] = (),
    *,
    checkpoint: Checkpoint | None = None,
    first_ordinal: int = 0,
    outbound: Sequence[TaskMessage] = (),
    replaced: str | None = None,
    **update: Any,
) -> EpisodeCommit:
    execution_id = start.target.execution_id
    assert execution_id is not None
    started = next((event for event in events if isinstance(event, ExecutionStarted)), None)
    return EpisodeCommit(
        instance_id=start.target.instance_id,
        execution_id=execution_id,
        checkpoint=checkpoint,
        first_ordinal=first_ordinal,
        events=events,
        outbound=outbound,
        update=InstanceUpdate(
            execution_id=execution_id, last_updated_time=events[-1].timestamp, started=started, **update
        ),
        consumed=consumed,
        replaced_execution_id=replaced,
    )


async def run_first_episode(
    hub: TaskHub, instance_id: str, *events: HistoryEvent, outbound: Sequence[TaskMessage] = (), **more: Any
) -> tuple[TaskMessage, Checkpoint]:
    """Create an instance and commit its first episode; gives its start message and the checkpoint."""
    await create(hub, instance_id, **more)
    (received,) = await receive(hub, 1)
    start = received.message
    checkpoint = await hub.commit(commit_of(start, first_episode(start, *events), [received], outbound=outbound))
    return start, checkpoint


async def complete(
    hub: TaskHub,
    instance_id: str,
    status: OrchestrationStatus = OrchestrationStatus.Completed,
    output: str | None = '"done"',
) -> TaskMessage:
    """Create an instance and let it end in its first episode."""
    await create(hub, instance_id)
    (received,) = await receive(hub, 1)
    start = received.message
    ending = ExecutionCompleted(event_id=0, orchestration_status=status, result=output, timestamp=clock.now())
    await hub.commit(
        commit_of(
            start,
            first_episode(start, ending),
            [received],
            runtime_status=status,
            output=output,
            completed_time=clock.now(),
            custom_status="null",
        )
    )
    return start
