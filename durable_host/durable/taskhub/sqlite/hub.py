"""`SqliteTaskHub`: the port `TaskHub` on one SQLite file."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from functools import partial
from pathlib import Path
from sqlite3 import Connection
from typing import Literal

from durable_host.clock import Clock, SystemClock
from durable_host.durable.model.events import HistoryEvent, TimerFired
from durable_host.durable.model.instance import EndedQuery, InstancePage, InstanceQuery, InstanceState
from durable_host.durable.model.instance_search import InstanceSearch, SearchPage
from durable_host.durable.model.messages import TaskMessage
from durable_host.durable.model.status import OrchestrationStatus
from durable_host.durable.taskhub.inspection import HubMessage, HubPartition, HubQueue
from durable_host.durable.taskhub.new_instances import NewInstances
from durable_host.durable.taskhub.port import (
    Checkpoint,
    EpisodeCommit,
    LoadedHistory,
    ReceivedMessage,
    TaskHubRefused,
)
from durable_host.durable.taskhub.sqlite import history, instances, messages, queue_view, schema, search, transactions
from durable_host.durable.taskhub.sqlite.database import Database
from durable_host.durable.taskhub.sqlite.jobs import UNUSABLE, Job
from durable_host.durable.taskhub.sqlite.messages import QUEUES
from durable_host.durable.taskhub.sqlite.receiver import Receiver
from durable_host.durable.taskhub.sqlite.rewind import rewind
from durable_host.durable.taskhub.sqlite.schema import CONTROL
from durable_host.durable.taskhub.sqlite.worker_lock import WorkerLock
from durable_host.timestamp import TICKS_PER_SECOND

_FOREIGN_POLL_SECONDS = 0.5
_PAGE = 1000
_WORKER_PATIENCE_SECONDS = 5.0


class SqliteTaskHub:
    """One hub in one file, or in memory.

    An episode is committed atomically, so a crash cannot occur between its steps, as it can in Azure Storage.
    Once a method returns, its effects survive the end of the process (see `database` for power failures).

    Limits: only one process at a time can be the worker of a hub (`start` fails in a second one). Other processes may
    open the file as clients; their messages are noticed within half a second. Network file systems do not work.

    `inline` runs SQLite in the event loop's thread. It is always on for `:memory:`; virtual time needs it for files.
    With `eager`, most writes run there too (see `database`), which makes steps faster.
    """

    def __init__(
        self,
        path: Path | Literal[":memory:"],
        name: str,
        clock: Clock | None = None,
        *,
        inline: bool = False,
        eager: bool = False,
    ) -> None:
        in_memory = path == ":memory:"
        self._name = name
        self._clock = clock or SystemClock()
        self._database = Database(path, inline=inline or in_memory, eager=eager)
        self._searched = self._database if inline or in_memory else Database(path, inline=False, read_only=True)
        self._lock = None if isinstance(path, str) else WorkerLock(path)
        poll_seconds = None if inline or in_memory else _FOREIGN_POLL_SECONDS
        self._receiver = Receiver(self._database, self._clock, poll_seconds)
        self._new_instances = NewInstances()
        self._may_recall = True

    @property
    def name(self) -> str:
        return self._name

    # Life cycle

    async def create(self) -> None:
        try:
            await self._database.run(partial(schema.create, name=self._name))
        except schema.WrongHub as error:
            text = f"The task hub file {self._database.path} is not usable: {error}."
            raise TaskHubRefused(text, public_text=UNUSABLE, kind="WrongHub") from error

    async def delete(self) -> None:
        await self._database.run(schema.drop)

    async def exists(self) -> bool:
        return True

    async def start(self) -> None:
        await self.create()
        if self._lock is not None:
            await asyncio.to_thread(self._lock.acquire, _WORKER_PATIENCE_SECONDS)
        self._may_recall = await self._database.run(messages.release_all)
        await self._delete_discarded()
        self._receiver.begin()

    async def works_alone(self) -> bool:
        return self._receiver.serving

    async def stop(self) -> None:
        if not self._receiver.serving:
            return
        (unseen, left), now = self._receiver.end(), self._clock.now()

        def work(connection: Connection) -> None:
            messages.return_taken(connection, unseen)
            messages.insert(connection, [one.message for one in left], now)
            messages.delete(connection, left)
            messages.release_all(connection)

        await self._database.run(work)
        if self._lock is not None:
            self._lock.release()

    def end_at_once(self) -> None:
        """End the worker role without saving anything, as the end of the process does. `start` begins again."""
        self._receiver.end()

    async def close(self) -> None:
        self._receiver.close()
        await self._searched.close()
        await self._database.close()
        if self._lock is not None:
            self._lock.release()

    # Client role

    async def create_instance(
        self, start: TaskMessage, *, dedupe_statuses: frozenset[OrchestrationStatus]
    ) -> InstanceState:
        work = partial(transactions.create_instance, start=start, dedupe=dedupe_statuses, now=self._clock.now())
        return await self._database.run(work, then=self._created)

    def _created(self, state: InstanceState) -> None:
        if state.generation == 0:
            self._new_instances.add(state.instance_id)
        self._receiver.notify_control()

    async def send(self, message: TaskMessage) -> None:
        work = partial(messages.insert, messages=[message], now=self._clock.now())
        await self._database.run(work, then=lambda _: self._receiver.notify_of([message]))

    async def get_instance(
        self, instance_id: str, *, fetch_input: bool = True, fetch_output: bool = True
    ) -> InstanceState | None:
        work = partial(instances.read, instance_id=instance_id, fetch_input=fetch_input, fetch_output=fetch_output)
        return await self._database.run(work, writes=False, is_short=True)

    async def query_instances(self, query: InstanceQuery) -> InstancePage:
        """Return one page. Raises ValueError for a continuation token from elsewhere."""
        return await self._database.run(partial(instances.query, wanted=query), writes=False)

    async def search(self, wanted: InstanceSearch) -> SearchPage:
        return await self._searched.run(partial(search.page, wanted=wanted), writes=False)

    async def search_failed(self, wanted: InstanceSearch) -> list[InstanceState]:
        return await self._searched.run(partial(search.failed, wanted=wanted), writes=False)

    async def changes(self) -> int:
        return await self._searched.run(search.changes, writes=False)

    async def partitions(self) -> list[HubPartition]:
        is_own = self._receiver.serving
        owner = "this process" if is_own else None
        return [HubPartition(queue=QUEUES[CONTROL], owner=owner, is_own=is_own, expires=None)]

    async def queues(self) -> list[HubQueue]:
        return await self._searched.run(queue_view.queues, writes=False)

    async def peek(self, queue: str, count: int) -> list[HubMessage]:
        return await self._searched.run(partial(queue_view.peek, queue=queue, count=count), writes=False)

    async def list_ended(self, query: EndedQuery) -> list[tuple[int, str]]:
        return await self._database.run(partial(instances.ended, wanted=query), writes=False)

    async def get_history(self, instance_id: str) -> list[HistoryEvent]:
        return (await self._load_history(instance_id)).events

    async def purge_instance(self, instance_id: str) -> bool:
        self._new_instances.forget(instance_id)
        found = await self._database.run(partial(transactions.purge_instance, instance_id=instance_id))
        await self._delete_discarded()
        return found

    async def _delete_discarded(self) -> None:
        """Delete in steps what purges have left of histories, also those that were interrupted."""
        while await self._database.run(history.delete_discarded):
            pass

    async def ended_pages(self, ended_before: int) -> AsyncIterator[list[str]]:
        """Yield pages in the order of the ends."""
        query = EndedQuery(ended_to=ended_before, top=_PAGE)
        while page := await self.list_ended(query):
            yield [instance_id for _, instance_id in page]
            query = EndedQuery(ended_to=ended_before, after=page[-1], top=_PAGE)

    async def purge_ended(self, instance_id: str, ended_before: int, pause: Callable[[], Awaitable[None]]) -> bool:
        self._new_instances.forget(instance_id)
        purge = partial(transactions.purge_instance, instance_id=instance_id, ended_before=ended_before)
        found = await self._database.run(purge)
        while await self._database.run(history.delete_discarded):
            await pause()
        return found

    async def rewind(self, instance_id: str, reason: str | None) -> None:
        work = partial(rewind, instance_id=instance_id, reason=reason, now=self._clock.now())
        await self._database.run(work, then=lambda _: self._receiver.notify_control())

    async def set_aside(self) -> dict[str, int]:
        return await self._database.run(messages.set_aside, writes=False)

    # Worker role

    async def next_control_messages(self) -> list[ReceivedMessage]:
        return await self._receiver.next_control_messages()

    async def next_activities(self, most: int) -> list[ReceivedMessage]:
        return await self._receiver.next_activities(most)

    async def load_history(self, instance_id: str) -> LoadedHistory:
        if self._new_instances.take(instance_id):
            return LoadedHistory([], None, None)
        return await self._load_history(instance_id)

    async def _load_history(self, instance_id: str) -> LoadedHistory:
        work = partial(history.load, instance_id=instance_id)
        return await self._database.run(work, writes=False, is_short=True)

    async def commit(self, episode: EpisodeCommit) -> Checkpoint:
        self._new_instances.take(episode.instance_id)
        for message in episode.outbound:
            self._new_instances.add_child(message)
        await asyncio.sleep(0)
        takes = self._receiver.reserve(sum(message.is_activity for message in episode.outbound))
        try:
            future = self._database.submit(
                partial(transactions.commit, episode=episode, now=self._clock.now(), takes=takes),
                cost=transactions.cost(episode),
                ended=partial(self._committed, episode, takes),
            )
        except Exception:
            self._receiver.release(takes)
            raise
        return (await future).checkpoint

    def _committed(self, episode: EpisodeCommit, takes: int, job: Job) -> None:
        """Handle the end of a commit, even if its caller no longer waits for it."""
        self._receiver.release(takes)
        if job.error is not None:
            return
        self._receiver.results.done(episode.consumed)
        self._receiver.committed(episode.outbound, job.result.taken)

    async def next_owed(self) -> list[str]:
        """Never returns, because commits in this storage owe nothing."""
        return await asyncio.get_running_loop().create_future()

    async def owed_listed(self) -> None:
        """Returns immediately, because commits in this storage owe nothing."""

    async def settle(self, instance_id: str, checkpoint: Checkpoint, messages: Sequence[TaskMessage]) -> None:
        """Does nothing, because commits in this storage owe nothing."""

    async def touch_instance(self, instance_id: str, last_updated_time: int) -> None:
        await self._database.run(partial(instances.touch, instance_id=instance_id, last_updated_time=last_updated_time))

    async def complete_activity(self, request: ReceivedMessage, result: TaskMessage) -> None:
        if self._receiver.serving:
            self._receiver.answered(request, result)
            return
        now = self._clock.now()

        def work(connection: Connection) -> None:
            messages.insert(connection, [result], now)
            messages.delete(connection, [request])

        await self._database.run(work, then=lambda _: self._receiver.notify_of([result]))

    async def discard(self, messages_: Sequence[ReceivedMessage]) -> None:
        work = partial(messages.delete, messages=list(messages_))
        await self._database.run(work, then=lambda _: self._receiver.results.done(messages_))

    async def abandon(self, messages_: Sequence[ReceivedMessage], *, delay: float | None = None) -> None:
        now = self._clock.now()
        stored: list[ReceivedMessage] = []
        due_times: list[int] = []
        for message in messages_:
            due = now + round(_abandon_seconds(message.dequeue_count, delay) * TICKS_PER_SECOND)
            if self._receiver.results.owns(message):
                self._receiver.results.release(message, due)
            else:
                stored.append(message)
                due_times.append(due)
        if not stored:
            self._receiver.notify_all()
            return
        self._may_recall = True
        work = partial(messages.release, messages=stored, due_times=due_times, now=now)
        await self._database.run(work, then=lambda _: self._receiver.notify_all())

    async def recall(self, instance_id: str) -> list[ReceivedMessage]:
        if not self._may_recall:
            return []
        return await self._receiver.recall(instance_id)

    async def withdraw_timers(self, instance_id: str, execution_id: str, timer_ids: Iterable[int]) -> None:
        work = partial(
            messages.delete_timers, instance_id=instance_id, execution_id=execution_id, timer_ids=frozenset(timer_ids)
        )
        await self._database.run(work)

    async def hasten_timer(self, message: TaskMessage) -> bool:
        event, target = message.event, message.target
        if not isinstance(event, TimerFired):
            return False
        work = partial(
            messages.hasten_timer,
            instance_id=target.instance_id,
            execution_id=target.execution_id,
            timer_id=event.timer_id,
        )
        return await self._database.run(work, then=lambda _: self._receiver.notify_control())

    async def restore_timer(self, message: TaskMessage) -> None:
        """Does nothing, because this storage does not lose delayed messages."""

    async def restore_start(self, instance: InstanceState) -> None:
        """Does nothing, because row and start message are written in one transaction."""


def _abandon_seconds(dequeue_count: int, delay: float | None) -> float:
    if delay is not None:
        return max(0.0, delay)
    return float(min(2 ** min(dequeue_count, 30), 600))
