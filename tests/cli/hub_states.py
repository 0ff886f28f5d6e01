"""Brings instances of an app's hub into the states that tests need, acting as the worker."""

import asyncio
import os
from collections.abc import Awaitable, Callable
from pathlib import Path

from durable_host.bindings.accounts import Accounts
from durable_host.clock import SystemClock
from durable_host.config import load
from durable_host.durable.model.events import (
    ExecutionCompleted,
    ExecutionStarted,
    HistoryEvent,
    OrchestratorCompleted,
    OrchestratorStarted,
    TaskFailed,
    TaskScheduled,
)
from durable_host.durable.model.instance import InstanceUpdate
from durable_host.durable.model.status import OrchestrationStatus
from durable_host.durable.taskhub.port import EpisodeCommit, ReceivedMessage, TaskHub
from durable_host.host.hub_opening import open_hub

clock = SystemClock()


def serve(root: Path, work: Callable[[TaskHub], Awaitable[None]], hub_name: str | None = None) -> None:
    """Do some work on the app's hub as its worker."""

    async def main() -> None:
        config = load(root, environ=os.environ)
        accounts = Accounts(config.settings)
        name = hub_name or config.host.durable.hub_name
        hub = open_hub(config, accounts, name, config.host.durable.storage.connection_name)
        await hub.start()
        try:
            async with asyncio.timeout(60):
                await work(hub)
        finally:
            await hub.stop()
            await hub.close()
            await accounts.close()

    asyncio.run(main())


def first_episodes(status: OrchestrationStatus, *, count: int = 1) -> Callable[[TaskHub], Awaitable[None]]:
    """Receives the starts of `count` instances and commits an episode that leaves them in `status`."""

    async def work(hub: TaskHub) -> None:
        done = 0
        while done < count:
            for message in await hub.next_control_messages():
                if isinstance(message.message.event, ExecutionStarted):
                    await hub.commit(episode(message, status))
                    done += 1

    return work


def episode(received: ReceivedMessage, status: OrchestrationStatus) -> EpisodeCommit:
    start = received.message
    assert isinstance(start.event, ExecutionStarted)
    assert start.target.execution_id is not None
    is_over = status.is_terminal
    now = clock.now()
    steps: list[HistoryEvent] = []
    if status is OrchestrationStatus.Failed:
        steps.append(TaskScheduled(event_id=0, name="Step", input="[1]", timestamp=now))
        steps.append(TaskFailed(task_scheduled_id=0, reason="no", details="none", timestamp=now))
    if is_over:
        steps.append(ExecutionCompleted(event_id=1, orchestration_status=status, result='"over"', timestamp=now))
    events = [
        OrchestratorStarted(timestamp=start.event.timestamp),
        start.event,
        *steps,
        OrchestratorCompleted(timestamp=now),
    ]
    update = InstanceUpdate(
        execution_id=start.target.execution_id,
        last_updated_time=now,
        started=start.event,
        runtime_status=status,
        output='"over"' if is_over else None,
        completed_time=now if is_over else None,
        custom_status='{"stage":1}',
    )
    return EpisodeCommit(
        instance_id=start.target.instance_id,
        execution_id=start.target.execution_id,
        checkpoint=None,
        first_ordinal=0,
        events=events,
        outbound=[],
        update=update,
        consumed=[received],
    )
