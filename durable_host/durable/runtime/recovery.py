"""What a start finds in the hub: instances in flight, and timers that storage may have lost or may withhold."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from functools import partial
from typing import TypeVar

from durable_host.durable.model.events import OrchestrationInstance, TimerCreated, TimerFired
from durable_host.durable.model.instance import InstanceQuery
from durable_host.durable.model.messages import TaskMessage
from durable_host.durable.model.status import TERMINAL_STATUSES, OrchestrationStatus
from durable_host.durable.runtime.session import open_timers
from durable_host.durable.runtime.storage_faults import StorageFaults
from durable_host.durable.taskhub.port import TaskHub, TaskHubUnavailable, UnreadableHistory

_log = logging.getLogger("Host.Triggers.DurableTask")

T = TypeVar("T")

_IN_FLIGHT = frozenset(OrchestrationStatus) - TERMINAL_STATUSES


class Recovery:
    """Runs once, in the background, after the worker role has begun."""

    def __init__(self, hub: TaskHub, faults: StorageFaults) -> None:
        self._hub = hub
        self._faults = faults
        self._found: list[str] = []
        self._listed = asyncio.Event()

    async def in_flight(self) -> int:
        """Number of orchestrations that had not ended at the start; waits until they are counted."""
        await self._listed.wait()
        return len(self._found)

    async def run(self) -> None:
        self._found = await self._patiently(self._list)
        self._listed.set()
        for instance_id in self._found:
            await self._patiently(partial(self._restore_timers, instance_id))

    async def _list(self) -> list[str]:
        found: list[str] = []
        token: str | None = None
        while True:
            page = await self._hub.query_instances(
                InstanceQuery(
                    statuses=_IN_FLIGHT,
                    exclude_entities=True,
                    fetch_input=False,
                    fetch_output=False,
                    top=1000,
                    continuation_token=token,
                )
            )
            found.extend(one.instance_id for one in page.instances)
            token = page.continuation_token
            if token is None:
                return found

    async def _restore_timers(self, instance_id: str) -> None:
        try:
            loaded = await self._hub.load_history(instance_id)
        except UnreadableHistory as error:
            _log.warning("%s", error, extra={"instance_id": instance_id})
            return
        instance = OrchestrationInstance(instance_id, loaded.execution_id)
        waiting = open_timers(loaded.events)
        for event in loaded.events:
            if isinstance(event, TimerCreated) and event.event_id in waiting:
                fired = TimerFired(timestamp=event.timestamp, timer_id=event.event_id, fire_at=event.fire_at)
                await self._hub.restore_timer(TaskMessage(fired, instance, instance))

    async def _patiently(self, step: Callable[[], Awaitable[T]]) -> T:
        failures = 0
        while True:
            try:
                result = await step()
            except TaskHubUnavailable as error:
                failures += 1
                await self._faults.wait(failures, error)
            else:
                if failures:
                    self._faults.worked()
                return result
