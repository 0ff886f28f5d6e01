"""The order of a commit: history, instance row, messages, deletes; and how it continues after an error.

The table transaction with the history rows decides. Nothing of the episode runs before it, and everything else is
completed after it. If a worker of another backend shares the hub, the official order is used instead, because
such a worker never sends what a commit owes.

Source: docs/protocol/task-hub-storage-additions.md#order-of-a-commit,
    docs/protocol/task-hub-storage-additions.md#owed-work,
    docs/protocol/task-hub-storage-additions.md#other-workers,
    docs/protocol/task-hub-storage-processing.md#official-commit-order
"""

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence, Set
from functools import partial
from typing import Any, NamedTuple

from durable_host.clock import Clock
from durable_host.durable.engine.debt import first_owed, is_in_history_rows
from durable_host.durable.model.events import (
    EventRaised,
    ExecutionResumed,
    ExecutionStarted,
    ExecutionSuspended,
    ExecutionTerminated,
    GenericEvent,
    OrchestrationInstance,
    TaskScheduled,
)
from durable_host.durable.model.messages import TaskMessage
from durable_host.durable.taskhub.azure.consumed import ConsumedMessages
from durable_host.durable.taskhub.azure.deliveries import Deliveries
from durable_host.durable.taskhub.azure.direct_work import DirectWork, request_key, result_key
from durable_host.durable.taskhub.azure.held_hub_message import held_of, pending_puts
from durable_host.durable.taskhub.azure.held_messages import HeldMessages
from durable_host.durable.taskhub.azure.history_store import HistoryConflict, HistoryStore
from durable_host.durable.taskhub.azure.outgoing import Outgoing
from durable_host.durable.taskhub.azure.owed_messages import OwedMessages
from durable_host.durable.taskhub.azure.pending_put import committing, require_none_withdrawn
from durable_host.durable.taskhub.azure.row_writer import RowChanged, RowWriter
from durable_host.durable.taskhub.azure.sender import MessageSender
from durable_host.durable.taskhub.azure.unsettled import (
    AzureCheckpoint,
    Mark,
    TaskKey,
    UnsettledInstance,
    UnsettledInstances,
)
from durable_host.durable.taskhub.port import (
    Checkpoint,
    CommitConflict,
    EpisodeCommit,
    MessageWithdrawn,
    ReceivedMessage,
)

_FROM_OUTSIDE = (
    EventRaised,
    ExecutionResumed,
    ExecutionStarted,
    ExecutionSuspended,
    ExecutionTerminated,
    GenericEvent,
)


class _CommitPlan(NamedTuple):
    """What a commit writes to the sentinel (`columns`), and what it sends.

    `put` are the messages for queues, and `rest` those of them that the history rows do not show. `direct` are the
    activities that need no queue, with the ordinals of their rows. `answered` are the activities whose results the
    commit consumes.
    """

    put: list[TaskMessage]
    rest: list[TaskMessage]
    direct: list[TaskMessage]
    direct_ordinals: Mapping[TaskKey, int]
    answered: Set[TaskKey]
    mark: Mark
    columns: dict[str, str]
    consumed: ConsumedMessages
    consumed_text: str


class Commits:
    """Commits episodes and settles what they owe."""

    def __init__(
        self,
        history: HistoryStore,
        rows: RowWriter,
        sender: MessageSender,
        outgoing: Outgoing,
        held: HeldMessages,
        deliveries: Deliveries,
        direct: DirectWork,
        unsettled: UnsettledInstances,
        messages: OwedMessages,
        clock: Clock,
    ) -> None:
        self._history = history
        self._rows = rows
        self._sender = sender
        self._outgoing = outgoing
        self._held = held
        self._deliveries = deliveries
        self._direct = direct
        self._unsettled = unsettled
        self._messages = messages
        self._clock = clock
        self._running: dict[asyncio.Task[Any], str] = {}

    async def commit(self, episode: EpisodeCommit) -> tuple[Checkpoint, Mapping[tuple[str, str], str]]:
        """Commit an episode. Return the new checkpoint and the blobs of large columns. Raises CommitConflict.

        The commit runs in its own task, so cancelling the caller does not interrupt it.
        """
        task = asyncio.get_running_loop().create_task(self._commit_in_turn(episode))
        self._running[task] = episode.instance_id
        task.add_done_callback(self._ended)
        return await asyncio.shield(task)

    def _ended(self, task: "asyncio.Task[Any]") -> None:
        del self._running[task]
        if not task.cancelled():
            task.exception()

    async def _commit_in_turn(self, episode: EpisodeCommit) -> tuple[Checkpoint, Mapping[tuple[str, str], str]]:
        async with self._unsettled.locked(episode.instance_id) as instance:
            try:
                return await self._commit(instance, episode)
            except MessageWithdrawn:
                self._reload(episode.instance_id)
                raise

    async def _commit(
        self, instance: UnsettledInstance, episode: EpisodeCommit
    ) -> tuple[Checkpoint, Mapping[tuple[str, str], str]]:
        before, puts = episode.checkpoint, pending_puts(episode.consumed)
        if self._deliveries.is_official_order:
            for put in puts:
                await put.decided()
        require_none_withdrawn(puts)
        if not episode.events:
            await self._repair(episode)
            self.discard(episode.consumed)
            return before or Checkpoint(""), {}
        known = before if isinstance(before, AzureCheckpoint) else None
        plan = await self._planned(instance, episode, known)
        try:
            with committing(puts):
                committed = await self._history.commit(
                    episode.instance_id,
                    episode.execution_id,
                    None if before is None else before.etag or None,
                    episode.first_ordinal,
                    episode.events,
                    plan.columns,
                )
        except HistoryConflict:
            self._reload_outdated(episode.instance_id)
            raise CommitConflict(f"Another host committed the history of instance '{episode.instance_id}'.") from None
        instance.checkpoint = checkpoint = self._checkpoint(episode, known, plan, committed.etag)
        self._messages.delete_blob_of(known)
        for key in plan.answered:
            instance.direct_activities.pop(key, None)
        instance.direct_activities.update(plan.direct_ordinals)
        try:
            await self._carry_out(instance, episode, committed.moved, plan.put, plan.direct)
        except Exception:
            instance.debt = plan.mark.debt(plan.rest)
            raise
        return checkpoint, committed.moved

    async def _planned(
        self, instance: UnsettledInstance, episode: EpisodeCommit, known: AzureCheckpoint | None
    ) -> _CommitPlan:
        """Return what to write and to send. In the official order, the messages are sent here."""
        messages = list(episode.outbound)
        if self._deliveries.is_official_order:
            await self._sender.send_all(messages)
            messages = []
        target = OrchestrationInstance(episode.instance_id, episode.execution_id)
        ordinals = {
            event.event_id: episode.first_ordinal + index
            for index, event in enumerate(episode.events)
            if isinstance(event, TaskScheduled)
        }
        put, direct = self._outgoing.split(messages, target, ordinals)
        if known is not None and known.consumed.is_full:
            await self._held.wait_for_deletes()
        consumed = self._add(known.consumed.copy() if known is not None else ConsumedMessages(), episode.consumed)
        answered = _answered(episode)
        rest = [one for one in put if not is_in_history_rows(one, target)]
        mark = self._mark(
            instance, episode, answered, from_rows=bool(direct) or len(rest) < len(put), has_rest=bool(rest)
        )
        columns = mark.changes(known.mark if known is not None else Mark())
        if rest:
            columns["OwedMessages"] = await self._messages.write(episode.instance_id, rest)
        elif known is not None and known.has_messages:
            columns["OwedMessages"] = ""
        text = consumed.text(self._clock.now())
        if text != (known.consumed_text if known is not None else ""):
            columns["Consumed"] = text
        direct_ordinals = {request_key(one): ordinals[one.event.event_id] for one in direct}
        return _CommitPlan(put, rest, direct, direct_ordinals, answered, mark, columns, consumed, text)

    def _checkpoint(
        self, episode: EpisodeCommit, known: AzureCheckpoint | None, plan: _CommitPlan, etag: str
    ) -> AzureCheckpoint:
        # All commits of an instance share the record of `known`: deletes are confirmed to it even after later commits.
        consumed = plan.consumed if known is None else self._add(known.consumed, episode.consumed)
        return AzureCheckpoint(
            etag,
            episode.execution_id,
            consumed,
            consumed_text=plan.consumed_text,
            mark=plan.mark,
            messages=plan.columns.get("OwedMessages", ""),
        )

    def _reload_outdated(self, instance_id: str) -> None:
        """Load an instance again because its known state is outdated: an earlier commit may owe something."""
        self._unsettled.forget(instance_id)
        self._reload(instance_id)

    def _reload(self, instance_id: str) -> None:
        if self._deliveries.serves(instance_id):
            self._deliveries.owed.put_nowait(instance_id)

    async def _repair(self, episode: EpisodeCommit) -> None:
        """Write the row of a loaded history.

        The row is read before the history, so that a change by another host is noticed in one of the two.
        """
        before, row = episode.checkpoint, episode.expected_row
        try:
            if episode.update is not None:
                if await self._history.etag(episode.instance_id) != (before.etag or None if before else None):
                    raise RowChanged
                with committing(pending_puts(episode.consumed)):
                    await self._rows.repair(episode.instance_id, episode.update, row.etag if row else None)
        except RowChanged:
            raise CommitConflict(f"Another host changed the row of instance '{episode.instance_id}'.") from None

    def _mark(
        self,
        instance: UnsettledInstance,
        episode: EpisodeCommit,
        answered: Set[TaskKey],
        *,
        from_rows: bool,
        has_rest: bool,
    ) -> Mark:
        """Return the mark for the sentinel: what is owed after this commit.

        `from_rows` is true when messages follow from its rows, `has_rest` when there are others.
        """
        owed = [instance.first_direct(episode.execution_id, answered)]
        first = first_owed(episode.events) if from_rows else None
        if first is not None:
            owed.append(episode.first_ordinal + first)
        if has_rest or (episode.update is not None and not _is_noticed_without_mark(episode)):
            owed.append(episode.first_ordinal)
        mark = Mark.of(min((row for row in owed if row is not None), default=None))
        if not from_rows and not has_rest:
            return mark
        return mark.by(episode.execution_id, episode.first_ordinal, episode.first_ordinal + len(episode.events))

    def _add(self, consumed: ConsumedMessages, messages: Sequence[ReceivedMessage]) -> ConsumedMessages:
        """Record the messages of a commit that may be delivered again."""
        now = self._clock.now()
        for received in messages:
            message = received.message
            if message.id is not None and held_of(received).queue is not None:
                consumed.add(message.id, now, from_outside=isinstance(message.event, _FROM_OUTSIDE))
        return consumed

    async def _carry_out(
        self,
        instance: UnsettledInstance,
        episode: EpisodeCommit,
        moved: Mapping[tuple[str, str], str],
        put: Sequence[TaskMessage],
        direct: Sequence[TaskMessage],
    ) -> None:
        """Carry out what the commit owes: write the row, send the messages, then delete the consumed messages."""
        if episode.update is not None and instance.checkpoint is not None:
            etag, is_first = instance.checkpoint.etag, episode.checkpoint is None
            await self._rows.write(episode.instance_id, episode.update, moved, history=etag, is_first=is_first)
        await self._outgoing.send(instance.instance_id, put)
        await self._outgoing.begin(instance, direct)
        if instance.checkpoint is not None:
            consumed = instance.checkpoint.consumed
            for message in episode.consumed:
                if message.message.id is not None:
                    held = held_of(message)
                    held.on_deleted = partial(consumed.confirmed, message.message.id)
                    held.on_missing = partial(consumed.unconfirmed, message.message.id)
        self.discard(episode.consumed)
        instance.since = time.monotonic()

    def discard(self, messages: Sequence[ReceivedMessage]) -> None:
        """Delete messages that were consumed or are not needed."""
        for message in messages:
            self._unsettled.forget_activity(self._direct.done(message))
            self._held.delete_later(held_of(message))

    async def settle(self, instance_id: str, messages: Sequence[TaskMessage]) -> None:
        """Carry out what an earlier process owes."""
        async with self._unsettled.locked(instance_id) as instance:
            execution_id = instance.checkpoint.execution_id if instance.checkpoint is not None else None
            target = OrchestrationInstance(instance_id, execution_id)
            put, direct = self._outgoing.split(messages, target)
            first = instance.debt.first_ordinal if instance.debt is not None else 0
            instance.direct_activities.update({request_key(one): first for one in direct})
            await self._outgoing.send(instance_id, put)
            await self._outgoing.begin(instance, direct)
            instance.debt = None
            instance.since = time.monotonic()

    async def drain(self, includes: Callable[[str], bool] = lambda _: True) -> None:
        """Wait until the commits of these instances are done, including everything that follows from them."""
        while running := [task for task, instance_id in self._running.items() if includes(instance_id)]:
            await asyncio.wait(running)
        await self._messages.drain()

    async def wait_until_settled(self, instance_id: str) -> None:
        """Wait until everything that follows from this process's last commit is done."""
        instance = self._unsettled.get(instance_id)
        if instance is not None:
            async with instance.lock:
                pass

    def clear(self) -> None:
        """Forget everything after the worker role has ended."""
        for instance in self._unsettled:
            self._unsettled.forget(instance.instance_id)
        self._direct.clear()


def _answered(episode: EpisodeCommit) -> frozenset[TaskKey]:
    """Return the activities whose results an episode consumed."""
    keys = (result_key(message.message) for message in episode.consumed)
    return frozenset(key for key in keys if key is not None)


def _is_noticed_without_mark(episode: EpisodeCommit) -> bool:
    """True when something other than the mark shows that a row was not written.

    That is a message in its queue, which is delivered again. If an instance ends and no message is on its way, it is
    the row, which the next start of a host finds.
    """
    held, update = [held_of(message) for message in episode.consumed], episode.update
    if any(one.lease is not None for one in held):
        return True
    ends = update is not None and update.runtime_status is not None and update.runtime_status.is_terminal
    return ends and all(one.put is None for one in held)
