"""The order of a commit: history, instance row, messages, deletes; and what is left of it when something fails.

The table transaction that holds the history rows decides: nothing of the episode runs before, everything else follows
from it and is done for as long as it takes. A mark on the sentinel (`Owed`) tells a later process what this one did not
come to. Where a worker of another make shares the hub, the order is the official one, since such a worker never sends
what a commit owes. Source: spec/task-hub-storage.md, section 8.6.
"""

import asyncio
import contextlib
import logging
import time
import uuid
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

import msgspec

from durable_host.clock import Clock
from durable_host.durable.engine.debt import first_owed, is_told
from durable_host.durable.engine.undeliverable import failure_of
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
from durable_host.durable.taskhub.azure import envelope
from durable_host.durable.taskhub.azure.bounded import for_each
from durable_host.durable.taskhub.azure.consumed import ConsumedMessages
from durable_host.durable.taskhub.azure.deliveries import Deliveries, held_of
from durable_host.durable.taskhub.azure.direct_work import DirectWork, request_key, result_key
from durable_host.durable.taskhub.azure.envelope import UnreadableMessage
from durable_host.durable.taskhub.azure.held import HeldMessages, Stage
from durable_host.durable.taskhub.azure.history_store import HistoryConflict, HistoryStore
from durable_host.durable.taskhub.azure.large_payloads import LargePayloads, UnreadablePayload
from durable_host.durable.taskhub.azure.outage import Outage
from durable_host.durable.taskhub.azure.row_writer import RowWriter
from durable_host.durable.taskhub.azure.sender import Sender
from durable_host.durable.taskhub.azure.standing import AzureCheckpoint, Mark, Standing, Standings, TaskKey
from durable_host.durable.taskhub.azure.unavailable import is_about_data
from durable_host.durable.taskhub.port import Checkpoint, CommitConflict, Debt, EpisodeCommit, ReceivedMessage
from durable_host.storage import StorageError

_log = logging.getLogger("Host.Triggers.DurableTask")

QUIET_SECONDS = 2.0
_RETRY_SECONDS = 0.5
_LONGEST_RETRY = 10.0
_MOST_REFUSALS = 4
_PARALLEL = 8
_LONGEST_COLUMN = 30_000
_IN_BLOB = "blob:"
_FROM_OUTSIDE = (
    EventRaised,
    ExecutionResumed,
    ExecutionStarted,
    ExecutionSuspended,
    ExecutionTerminated,
    GenericEvent,
)


class Commits:
    """Commits episodes and settles what they owe. `abandon` gives messages back."""

    def __init__(
        self,
        history: HistoryStore,
        rows: RowWriter,
        sender: Sender,
        held: HeldMessages,
        deliveries: Deliveries,
        direct: DirectWork,
        payloads: LargePayloads,
        outage: Outage,
        clock: Clock,
        abandon: Callable[[Sequence[ReceivedMessage]], Awaitable[None]],
    ) -> None:
        self._history = history
        self._rows = rows
        self._sender = sender
        self._held = held
        self._deliveries = deliveries
        self._direct = direct
        self._payloads = payloads
        self._outage = outage
        self._clock = clock
        self._abandon = abandon
        self._standings = Standings()
        self._running: dict[asyncio.Task[Any], str] = {}

    async def commit(self, episode: EpisodeCommit) -> tuple[Checkpoint, Mapping[tuple[str, str], str]]:
        """The new checkpoint, and the blobs of large columns. Raises CommitConflict.

        It is done in a task of its own: who stops waiting stops nothing of it.
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
        standing = self._standings.of(episode.instance_id)
        try:
            async with standing.lock:
                return await self._commit(standing, episode)
        finally:
            self._standings.release(standing)

    async def _commit(
        self, standing: Standing, episode: EpisodeCommit
    ) -> tuple[Checkpoint, Mapping[tuple[str, str], str]]:
        messages = list(episode.outbound)
        if self._deliveries.is_official_order:
            await self._sender.send_all(messages)
            messages = []
        before = episode.checkpoint
        known = before if isinstance(before, AzureCheckpoint) else None
        instance = OrchestrationInstance(episode.instance_id, episode.execution_id)
        ordinals = {
            event.event_id: episode.first_ordinal + index
            for index, event in enumerate(episode.events)
            if isinstance(event, TaskScheduled)
        }
        direct = [one for one in messages if one.event.event_id in ordinals and self._goes_directly(one, instance)]
        put = [one for one in messages if one not in direct] if direct else messages
        if not episode.events:
            await self._follow(standing, episode, {}, put, direct)
            return before or Checkpoint(""), {}
        consumed = await self._consumed(known, episode.consumed)
        answered = self._answered(episode)
        new_in_hand = {request_key(one): ordinals[one.event.event_id] for one in direct}
        still = [
            ordinal
            for key, ordinal in standing.in_hand.items()
            if key not in answered and key[1] == episode.execution_id
        ]
        told = [one for one in put if is_told(one, instance)]
        rest = [one for one in put if not is_told(one, instance)]
        first = first_owed(episode.events) if told or direct else None
        if first is not None:
            still.append(episode.first_ordinal + first)
        if rest or (episode.update is not None and not self._has_token(episode)):
            still.append(episode.first_ordinal)
        mark = Mark.of(min(still, default=None))
        if told or direct or rest:
            mark = mark.by(episode.execution_id, episode.first_ordinal, episode.first_ordinal + len(episode.events))
        columns = await self._columns(known, episode.instance_id, mark, rest, consumed)
        try:
            committed = await self._history.commit(
                episode.instance_id,
                episode.execution_id,
                None if before is None else before.etag or None,
                episode.first_ordinal,
                episode.events,
                columns,
            )
        except HistoryConflict:
            self._standings.forget(episode.instance_id)
            await self._abandon(episode.consumed)
            raise CommitConflict(f"Another host committed the history of instance '{episode.instance_id}'.") from None
        checkpoint = AzureCheckpoint(
            committed.etag,
            episode.execution_id,
            consumed,
            consumed_text=columns.get("Consumed", known.consumed_text if known else ""),
            mark=mark,
            has_messages=bool(rest),
        )
        standing.checkpoint = checkpoint
        for key in answered:
            standing.in_hand.pop(key, None)
        standing.in_hand.update(new_in_hand)
        await self._follow(standing, episode, committed.moved, put, direct)
        return checkpoint, committed.moved

    def _goes_directly(self, message: TaskMessage, instance: OrchestrationInstance) -> bool:
        return message.is_activity and self._deliveries.is_alone and message.sender == instance

    def _answered(self, episode: EpisodeCommit) -> set[TaskKey]:
        keys = (result_key(message.message) for message in episode.consumed)
        return {key for key in keys if key is not None}

    def _has_token(self, episode: EpisodeCommit) -> bool:
        """Whether something else than the mark tells of a row that was not written: a message that comes back, or for
        an instance that began or ended, its row.
        """
        update = episode.update
        if update is not None and update.runtime_status is not None and update.runtime_status.is_terminal:
            return True
        return any(held_of(message).queue is not None for message in episode.consumed)

    async def _consumed(self, known: AzureCheckpoint | None, consumed: Sequence[ReceivedMessage]) -> ConsumedMessages:
        """What the sentinel says after this commit of the messages that were consumed."""
        if known is not None and known.consumed.is_full:
            await self._held.deleted()
        messages = known.consumed.copy() if known is not None else ConsumedMessages.read(None)
        now = self._clock.now()
        for received in consumed:
            message = received.message
            if message.id is not None and held_of(received).queue is not None:
                messages.add(message.id, now, from_outside=isinstance(message.event, _FROM_OUTSIDE))
        return messages

    async def _columns(
        self,
        known: AzureCheckpoint | None,
        instance_id: str,
        mark: Mark,
        rest: Sequence[TaskMessage],
        consumed: ConsumedMessages,
    ) -> dict[str, str]:
        """Our columns of the sentinel that change."""
        columns = mark.changes(known.mark if known is not None else Mark())
        if rest:
            columns["OwedMessages"] = await self._write_messages(instance_id, rest)
        elif known is not None and known.has_messages:
            columns["OwedMessages"] = ""
        text = consumed.text(self._clock.now())
        if text != (known.consumed_text if known is not None else ""):
            columns["Consumed"] = text
        return columns

    async def _write_messages(self, instance_id: str, messages: Sequence[TaskMessage]) -> str:
        texts = [envelope.encode(message, number) for number, message in enumerate(messages)]
        text = msgspec.json.encode(texts).decode()
        if len(text) <= _LONGEST_COLUMN:
            return text
        name = f"{instance_id}/owed-{uuid.uuid4().hex}.json.gz"
        await self._payloads.put(name, text)
        return _IN_BLOB + name

    # What follows from a commit

    async def _follow(
        self,
        standing: Standing,
        episode: EpisodeCommit,
        moved: Mapping[tuple[str, str], str],
        put: Sequence[TaskMessage],
        direct: Sequence[TaskMessage],
    ) -> None:
        """Do what the commit owes: the row, the messages; then the consumed messages can go."""
        if episode.update is not None:
            await self._rows.write(episode.instance_id, episode.update, moved)
        await self._send(standing, put)
        await self._begin(standing, direct)
        self.discard(episode.consumed)
        standing.since = time.monotonic()

    async def _send(self, standing: Standing, messages: Sequence[TaskMessage]) -> None:
        """Put messages, for as long as an outage takes. One that is refused is answered in its receiver's place."""
        source, tries = f"messages of '{standing.instance_id}'", 0
        left = list(messages)
        refusals: Counter[int] = Counter()
        try:
            while left:
                failed = await self._sender.send_what_goes(left)
                if not failed:
                    if tries:
                        self._outage.recovered(source)
                    return
                tries += 1
                self._outage.failed(source, failed[0][1])
                left.clear()
                for message, error in failed:
                    refusals[id(message)] += is_about_data(error)
                    if refusals[id(message)] < _MOST_REFUSALS:
                        left.append(message)
                    elif (reply := self._refused(message, error)) is not None:
                        left.append(reply)
                await asyncio.sleep(min(_RETRY_SECONDS * 2 ** min(tries - 1, 6), _LONGEST_RETRY))
        finally:
            self._outage.forget(source)

    def _refused(self, message: TaskMessage, error: StorageError) -> TaskMessage | None:
        _log.error(
            "A message (%s) of instance '%s' for '%s' is refused and is not sent: %s",
            message.event.event_name,
            message.sender.instance_id,
            message.target.instance_id,
            error,
            extra={"instance_id": message.sender.instance_id},
        )
        return failure_of(message, f"It could not be stored: {error}", now=self._clock.now())

    async def _begin(self, standing: Standing, direct: Sequence[TaskMessage]) -> None:
        if not direct:
            return
        if self._deliveries.is_alone:
            for message in direct:
                self._direct.begin(message)
            return
        for message in direct:
            standing.in_hand.pop(request_key(message), None)
        await self._send(standing, direct)

    def discard(self, messages: Sequence[ReceivedMessage]) -> None:
        """Delete messages that were consumed or are of no use."""
        for message in messages:
            key = self._direct.done(message)
            standing = self._standings.get(message.message.target.instance_id)
            if key is not None and standing is not None:
                standing.in_hand.pop(key, None)
            held = held_of(message)
            if standing is not None and standing.checkpoint is not None and message.message.id is not None:
                held.on_deleted = _confirmation(standing.checkpoint.consumed, message.message.id)
            self._held.delete_later(held)

    # What an earlier process, or a load, finds

    async def debt(self, instance_id: str, checkpoint: AzureCheckpoint, columns: Mapping[str, str]) -> Debt | None:
        """What the sentinel that was just loaded says that is owed, beyond what is in the hands of this process."""
        standing = self._standings.get(instance_id)
        known = standing.checkpoint if standing is not None else None
        if standing is not None and known is not None and known.etag == checkpoint.etag:
            checkpoint.consumed = known.consumed
            standing.checkpoint = checkpoint
            return standing.debt
        self._standings.forget(instance_id)
        if not checkpoint.is_marked:
            return None
        messages = await self._read_messages(columns.get("OwedMessages", ""))
        standing = self._standings.of(instance_id)
        standing.checkpoint = checkpoint
        standing.debt = checkpoint.mark.debt(messages)
        return standing.debt

    async def _read_messages(self, text: str) -> list[TaskMessage]:
        try:
            if text.startswith(_IN_BLOB):
                text = await self._payloads.get(text.removeprefix(_IN_BLOB))
            texts = msgspec.json.decode(text, type=list[str]) if text else []
            read = [envelope.from_text(one).message for one in texts]
        except (msgspec.MsgspecError, UnreadableMessage, UnreadablePayload) as problem:
            _log.error("What a commit owes cannot be read: %s", problem)
            return []
        return [message for message in read if message is not None]

    async def settled(self, instance_id: str) -> None:
        """Wait until what follows from the last commit of this process is done."""
        standing = self._standings.get(instance_id)
        if standing is not None:
            async with standing.lock:
                pass

    async def settle(self, instance_id: str, messages: Sequence[TaskMessage]) -> None:
        """Do what an earlier process owes."""
        standing = self._standings.of(instance_id)
        async with standing.lock:
            execution_id = standing.checkpoint.execution_id if standing.checkpoint is not None else None
            instance = OrchestrationInstance(instance_id, execution_id)
            direct = [one for one in messages if self._goes_directly(one, instance)]
            first = standing.debt.first_ordinal if standing.debt is not None else 0
            standing.in_hand.update({request_key(one): first for one in direct})
            await self._send(standing, [one for one in messages if one not in direct])
            await self._begin(standing, direct)
            standing.debt = None
            standing.since = time.monotonic()
        self._standings.release(standing)

    def knows_standing(self, instance_id: str) -> bool:
        """Whether this process itself owes what the sentinel says."""
        standing = self._standings.get(instance_id)
        return standing is not None and standing.debt is None

    def forget(self, instance_id: str) -> None:
        """The instance was purged."""
        self._standings.forget(instance_id)

    # Marks

    async def clear_quiet_marks(self) -> None:
        """Forever: bring marks up to date that say too much, when no commit came that would have."""
        while True:
            await asyncio.sleep(QUIET_SECONDS / 2)
            limit = time.monotonic() - QUIET_SECONDS
            quiet = [one for one in self._standings if one.since <= limit and one.is_quiet]
            with contextlib.suppress(StorageError):
                await for_each(quiet, self._clear_mark, _PARALLEL)

    async def clear_marks(self, of: Callable[[str], bool]) -> None:
        """Take away the marks of settled instances that `of` names; before a partition goes to another worker."""
        await for_each([one for one in self._standings if of(one.instance_id)], self._clear_mark, _PARALLEL)

    async def _clear_mark(self, standing: Standing) -> None:
        async with standing.lock:
            checkpoint = standing.checkpoint
            if checkpoint is not None and standing.debt is None:
                open_rows = [row for key, row in standing.in_hand.items() if key[1] == checkpoint.execution_id]
                mark = Mark.of(min(open_rows, default=None))
                columns = mark.changes(checkpoint.mark) | ({"OwedMessages": ""} if checkpoint.has_messages else {})
                if columns and await self._has_written(standing, checkpoint, columns):
                    checkpoint.mark, checkpoint.has_messages = mark, False
        self._standings.release(standing)

    async def _has_written(self, standing: Standing, checkpoint: AzureCheckpoint, columns: Mapping[str, str]) -> bool:
        try:
            checkpoint.etag = await self._history.update_sentinel(
                standing.instance_id, checkpoint.execution_id, checkpoint.etag, columns
            )
        except HistoryConflict:
            self._standings.forget(standing.instance_id)
            return False
        return True

    # Leaving

    async def drain(self, of: Callable[[str], bool] = lambda _: True) -> None:
        """Wait until the commits of these instances are done, with all that follows from them."""
        while running := [task for task, instance_id in self._running.items() if of(instance_id)]:
            await asyncio.wait(running)

    async def spill_requests(self, of: Callable[[str], bool] = lambda _: True, *, is_end: bool = False) -> None:
        """Put activities that wait or run and lie in no queue into the queue of activities.

        Those that run stay in the hands of this process, but at the end of it: then all can be seen by others at once.
        """

        def is_meant(message: TaskMessage) -> bool:
            return of(message.target.instance_id)

        async def request(received: ReceivedMessage) -> None:
            message, held = received.message, held_of(received)
            waits = self._deliveries.activities.remove_where(lambda one: held_of(one) is held)
            runs = not waits and not is_end
            sent = await self._sender.put(message, hidden=self._held.first_hold if runs else 0.0)
            if runs and held.stage is Stage.HELD:
                held.queue, held.id, held.receipt = sent.queue, sent.put.id, sent.put.pop_receipt
                held.hidden_until = time.monotonic() + self._held.first_hold
                self._held.take(held)
            self._out_of_hand(message.target.instance_id, request_key(message))

        await for_each(self._direct.take_requests(is_meant), request, _PARALLEL)

    async def spill_results(self, of: Callable[[str], bool] = lambda _: True) -> None:
        """Put results that lie in no queue and that no commit has consumed into the queues of their instances."""

        async def result(received: ReceivedMessage) -> None:
            message = received.message
            self._deliveries.control.remove_where(lambda one: one.id == received.id)
            await self._sender.put(message, hidden=0.0)
            self._held.delete_later(held_of(received))
            self._out_of_hand(message.target.instance_id, result_key(message))

        await for_each(self._direct.take_results(lambda message: of(message.target.instance_id)), result, _PARALLEL)

    async def spill(self, message: ReceivedMessage) -> None:
        """Put one message that lies in no queue, and that this process does not deliver again, into its queue."""
        key = self._direct.done(message)
        if key is not None:
            self._out_of_hand(message.message.target.instance_id, key)
            await self._sender.put(message.message, hidden=0.0)

    def _out_of_hand(self, instance_id: str, key: TaskKey | None) -> None:
        standing = self._standings.get(instance_id)
        if standing is not None and key is not None:
            standing.in_hand.pop(key, None)

    def clear(self) -> None:
        """The worker role has ended: forget everything."""
        for standing in self._standings:
            self._standings.forget(standing.instance_id)
        self._direct.clear()


def _confirmation(consumed: ConsumedMessages, id: str) -> Callable[[], None]:
    return lambda: consumed.confirmed(id)
