"""`AzureTaskHub`: the port `TaskHub` on Azure Storage."""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence

from durable_host.clock import Clock, SystemClock
from durable_host.durable.model.events import HistoryEvent
from durable_host.durable.model.instance import EndedQuery, InstancePage, InstanceQuery, InstanceState
from durable_host.durable.model.messages import TaskMessage
from durable_host.durable.model.status import TERMINAL_STATUSES, OrchestrationStatus
from durable_host.durable.taskhub.azure.assembly import assembled
from durable_host.durable.taskhub.azure.held_hub_message import held_of
from durable_host.durable.taskhub.azure.options import AzureTaskHubOptions
from durable_host.durable.taskhub.azure.unavailable import storage_errors_as_unavailable
from durable_host.durable.taskhub.azure.unsettled import AzureCheckpoint
from durable_host.durable.taskhub.inspection import HubMessage, HubPartition, HubQueue
from durable_host.durable.taskhub.paging import all_pages, ended_instances
from durable_host.durable.taskhub.port import Checkpoint, EpisodeCommit, LoadedHistory, ReceivedMessage
from durable_host.storage import StorageAccount, StorageError

_log = logging.getLogger("Host.Triggers.DurableTask")
_CLOSE_PATIENCE = 2.0
_PAGE = 1000


class AzureTaskHub:
    """A hub with its queues in `account` and its tables and blobs in `tracking` (default: the same account).

    On the development account idle queues are polled at least every 2 s, which costs nothing there. The accounts belong
    to the caller and stay open after `close`. `machine` is the clock for leases, which other hosts see; it differs from
    `clock` only where a test sets the time forward.
    """

    def __init__(
        self,
        account: StorageAccount,
        tracking: StorageAccount | None = None,
        options: AzureTaskHubOptions | None = None,
        clock: Clock | None = None,
        machine: Clock | None = None,
    ) -> None:
        options = options or AzureTaskHubOptions()
        clock = clock or SystemClock()
        parts = assembled(account, tracking or account, options, clock, machine or clock)
        self._warns_of_blob_managers = not options.use_table_partition_management
        self.connection_setting = parts.setting
        self._name = parts.names.hub
        self._names = parts.names
        self._partitions = parts.partitions
        self._healing = parts.healing
        self._aside = parts.aside
        self._history = parts.history
        self._instances = parts.instances
        self._resources = parts.resources
        self._rewinder = parts.rewinder
        self._blobs = parts.blobs
        self._sender = parts.sender
        self._client_sender = parts.client_sender
        self._direct = parts.direct
        self._releaser = parts.releaser
        self._marks = parts.marks
        self._commits = parts.commits
        self._new_instances = parts.new_instances
        self._pending_starts = parts.pending_starts
        self._worker = parts.worker
        self._creator = parts.creator
        self._unsettled = parts.unsettled
        self._purger = parts.purger

    @property
    def name(self) -> str:
        return self._name

    @property
    def owned_partitions(self) -> frozenset[str]:
        """The control queues that this process serves."""
        return frozenset(self._worker.deliveries.owned)

    async def lose_partition(self, queue: str) -> None:
        """Stop serving a control queue at once, as if its lease was lost. The next pass acquires it again."""
        await self._worker.lose_partition(queue)

    # Life cycle

    @storage_errors_as_unavailable
    async def create(self) -> None:
        await self._resources.create()

    @storage_errors_as_unavailable
    async def delete(self) -> None:
        self._healing.end()
        await self._resources.delete()

    @storage_errors_as_unavailable
    async def exists(self) -> bool:
        try:
            await self._instances.query(InstanceQuery(top=1, fetch_input=False, fetch_output=False))
        except StorageError as error:
            if error.is_missing_resource:
                return False
            raise
        return True

    async def start(self) -> None:
        if self._warns_of_blob_managers:
            _log.warning(
                "useTablePartitionManagement is false, but this host shares task hub '%s' only through the "
                "Partitions table: do not run hosts that use blob leases (extension 2.x) on this hub at the same time.",
                self._name,
            )
        await self.create()
        self._healing.begin()
        await self._worker.start()

    @storage_errors_as_unavailable
    async def works_alone(self) -> bool:
        """True on the development account, while this process serves all partitions and nobody requests one."""
        return await self._worker.works_alone()

    async def stop(self) -> None:
        await self._worker.stop()
        await self._blobs.drain()

    async def close(self) -> None:
        await self._creator.drain(_CLOSE_PATIENCE)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_CLOSE_PATIENCE):
                await self._pending_starts.finish()
        await self._worker.held.drain(_CLOSE_PATIENCE)

    # Client role

    @storage_errors_as_unavailable
    async def create_instance(
        self, start: TaskMessage, *, dedupe_statuses: frozenset[OrchestrationStatus]
    ) -> InstanceState:
        return await self._creator.create(start, dedupe_statuses)

    @storage_errors_as_unavailable
    async def send(self, message: TaskMessage) -> None:
        await self._client_sender.send(message)

    @storage_errors_as_unavailable
    async def get_instance(
        self, instance_id: str, *, fetch_input: bool = True, fetch_output: bool = True
    ) -> InstanceState | None:
        return await self._instances.get(instance_id, fetch_input=fetch_input, fetch_output=fetch_output)

    @storage_errors_as_unavailable
    async def query_instances(self, query: InstanceQuery) -> InstancePage:
        return await self._instances.query(query)

    @storage_errors_as_unavailable
    async def partitions(self) -> list[HubPartition]:
        owned = self._worker.deliveries.owned
        rows = sorted(await self._partitions.read(), key=lambda row: row.queue)
        return [
            HubPartition(queue=row.queue, owner=row.current_owner, is_own=row.queue in owned, expires=row.expires_at)
            for row in rows
        ]

    async def queues(self) -> list[HubQueue]:
        control = [
            HubQueue(name=name, role="control", partition=number)
            for number, name in enumerate(self._names.control_queues)
        ]
        return [*control, HubQueue(name=self._names.work_items, role="workItem")]

    async def peek(self, queue: str, count: int) -> list[HubMessage]:
        """Returns nothing, because the queues are in a storage account."""
        return []

    async def list_ended(self, query: EndedQuery) -> list[tuple[int, str]]:
        return await ended_instances(self.query_instances, query)

    @storage_errors_as_unavailable
    async def get_history(self, instance_id: str) -> list[HistoryEvent]:
        return (await self._history.read(instance_id)).history.events

    @storage_errors_as_unavailable
    async def purge_instance(self, instance_id: str) -> bool:
        if await self._instances.get_row(instance_id, ("PartitionKey",)) is None:
            return False
        await self._commits.wait_until_settled(instance_id)
        self._forget(instance_id)
        await self._purger.purge(instance_id)
        return True

    async def ended_pages(self, ended_before: int) -> AsyncIterator[list[str]]:
        """Yield pages in the order of the IDs, which is the only one of the table."""
        wanted = InstanceQuery(
            statuses=TERMINAL_STATUSES,
            ended_before=ended_before,
            exclude_entities=True,
            fetch_input=False,
            fetch_output=False,
            top=_PAGE,
        )
        async for page in all_pages(self.query_instances, wanted):
            yield [one.instance_id for one in page.instances if one.ended_time < ended_before]

    @storage_errors_as_unavailable
    async def purge_ended(self, instance_id: str, ended_before: int, pause: Callable[[], Awaitable[None]]) -> bool:
        unsettled = self._unsettled.get(instance_id)
        if unsettled is not None and unsettled.owes:
            return False
        self._forget(instance_id)
        return await self._purger.purge_ended(instance_id, ended_before, pause)

    def _forget(self, instance_id: str) -> None:
        self._new_instances.forget(instance_id)
        self._unsettled.forget(instance_id)
        self._blobs.forget(instance_id)

    @storage_errors_as_unavailable
    async def rewind(self, instance_id: str, reason: str | None) -> None:
        for message in await self._rewinder.rewind(instance_id, reason):
            await self._sender.send(message)

    @storage_errors_as_unavailable
    async def set_aside(self) -> dict[str, int]:
        return await self._aside.counts()

    # Worker role

    async def next_control_messages(self) -> list[ReceivedMessage]:
        return await self._worker.deliveries.control.take_all()

    async def next_activities(self, most: int) -> list[ReceivedMessage]:
        return await self._worker.deliveries.activities.take(most)

    @storage_errors_as_unavailable
    async def load_history(self, instance_id: str) -> LoadedHistory:
        if self._new_instances.take(instance_id):
            return LoadedHistory([], None, None)
        await self._commits.wait_until_settled(instance_id)
        rows = await self._history.load(instance_id)
        loaded = rows.history
        self._blobs.loaded(instance_id, loaded.execution_id, rows.blobs)
        if loaded.checkpoint is None:
            self._worker.owed.settled(instance_id)
            return loaded
        served_since = self._worker.deliveries.served_since(instance_id)
        checkpoint = AzureCheckpoint.loaded(
            loaded.checkpoint.etag, loaded.execution_id, rows.columns, served_since=served_since
        )
        debt = await self._marks.debt(instance_id, checkpoint, rows.columns)
        if debt is None:
            self._worker.owed.settled(instance_id)
        return LoadedHistory(loaded.events, loaded.execution_id, checkpoint, debt)

    @storage_errors_as_unavailable
    async def commit(self, episode: EpisodeCommit) -> Checkpoint:
        instance_id = episode.instance_id
        self._new_instances.take(instance_id)
        if self._worker.deliveries.running:
            for message in episode.outbound:
                self._new_instances.add_child(message)
        checkpoint, moved = await self._commits.commit(episode)
        self._pending_starts.committed(instance_id, episode.replaced_execution_id or episode.execution_id)
        keep_inputs = episode.update is None or episode.update.started is None or episode.update.started.input is None
        self._blobs.committed(
            instance_id,
            episode.execution_id,
            moved.values(),
            replaced=episode.replaced_execution_id,
            keep_inputs=keep_inputs,
        )
        return checkpoint

    async def next_owed(self) -> list[str]:
        return [await self._worker.owed.next()]

    async def owed_listed(self) -> None:
        await self._worker.owed.all_listed()

    @storage_errors_as_unavailable
    async def settle(self, instance_id: str, checkpoint: Checkpoint, messages: Sequence[TaskMessage]) -> None:
        await self._commits.settle(instance_id, messages)
        self._worker.owed.settled(instance_id)

    async def touch_instance(self, instance_id: str, last_updated_time: int) -> None:
        try:
            await self._instances.touch(instance_id, last_updated_time)
        except StorageError:
            return

    @storage_errors_as_unavailable
    async def complete_activity(self, request: ReceivedMessage, result: TaskMessage) -> None:
        deliveries = self._worker.deliveries
        is_direct = deliveries.is_alone or held_of(request).queue is None
        if is_direct and deliveries.serves(result.target.instance_id):
            self._direct.answer(request, result)
            return
        await self._sender.send(result)
        self._commits.discard([request])

    async def discard(self, messages: Sequence[ReceivedMessage]) -> None:
        self._commits.discard(messages)

    async def abandon(self, messages: Sequence[ReceivedMessage], *, delay: float | None = None) -> None:
        await self._releaser.abandon(messages, delay)

    async def recall(self, instance_id: str) -> list[ReceivedMessage]:
        return self._worker.deliveries.recall(instance_id)

    async def withdraw_timers(self, instance_id: str, execution_id: str, timer_ids: Iterable[int]) -> None:
        for timer_id in timer_ids:
            self._worker.deliveries.timers.withdraw((instance_id, execution_id, timer_id))

    async def restore_timer(self, message: TaskMessage) -> None:
        self._worker.deliveries.timers.restore(message)

    async def hasten_timer(self, message: TaskMessage) -> bool:
        deliveries = self._worker.deliveries
        return deliveries.serves(message.target.instance_id) and deliveries.timers.hasten(message)

    async def restore_start(self, instance: InstanceState) -> None:
        self._pending_starts.found(instance)
