"""Recovers instances in flight when the host starts: restores starts and timers that storage may have lost."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from functools import partial
from typing import TypeVar

from durable_host.durable.engine.renumbering import with_one_numbering
from durable_host.durable.model.events import (
    ExecutionStarted,
    OrchestrationInstance,
    TimerCreated,
    TimerFired,
)
from durable_host.durable.model.history_end import has_ended, is_rewound
from durable_host.durable.model.instance import InstanceQuery, InstanceState
from durable_host.durable.model.messages import TaskMessage
from durable_host.durable.model.status import TERMINAL_STATUSES, OrchestrationStatus
from durable_host.durable.runtime.session import open_timers
from durable_host.durable.runtime.storage_faults import MAX_REFUSALS, StorageFaults
from durable_host.durable.taskhub.paging import all_instances
from durable_host.durable.taskhub.port import TaskHub, TaskHubRefused, TaskHubUnavailable, UnreadableHistory

_log = logging.getLogger("Host.Triggers.DurableTask")

_SOURCE = "recovery"
T = TypeVar("T")

_IN_FLIGHT = frozenset(OrchestrationStatus) - TERMINAL_STATUSES


class Recovery:
    """Runs once in the background after the worker role has started. `wake` loads an instance, which repairs it."""

    def __init__(self, hub: TaskHub, faults: StorageFaults, wake: Callable[[str], None]) -> None:
        self._hub = hub
        self._faults = faults
        self._wake = wake
        self._found: list[InstanceState] = []
        self._listed = asyncio.Event()
        self._checked = asyncio.Event()

    async def in_flight(self) -> int:
        """Return the number of orchestrations that had not ended at the start. Waits until they are counted."""
        await self._listed.wait()
        return len(self._found)

    async def checked(self) -> None:
        """Wait until all instances have been checked once, or until storage did not respond."""
        await self._checked.wait()

    async def run(self) -> None:
        try:
            await self._run()
        finally:
            self._checked.set()

    async def _run(self) -> None:
        self._found = await self._patiently(self._list)
        self._listed.set()
        for instance in self._found:
            if instance.runtime_status is OrchestrationStatus.Pending:
                await self._hub.restore_start(instance)
        for instance in self._found:
            try:
                await self._patiently(partial(self._restore, instance))
            except TaskHubRefused as error:
                _log.warning(
                    "The timers of instance '%s' were not checked: %s",
                    instance.instance_id,
                    error,
                    extra={"instance_id": instance.instance_id},
                )

    async def _list(self) -> list[InstanceState]:
        query = InstanceQuery(
            statuses=_IN_FLIGHT, exclude_entities=True, fetch_input=False, fetch_output=False, top=1000
        )
        return [state async for state in all_instances(self._hub.query_instances, query)]

    async def _restore(self, found: InstanceState) -> None:
        """Restore the timers of an instance, and its wake-up if the host crashed while rewinding it."""
        instance_id = found.instance_id
        try:
            events = await self._hub.get_history(instance_id)
        except UnreadableHistory as error:
            _log.warning("%s", error, extra={"instance_id": instance_id})
            return
        if is_rewound(events):
            await self._hub.rewind(instance_id, None)
        started = next((event for event in events if isinstance(event, ExecutionStarted)), None)
        if started is None:
            return
        if has_ended(events) or found.runtime_status is OrchestrationStatus.Pending:
            self._wake(instance_id)  # The host crashed before it wrote the row.
        instance = OrchestrationInstance(instance_id, started.orchestration_instance.execution_id)
        seen = with_one_numbering(events)
        waiting = open_timers(seen.events)
        for index, event in enumerate(seen.events):
            if isinstance(event, TimerCreated) and event.event_id in waiting:
                number = seen.older.get(index, event.event_id)
                fired = TimerFired(timestamp=event.timestamp, timer_id=number, fire_at=event.fire_at)
                await self._hub.restore_timer(TaskMessage(fired, instance, instance))

    async def _patiently(self, step: Callable[[], Awaitable[T]]) -> T:
        failures = 0
        while True:
            try:
                result = await step()
            except TaskHubUnavailable as error:
                failures += 1
                self._checked.set()
                if isinstance(error, TaskHubRefused) and failures >= MAX_REFUSALS:
                    self._faults.forget(_SOURCE)
                    raise
                await self._faults.wait(_SOURCE, failures, error)
            else:
                if failures:
                    self._faults.recovered(_SOURCE)
                return result
