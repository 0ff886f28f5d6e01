"""Finds instances that nothing will start: their row is Pending, but no queue holds their start message.

A process that ends between writing the row and sending the message leaves such an instance behind. The runtime reports
them when the host starts. Later, the owner of a partition searches for them when it claims the partition, and every two
minutes, because the client may no longer exist. One that is started again through the owner is checked immediately.
After waiting for the message, it sends it again with the execution of the row and the identity of the first message,
so that a copy is dropped. A start that failed in this process is finished by this process.

Source: docs/protocol/task-hub-storage-additions.md#order-of-a-start
"""

import asyncio
import contextlib
import logging

import msgspec

from durable_host.clock import Clock
from durable_host.durable.model import identity
from durable_host.durable.model.events import ExecutionStarted, OrchestrationInstance
from durable_host.durable.model.instance import InstanceQuery, InstanceState
from durable_host.durable.model.messages import TaskMessage
from durable_host.durable.model.status import OrchestrationStatus
from durable_host.durable.taskhub.azure.deliveries import Deliveries
from durable_host.durable.taskhub.azure.history_store import HistoryStore
from durable_host.durable.taskhub.azure.instance_store import InstanceStore
from durable_host.durable.taskhub.azure.names import HubNames
from durable_host.durable.taskhub.azure.outage import Outage
from durable_host.durable.taskhub.azure.sender import MessageSender
from durable_host.durable.taskhub.paging import all_instances
from durable_host.storage import StorageError
from durable_host.storage.bounded import for_each
from durable_host.timestamp import TICKS_PER_SECOND
from durable_host.waiting import first_of

_log = logging.getLogger("Host.Triggers.DurableTask")
GRACE = 1.0
_SHORTEST_PAUSE = 0.2
_RETRY_SECONDS = 2.0
_PARALLEL = 8
_MAX_EXPECTED = 10_000
_LIST_SECONDS = 120.0
_YOUNG_SECONDS = 30.0
_SOURCE = "instances without a start message"


class PendingStart(msgspec.Struct, frozen=True):
    """An instance whose start message is expected.

    `due` is when the message can be visible, in ticks. With `may_be_queued`, the message counts as missing only after
    its queue was seen empty after `due`; without it, the start failed in this process.
    """

    instance_id: str
    execution_id: str | None
    queue: str
    due: int
    may_be_queued: bool


class PendingStarts:
    """Runs alongside the pollers, and owns the list of instances to check."""

    def __init__(
        self,
        instances: InstanceStore,
        history: HistoryStore,
        sender: MessageSender,
        deliveries: Deliveries,
        clock: Clock,
        outage: Outage,
        names: HubNames,
    ) -> None:
        self._instances = instances
        self._history = history
        self._sender = sender
        self._deliveries = deliveries
        self._clock = clock
        self._outage = outage
        self._names = names
        self._has_begun = False
        self._next_listing = 0
        self._unlisted: set[str] = set()
        self._waiting: dict[str, PendingStart] = {}
        self._wake = asyncio.Event()

    def begin(self) -> None:
        """Start looking for queues claimed from now on. The caller lists the instances of those already served."""
        self._has_begun = True
        self._next_listing = self._time_in(_LIST_SECONDS)
        self._wake.set()

    def claimed(self, queue: str) -> None:
        """Record that this process now serves a control queue."""
        if self._has_begun:
            self._unlisted.add(queue)
            self._wake.set()

    def clear(self) -> None:
        """Forget what was found after the worker role has ended, except starts that failed in this process."""
        self._has_begun = False
        self._unlisted.clear()
        self._waiting = {id: one for id, one in self._waiting.items() if not one.may_be_queued}

    def found(self, state: InstanceState) -> None:
        """Add an instance that is pending, perhaps without a message."""
        due = max(self._clock.now(), state.scheduled_start_time or 0)
        self._add(state.instance_id, state.execution_id, due, may_be_queued=True)

    def expect(self, start: TaskMessage) -> None:
        """Add a start that failed in this process after its row may have been written."""
        if len(self._waiting) < _MAX_EXPECTED:
            self._add(start.target.instance_id, start.target.execution_id, self._clock.now(), may_be_queued=False)

    def committed(self, instance_id: str, execution_id: str | None) -> None:
        """Stop expecting a start that was committed: from now on the history shows that the instance has begun."""
        self._deliveries.starts.forget(instance_id, execution_id)
        one = self._waiting.get(instance_id)
        if one is not None and one.execution_id == execution_id:
            del self._waiting[instance_id]

    async def finish(self) -> None:
        """Send the messages of starts that failed in this process, because it ends and their callers may be gone."""
        expected = [one for one in self._waiting.values() if not one.may_be_queued]
        with contextlib.suppress(StorageError):
            await for_each(expected, self._start, _PARALLEL)

    async def run(self) -> None:
        """List, check and send, until cancelled."""
        while True:
            self._wake.clear()
            pause = await self._pass()
            if not self._wake.is_set():
                time_passes = [] if pause is None else [self._clock.sleep(pause)]
                await first_of(self._wake.wait(), *time_passes)

    async def _pass(self) -> float | None:
        """Run one pass. Return the seconds until the next one, or None when there is nothing to do."""
        try:
            await self._list()
            missing = [one for one in list(self._waiting.values()) if self._is_missing(one)]
            await for_each(missing, self._start, _PARALLEL)
        except StorageError as error:
            if not error.is_outage:  # Outages are reported by the pollers and the partition manager.
                self._outage.failed(_SOURCE, error)
            return _RETRY_SECONDS
        self._outage.recovered(_SOURCE)
        times = [one.due + int(GRACE * TICKS_PER_SECOND) for one in self._waiting.values()]
        if self._has_begun:
            times.append(self._next_listing)
        if not times:
            return None
        return max(_SHORTEST_PAUSE, (min(times) - self._clock.now()) / TICKS_PER_SECOND)

    async def _list(self) -> None:
        """Find the pending instances of newly claimed queues, and from time to time those of all served queues."""
        is_time = self._has_begun and self._clock.now() >= self._next_listing
        queues = frozenset(self._deliveries.owned) if is_time else frozenset(self._unlisted)
        if is_time:
            self._next_listing = self._time_in(_LIST_SECONDS)
        if not queues:
            return
        query = InstanceQuery(
            created_to=None if self._unlisted else self._time_in(-_YOUNG_SECONDS),
            statuses=frozenset({OrchestrationStatus.Pending}),
            exclude_entities=True,
            fetch_input=False,
            fetch_output=False,
            top=1000,
        )
        async for state in all_instances(self._instances.query, query):
            if self._names.queue_of(state.instance_id) in queues:
                self.found(state)
        self._unlisted -= queues

    def _time_in(self, seconds: float) -> int:
        return self._clock.now() + int(seconds * TICKS_PER_SECOND)

    def _add(self, instance_id: str, execution_id: str | None, due: int, *, may_be_queued: bool) -> None:
        known = self._waiting.get(instance_id)
        if known is not None and known.execution_id == execution_id:
            return
        queue = self._names.queue_of(instance_id)
        if not may_be_queued or self._deliveries.serves(instance_id):
            self._waiting[instance_id] = PendingStart(instance_id, execution_id, queue, due, may_be_queued)
            self._wake.set()

    def _is_missing(self, one: PendingStart) -> bool:
        """True when the message should be here but is not. One that arrived or is another worker's is forgotten."""
        is_others = one.may_be_queued and not self._deliveries.serves(one.instance_id)
        if is_others or self._deliveries.starts.knows(one.instance_id, one.execution_id):
            del self._waiting[one.instance_id]
            return False
        if self._clock.now() < one.due + int(GRACE * TICKS_PER_SECOND):
            return False
        return not one.may_be_queued or self._deliveries.starts.was_empty(one.queue) >= one.due

    async def _start(self, one: PendingStart) -> None:
        try:
            message = await self._message(one)
        except StorageError:
            raise
        except Exception as problem:  # For example a lost text: other instances must not wait for this one.
            _log.warning("Instance '%s' has no start message and cannot be started: %s", one.instance_id, problem)
            message = None
        is_expected = self._waiting.get(one.instance_id) is one
        if message is not None and is_expected and not self._deliveries.starts.knows(one.instance_id, one.execution_id):
            _log.info("The start message of instance '%s' is missing and is sent again.", one.instance_id)
            await self._sender.send(message)
        if self._waiting.get(one.instance_id) is one:
            del self._waiting[one.instance_id]

    async def _message(self, one: PendingStart) -> TaskMessage | None:
        """Build the start message from the row. Returns None when the instance has begun, was replaced or has ended."""
        state = await self._instances.get_whole(one.instance_id)
        if (
            state is None
            or state.runtime_status is not OrchestrationStatus.Pending
            or state.execution_id != one.execution_id
            or await self._has_begun_in_history(state)
        ):
            return None
        instance = OrchestrationInstance(state.instance_id, state.execution_id)
        event = ExecutionStarted(
            timestamp=state.created_time,
            orchestration_instance=instance,
            name=state.name,
            version=state.version,
            input=state.input,
            tags=state.tags,
            scheduled_start_time=state.scheduled_start_time,
            generation=state.generation,
        )
        return TaskMessage(event, instance, id=identity.of_start(instance))

    async def _has_begun_in_history(self, state: InstanceState) -> bool:
        """True when the row's execution, or a later generation whose row is not written yet, has a history.

        The history of an execution that was replaced began before the row was created.
        """
        loaded = (await self._history.read(state.instance_id)).history
        started = next((event for event in loaded.events if isinstance(event, ExecutionStarted)), None)
        return started is not None and (
            loaded.execution_id == state.execution_id or started.timestamp >= state.created_time
        )
