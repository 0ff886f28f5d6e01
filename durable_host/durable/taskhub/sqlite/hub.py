"""`SqliteTaskHub`: the port `TaskHub` on one SQLite file."""

import asyncio
from collections import deque
from collections.abc import Iterable, Sequence
from functools import partial
from pathlib import Path
from sqlite3 import Connection
from typing import Literal

import msgspec

from durable_host.clock import Clock, SystemClock
from durable_host.durable.model.events import ExecutionStarted, HistoryEvent
from durable_host.durable.model.instance import InstancePage, InstanceQuery, InstanceState
from durable_host.durable.model.messages import TaskMessage
from durable_host.durable.model.status import OrchestrationStatus
from durable_host.durable.model.timestamp import TICKS_PER_SECOND
from durable_host.durable.taskhub.port import (
    Checkpoint,
    CommitConflict,
    EpisodeCommit,
    InstanceExists,
    LoadedHistory,
    ReceivedMessage,
    TaskHubRefused,
)
from durable_host.durable.taskhub.sqlite import history, instances, messages, schema
from durable_host.durable.taskhub.sqlite.database import UNUSABLE, Database
from durable_host.durable.taskhub.sqlite.direct_results import DirectResults
from durable_host.durable.taskhub.sqlite.rewind import rewind
from durable_host.durable.taskhub.sqlite.wakeup import Signal
from durable_host.durable.taskhub.sqlite.worker_lock import WorkerLock

_CONTROL_BATCH = 256
_MOST_REQUESTS = 256
_FOREIGN_POLL_SECONDS = 0.5
_WORKER_PATIENCE_SECONDS = 5.0


class SqliteTaskHub:
    """One hub in one file, or in memory.

    An episode commits atomically, so the crash windows between its steps that Azure Storage has do not exist here.
    What a method did when it returns survives the end of the process (see `database` for power failures).

    Limits: one process works on a hub at a time (`start` fails in a second one); other processes may open the same
    file as clients, and what they send is noticed within half a second. No network file systems.

    `inline` runs SQLite in the event loop's thread: always for `:memory:`, and for files when time is virtual.
    """

    def __init__(
        self, path: Path | Literal[":memory:"], name: str, clock: Clock | None = None, *, inline: bool = False
    ) -> None:
        in_memory = path == ":memory:"
        self._name = name
        self._clock = clock or SystemClock()
        self._database = Database(path, inline=inline or in_memory)
        self._lock = None if isinstance(path, str) else WorkerLock(path)
        self._poll_seconds = None if inline or in_memory else _FOREIGN_POLL_SECONDS
        self._serving = False
        self._signals = {schema.CONTROL: Signal(), schema.ACTIVITY: Signal()}
        self._requests: deque[ReceivedMessage] = deque()
        self._results = DirectResults()

    @property
    def name(self) -> str:
        return self._name

    # Life cycle

    async def create(self) -> None:
        try:
            await self._database.run(partial(schema.create, name=self._name))
        except schema.WrongHub as error:
            text = f"The task hub file {self._database.path} is not usable: {error}."
            raise TaskHubRefused(text, told=UNUSABLE, kind="WrongHub") from error

    async def delete(self) -> None:
        await self._database.run(schema.drop)

    async def start(self) -> None:
        await self.create()
        if self._lock is not None:
            await asyncio.to_thread(self._lock.acquire, _WORKER_PATIENCE_SECONDS)
        await self._database.run(messages.give_back_all)
        self._serving = True
        self._notify_all()

    async def stop(self) -> None:
        if not self._serving:
            return
        self._serving = False
        unseen, left, now = list(self._requests), self._results.leave(), self._clock.now()
        self._requests.clear()

        def work(connection: Connection) -> None:
            messages.untake(connection, unseen)
            messages.insert(connection, [one.message for one in left], now)
            messages.delete(connection, left)
            messages.give_back_all(connection)

        await self._database.run(work)
        if self._lock is not None:
            self._lock.release()

    async def close(self) -> None:
        self._serving = False
        await self._database.close()
        if self._lock is not None:
            self._lock.release()

    # Client role

    async def create_instance(
        self, start: TaskMessage, *, dedupe_statuses: frozenset[OrchestrationStatus]
    ) -> InstanceState:
        now = self._clock.now()
        state = await self._database.run(partial(_create_instance, start=start, dedupe=dedupe_statuses, now=now))
        self._signals[schema.CONTROL].notify()
        return state

    async def send(self, message: TaskMessage) -> None:
        await self._database.run(partial(messages.insert, messages=[message], now=self._clock.now()))
        self._notify_of([message])

    async def get_instance(
        self, instance_id: str, *, fetch_input: bool = True, fetch_output: bool = True
    ) -> InstanceState | None:
        work = partial(instances.read, instance_id=instance_id, fetch_input=fetch_input, fetch_output=fetch_output)
        return await self._database.run(work, writes=False)

    async def query_instances(self, query: InstanceQuery) -> InstancePage:
        """Raises ValueError for a continuation token that this hub did not give out."""
        return await self._database.run(partial(instances.query, wanted=query), writes=False)

    async def get_history(self, instance_id: str) -> list[HistoryEvent]:
        return (await self.load_history(instance_id)).events

    async def purge_instance(self, instance_id: str) -> bool:
        return await self._database.run(partial(_purge_instance, instance_id=instance_id))

    async def rewind(self, instance_id: str, reason: str | None) -> None:
        await self._database.run(partial(rewind, instance_id=instance_id, reason=reason, now=self._clock.now()))
        self._signals[schema.CONTROL].notify()

    async def set_aside(self) -> dict[str, int]:
        return await self._database.run(messages.set_aside, writes=False)

    # Worker role

    async def next_control_messages(self) -> list[ReceivedMessage]:
        signal = self._signals[schema.CONTROL]
        while True:
            seen = signal.version
            if not self._serving:
                await signal.wait_beyond(seen)
                continue
            now = self._clock.now()
            if not signal.must_look(now) and self._results.is_ready(now):
                return self._results.take(now)
            taken = await self._take(schema.CONTROL, _CONTROL_BATCH)
            received = [*taken.messages, *self._results.take(self._clock.now())]
            if received:
                return received
            await self._wait(signal, seen, _earliest(signal.look_at, self._results.next_due))

    async def next_activity(self) -> ReceivedMessage:
        signal = self._signals[schema.ACTIVITY]
        while True:
            seen = signal.version
            if not self._serving:
                await signal.wait_beyond(seen)
                continue
            if signal.must_look(self._clock.now()):
                taken = await self._take(schema.ACTIVITY, 1)
                if taken.messages:
                    return taken.messages[0]
            if self._requests:
                request = self._requests.popleft()
                request.received_time = self._clock.now()
                return request
            await self._wait(signal, seen, signal.look_at)

    async def load_history(self, instance_id: str) -> LoadedHistory:
        return await self._database.run(partial(history.load, instance_id=instance_id), writes=False)

    async def commit(self, episode: EpisodeCommit) -> Checkpoint:
        await asyncio.sleep(0)
        takes = self._can_take(sum(message.is_activity for message in episode.outbound))
        future = self._database.submit(partial(_commit, episode=episode, now=self._clock.now(), takes=takes))
        future.add_done_callback(partial(self._committed, episode))
        try:
            return (await asyncio.shield(future)).checkpoint
        except CommitConflict:
            await self.abandon(episode.consumed)
            raise

    def _can_take(self, count: int) -> bool:
        """Whether activities go straight to this process: as long as none are in the table that came before."""
        is_next = self._serving and not self._signals[schema.ACTIVITY].has_unread
        return is_next and len(self._requests) + count <= _MOST_REQUESTS

    def _committed(self, episode: EpisodeCommit, future: "asyncio.Future[_Committed]") -> None:
        """Also when nobody waits for the commit any more."""
        if future.cancelled() or future.exception() is not None:
            return
        self._results.done(episode.consumed)
        taken = future.result().taken
        if taken and self._serving:
            self._requests.extend(taken)
            self._signals[schema.ACTIVITY].notify(in_table=False)
        activities = [message for message in episode.outbound if message.is_activity]
        controls = [message for message in episode.outbound if not message.is_activity]
        self._notify_of([*controls, *activities[len(taken) :]])

    async def next_owed(self) -> list[str]:
        """Never returns: a commit of this storage owes nothing."""
        return await asyncio.get_running_loop().create_future()

    async def owed_named(self) -> None:
        """At once: a commit of this storage owes nothing."""

    async def settle(self, instance_id: str, checkpoint: Checkpoint, messages: Sequence[TaskMessage]) -> None:
        """Nothing to do: a commit of this storage owes nothing."""

    async def touch_instance(self, instance_id: str, last_updated_time: int) -> None:
        await self._database.run(partial(instances.touch, instance_id=instance_id, last_updated_time=last_updated_time))

    async def complete_activity(self, request: ReceivedMessage, result: TaskMessage) -> None:
        now = self._clock.now()
        if self._serving:
            self._results.add(request, result, now)
            self._signals[schema.CONTROL].notify(in_table=False)
            return

        def work(connection: Connection) -> None:
            messages.insert(connection, [result], now)
            messages.delete(connection, [request])

        await self._database.run(work)
        self._notify_of([result])

    async def discard(self, messages_: Sequence[ReceivedMessage]) -> None:
        await self._database.run(partial(messages.delete, messages=list(messages_)))
        self._results.done(messages_)

    async def abandon(self, messages_: Sequence[ReceivedMessage], *, delay: float | None = None) -> None:
        now = self._clock.now()
        stored: list[ReceivedMessage] = []
        due_times: list[int] = []
        for message in messages_:
            due = now + round(_abandon_seconds(message.dequeue_count, delay) * TICKS_PER_SECOND)
            if self._results.owns(message):
                self._results.give_back(message, due)
            else:
                stored.append(message)
                due_times.append(due)
        if stored:
            await self._database.run(partial(messages.give_back, messages=stored, due_times=due_times, now=now))
        self._notify_all()

    async def recall(self, instance_id: str) -> list[ReceivedMessage]:
        work = partial(messages.recall, instance_id=instance_id, now=self._clock.now())
        return await self._database.run(work)

    async def withdraw_timers(self, instance_id: str, execution_id: str, timer_ids: Iterable[int]) -> None:
        work = partial(
            messages.delete_timers, instance_id=instance_id, execution_id=execution_id, timer_ids=frozenset(timer_ids)
        )
        await self._database.run(work)

    async def restore_timer(self, message: TaskMessage) -> None:
        """Nothing to do: this storage loses no delayed message."""

    async def restore_start(self, instance: InstanceState) -> None:
        """Nothing to do: row and start message are written in one transaction."""

    # Waiting

    async def _take(self, queue: int, limit: int) -> messages.Taken:
        signal = self._signals[queue]
        signal.has_unread = False
        await asyncio.sleep(0)
        work = partial(messages.take, queue=queue, now=self._clock.now(), limit=limit)
        future = self._database.submit(work)
        try:
            taken = await asyncio.shield(future)
            signal.has_unread |= len(taken.messages) == limit
            signal.look_at = _earliest(taken.next_due, self._next_poll())
            return taken
        except asyncio.CancelledError:
            future.add_done_callback(self._return_unseen)
            raise

    def _return_unseen(self, future: "asyncio.Future[messages.Taken]") -> None:
        if future.cancelled() or future.exception() is not None or not future.result().messages or not self._serving:
            return
        returned = self._database.submit(partial(messages.untake, messages=future.result().messages))
        returned.add_done_callback(lambda _: self._notify_all())

    async def _wait(self, signal: Signal, seen: int, due: int | None) -> None:
        """Until something was sent, or `due`."""
        if due is None:
            await signal.wait_beyond(seen)
            return
        waits = [
            asyncio.ensure_future(signal.wait_beyond(seen)),
            asyncio.ensure_future(self._clock.sleep_until(due)),
        ]
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()
            await asyncio.gather(*waits, return_exceptions=True)

    def _next_poll(self) -> int | None:
        """When it is time to look for messages from outside."""
        if self._poll_seconds is None:
            return None
        return self._clock.now() + round(self._poll_seconds * TICKS_PER_SECOND)

    def _notify_of(self, sent: Iterable[TaskMessage]) -> None:
        for queue in {schema.ACTIVITY if message.is_activity else schema.CONTROL for message in sent}:
            self._signals[queue].notify()

    def _notify_all(self) -> None:
        for signal in self._signals.values():
            signal.notify()


def _earliest(*times: int | None) -> int | None:
    return min((time for time in times if time is not None), default=None)


def _abandon_seconds(dequeue_count: int, delay: float | None) -> float:
    if delay is not None:
        return max(0.0, delay)
    return float(min(2 ** min(dequeue_count, 30), 600))


def _create_instance(
    connection: Connection, start: TaskMessage, dedupe: frozenset[OrchestrationStatus], now: int
) -> InstanceState:
    event = start.event
    if not isinstance(event, ExecutionStarted):
        raise TypeError(f"an instance starts with ExecutionStarted, not with {event.event_name}")
    instance_id = start.target.instance_id
    existing = instances.read(connection, instance_id, fetch_input=False, fetch_output=False)
    if existing is not None:
        if existing.runtime_status in dedupe:
            raise InstanceExists(instance_id, existing.runtime_status)
        messages.delete_of_execution(connection, existing.instance_id, existing.execution_id)
    generation = 0 if existing is None else (existing.generation or 0) + 1
    event = msgspec.structs.replace(event, generation=generation)
    state = InstanceState(
        instance_id=instance_id,
        execution_id=event.orchestration_instance.execution_id,
        name=event.name,
        version=event.version,
        runtime_status=OrchestrationStatus.Pending,
        created_time=event.timestamp,
        last_updated_time=now,
        scheduled_start_time=event.scheduled_start_time,
        input=event.input,
        generation=generation,
        tags=event.tags,
    )
    messages.insert(connection, [msgspec.structs.replace(start, event=event)], now)
    instances.replace(connection, state)
    return state


def _purge_instance(connection: Connection, instance_id: str) -> bool:
    existing = instances.read(connection, instance_id, fetch_input=False, fetch_output=False)
    if existing is None:
        return False
    messages.delete_of_execution(connection, existing.instance_id, existing.execution_id)
    history.delete(connection, instance_id)
    return instances.delete(connection, instance_id)


class _Committed(msgspec.Struct, frozen=True):
    """The new checkpoint, and the activity requests that this process has taken."""

    checkpoint: Checkpoint
    taken: list[ReceivedMessage]


def _commit(connection: Connection, episode: EpisodeCommit, now: int, takes: bool) -> _Committed:
    checkpoint = episode.checkpoint or Checkpoint("")
    if episode.events:
        checkpoint = history.append(
            connection,
            episode.instance_id,
            episode.execution_id,
            episode.checkpoint,
            episode.first_ordinal,
            episode.events,
        )
    taken = messages.insert_taken(connection, episode.outbound, now) if takes else []
    messages.insert(connection, [one for one in episode.outbound if not (takes and one.is_activity)], now)
    if episode.update is not None:
        instances.merge(connection, episode.instance_id, episode.update)
    messages.delete(connection, episode.consumed)
    return _Committed(checkpoint, taken)
