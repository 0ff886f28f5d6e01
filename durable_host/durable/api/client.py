"""The client operations of Durable Functions on one task hub.

Source: docs/protocol/task-hub-storage-clients.md#create,
    docs/protocol/task-hub-storage-clients.md#rewind,
    docs/protocol/task-hub-storage-clients.md#purge,
    docs/protocol/durable-http-api.md#starting-an-instance,
    docs/protocol/durable-http-api.md#operations-on-an-instance
"""

import asyncio
import logging
import math
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable

import msgspec

from durable_host.clock import Clock
from durable_host.config.durable import DurableOptions
from durable_host.durable.api.entity_client import EntityClient
from durable_host.durable.api.errors import InstanceEnded, InstanceNotFound, NotFailed, NotTerminal
from durable_host.durable.api.identifiers import can_exist, check_instance_id, unknown_function
from durable_host.durable.api.patience import patiently
from durable_host.durable.api.query_page import query_page
from durable_host.durable.engine.renumbering import with_one_numbering
from durable_host.durable.model import identity
from durable_host.durable.model.events import (
    EventRaised,
    ExecutionResumed,
    ExecutionStarted,
    ExecutionSuspended,
    ExecutionTerminated,
    HistoryEvent,
    OrchestrationInstance,
    TraceContext,
)
from durable_host.durable.model.history_end import is_rewound
from durable_host.durable.model.instance import EndedQuery, InstancePage, InstanceQuery, InstanceState
from durable_host.durable.model.messages import TaskMessage
from durable_host.durable.model.status import TERMINAL_STATUSES, OrchestrationStatus
from durable_host.durable.runtime import tracing
from durable_host.durable.runtime.live_instances import LiveInstances
from durable_host.durable.taskhub.paging import all_instances
from durable_host.durable.taskhub.port import TaskHub
from durable_host.durable.user_code import UserCode
from durable_host.timestamp import TICKS_PER_SECOND
from durable_host.waiting import wait_for_event

_log = logging.getLogger("Host.Triggers.DurableTask")
_PURGED_AT_ONCE = 4
RUNNING_STATUSES = frozenset(OrchestrationStatus) - TERMINAL_STATUSES


class DurableClient:
    """Starts, queries and controls instances. Inputs, outputs and event data are JSON text.

    `user_code` None means a hub of another app, whose functions are not known, so names are not checked. `live` belongs
    to the runtime that serves the hub in this process, if there is one. `is_of_v2` returns whether callers use 2.x.
    """

    def __init__(
        self,
        hub: TaskHub,
        user_code: UserCode | None,
        options: DurableOptions,
        clock: Clock,
        live: LiveInstances | None = None,
        is_of_v2: Callable[[], bool] = lambda: True,
    ) -> None:
        self.hub = hub
        self._is_of_v2 = is_of_v2
        self._code = user_code
        self._options = options
        self._clock = clock
        self._live = live if live is not None else LiveInstances()
        self.entities = EntityClient(hub, user_code, options, clock)

    async def start(
        self,
        name: str,
        *,
        instance_id: str | None = None,
        input: str | None = None,
        version: str | None = None,
        scheduled_start: int | None = None,
        trace: TraceContext | None = None,
        tags: dict[str, str] | None = None,
        replaceable: frozenset[OrchestrationStatus] | None = None,
        is_of_v2: bool | None = None,
    ) -> str:
        """Start an instance and return its ID. Raises `InvalidArgument`, `UnknownFunction`, `InstanceExists`.

        `replaceable` contains the statuses in which an existing instance with this ID may be replaced; None uses
        host.json. `is_of_v2` is true if the input is encoded once, as by clients of the 2.x SDK; None asks the app.
        """
        if self._code is not None and not self._code.has_orchestrator(name):
            raise unknown_function(name, "orchestrator", self._code.orchestrator_names())
        instance_id = instance_id or uuid.uuid4().hex
        check_instance_id(instance_id)
        if is_of_v2 is None:
            is_of_v2 = self._is_of_v2()
        target = OrchestrationInstance(instance_id, identity.new_execution(is_of_v2=is_of_v2))
        event = ExecutionStarted(
            timestamp=self._clock.now(),
            orchestration_instance=target,
            name=name,
            version=version if version is not None else self._options.default_version or None,
            input=input,
            tags=tags,
            parent_trace_context=trace,
            scheduled_start_time=scheduled_start,
            generation=0,
        )
        if replaceable is not None:
            dedupe = frozenset(OrchestrationStatus) - replaceable
        else:
            any_state = self._options.overridable_existing_instance_states.lower() == "anystate"
            dedupe = frozenset[OrchestrationStatus]() if any_state else RUNNING_STATUSES
        await self.hub.create_instance(
            TaskMessage(tracing.created(event), target, id=identity.of_start(target)), dedupe_statuses=dedupe
        )
        self._live.closed(instance_id)
        self._live.changed(instance_id)
        return instance_id

    async def get(
        self, instance_id: str, *, fetch_input: bool = True, fetch_output: bool = True
    ) -> InstanceState | None:
        """Return the committed state, with the time of the last episode even if its row was not written yet."""
        if not can_exist(instance_id):
            return None
        state = await patiently(
            lambda: self.hub.get_instance(instance_id, fetch_input=fetch_input, fetch_output=fetch_output)
        )
        return self._with_live_time(state) if state is not None else None

    async def history(self, instance_id: str) -> list[HistoryEvent]:
        """Return the committed history of the current execution."""
        return with_one_numbering(await patiently(lambda: self.hub.get_history(instance_id))).events

    def ended_pages(self, ended_before: int) -> AsyncIterator[list[str]]:
        """Yield the IDs of orchestrations that ended before this time (ticks), page by page."""
        return self.hub.ended_pages(ended_before)

    async def list_ended(self, query: EndedQuery) -> list[tuple[int, str]]:
        """Return a page of ended orchestrations: when each one ended, and its ID, in this order."""
        return await patiently(lambda: self.hub.list_ended(query))

    async def query(self, query: InstanceQuery) -> InstancePage:
        """Return one page. Raises `InvalidArgument` for a page size below 1 or a token of another hub."""
        page = await patiently(lambda: query_page(self.hub, query))
        return InstancePage([self._with_live_time(state) for state in page.instances], page.continuation_token)

    def query_all(self, query: InstanceQuery) -> AsyncIterator[InstanceState]:
        """Yield all instances of the query, page by page."""
        return all_instances(self.query, query)

    async def raise_event(self, instance_id: str, name: str, data: str | None) -> None:
        """Send an event. Raises `InstanceNotFound`, `InstanceEnded`. `data` is JSON text; None sends `null`."""
        await self.require_unended(instance_id)
        await self.send_event(instance_id, name, data)

    async def require_unended(self, instance_id: str) -> None:
        """Check that the instance accepts events. Raises `InstanceNotFound`, `InstanceEnded`."""
        if not self._live.is_open(instance_id):
            await self._running(instance_id)

    async def send_event(self, instance_id: str, name: str, data: str | None) -> None:
        """Send an event after `require_unended` was called."""
        await self._send(instance_id, EventRaised(timestamp=self._clock.now(), name=name, input=data or "null"))

    async def terminate(self, instance_id: str, reason: str | None, *, recurse: bool = False) -> None:
        """Terminate an instance, and with `recurse` its children. Raises `InstanceNotFound`, `InstanceEnded`."""
        await self._running(instance_id)
        event = ExecutionTerminated(timestamp=self._clock.now(), input=reason, recurse=recurse)
        await self._send(instance_id, event)

    async def suspend(self, instance_id: str, reason: str | None) -> None:
        """Suspend an instance, if it is not suspended already. Raises `InstanceNotFound`, `InstanceEnded`."""
        await self._running(instance_id)
        await self._send(instance_id, ExecutionSuspended(timestamp=self._clock.now(), reason=reason))

    async def resume(self, instance_id: str, reason: str | None) -> None:
        """Resume an instance. It has no effect on a running one. Raises `InstanceNotFound`, `InstanceEnded`.

        The status is not checked, because an earlier suspension may not have reached the instance yet. Messages are
        processed in the order in which they were sent.
        """
        await self._running(instance_id)
        await self._send(instance_id, ExecutionResumed(timestamp=self._clock.now(), reason=reason))

    async def rewind(self, instance_id: str, reason: str | None) -> None:
        """Rewind an instance. Raises `InstanceNotFound`, `NotFailed`. An interrupted rewind can be repeated."""
        status = (await self._existing(instance_id)).runtime_status
        if status is not OrchestrationStatus.Failed and (
            status.is_terminal or not is_rewound(await self.history(instance_id))
        ):
            raise NotFailed(status)
        await self.hub.rewind(instance_id, reason)

    async def restart(self, instance_id: str, *, new_id: str | None = None, version: str | None = None) -> str:
        """Start the same orchestrator with the same input. Returns the ID of the new instance.

        `new_id` None uses a random ID; it may equal `instance_id`. `version` None uses the default version. Raises
        `InstanceNotFound`, `InstanceExists` (the ID is in use and must not be replaced), and the errors of `start`.
        """
        state = await self._existing(instance_id, fetch_input=True)
        is_of_v2 = identity.is_started_by_v2(state.execution_id)
        return await self.start(state.name, instance_id=new_id, input=state.input, version=version, is_of_v2=is_of_v2)

    async def purge(self, instance_id: str) -> bool:
        """Delete an instance that has ended, or an entity. Returns False if it does not exist. Raises `NotTerminal`.

        As in Azure, that is possible even if a stopped host has not sent its result to the parent yet.
        """
        state = await self.get(instance_id, fetch_input=False, fetch_output=False)
        if state is None:
            return False
        if not state.runtime_status.is_terminal and not instance_id.startswith("@"):
            raise NotTerminal(instance_id, state.runtime_status)
        found = await self.hub.purge_instance(instance_id)
        self._live.removed(instance_id)
        return found

    async def purge_ended(self, instance_id: str, ended_before: int, pause: Callable[[], Awaitable[None]]) -> bool:
        """Delete an instance as `TaskHub.purge_ended` does."""
        purged = await self.hub.purge_ended(instance_id, ended_before, pause)
        if purged:
            self._live.removed(instance_id)
        return purged

    async def purge_by(
        self,
        created_from: int,
        created_to: int | None = None,
        statuses: frozenset[OrchestrationStatus] = frozenset(),
    ) -> int:
        """Delete the ended instances of a time range and return their number.

        Statuses that are not terminal select nothing; an empty set selects every terminal status. If an instance cannot
        be deleted, a warning is logged; if a whole batch cannot be deleted, the first error is raised.
        """
        wanted = statuses & TERMINAL_STATUSES if statuses else TERMINAL_STATUSES
        if not wanted:
            return 0
        query = InstanceQuery(
            created_from=created_from,
            created_to=created_to if created_to is not None else self._clock.now(),
            statuses=wanted,
            fetch_input=False,
            fetch_output=False,
        )
        found = [state.instance_id async for state in self.query_all(query)]
        purged = 0
        for start in range(0, len(found), _PURGED_AT_ONCE):
            batch = found[start : start + _PURGED_AT_ONCE]
            outcomes = await asyncio.gather(*(self.hub.purge_instance(one) for one in batch), return_exceptions=True)
            for one in batch:
                self._live.removed(one)
            failures = [
                (one, outcome)
                for one, outcome in zip(batch, outcomes, strict=True)
                if isinstance(outcome, BaseException)
            ]
            if len(failures) == len(batch):
                raise failures[0][1]
            for instance_id, failure in failures:
                _log.warning("The instance '%s' was not purged: %s", instance_id, failure)
            purged += sum(outcome is True for outcome in outcomes)
        return purged

    async def wait_for_completion(
        self, instance_id: str, timeout: float | None, interval: float
    ) -> InstanceState | None:
        """Wait until the instance ends, for at most `timeout` seconds (None: forever). Returns its state then, or None
        when it does not exist.

        An instance that ends in this process is noticed at once. Otherwise the state is polled every `interval`
        seconds.
        """
        deadline = self._clock.now() + round(timeout * TICKS_PER_SECOND) if timeout is not None else None
        with self._live.watch(instance_id) as ended:
            while True:
                state = await self.get(instance_id)
                remaining = (deadline - self._clock.now()) / TICKS_PER_SECOND if deadline is not None else math.inf
                if remaining <= 0 or (state is not None and state.runtime_status.is_terminal):
                    return state
                if await wait_for_event(ended, self._clock, min(max(interval, 0.01), remaining)):
                    ended.clear()

    async def wait_until_started(self, instance_id: str, interval: float) -> None:
        """Wait until the instance exists and is no longer pending. Polls like `wait_for_completion`."""
        with self._live.watch(instance_id, start=True) as started:
            while not self._live.is_open(instance_id):
                state = await self.get(instance_id, fetch_input=False, fetch_output=False)
                if state is not None and state.runtime_status is not OrchestrationStatus.Pending:
                    return
                if await wait_for_event(started, self._clock, interval):
                    started.clear()

    def _with_live_time(self, state: InstanceState) -> InstanceState:
        updated = self._live.last_updated(state.instance_id)
        if updated is None or updated <= state.last_updated_time:
            return state
        return msgspec.structs.replace(state, last_updated_time=updated)

    async def _existing(self, instance_id: str, *, fetch_input: bool = False) -> InstanceState:
        state = await self.get(instance_id, fetch_input=fetch_input, fetch_output=False)
        if state is None:
            raise InstanceNotFound(instance_id)
        return state

    async def _running(self, instance_id: str) -> None:
        state = await self._existing(instance_id)
        if state.runtime_status.is_terminal:
            raise InstanceEnded(instance_id, state.runtime_status)

    async def _send(self, instance_id: str, event: HistoryEvent) -> None:
        await self.hub.send(TaskMessage(event, OrchestrationInstance(instance_id), id=identity.new()))
