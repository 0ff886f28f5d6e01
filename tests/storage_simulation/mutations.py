"""The product, broken on purpose: the order of a commit and the receiving of messages, each wrong in one way.

The simulation has to find each of them (`make simulate MUTATIONS=1`); else it would not find such a mistake either.
"""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any
from unittest.mock import PropertyMock, patch

from durable_host.durable.engine import matching
from durable_host.durable.model.events import TimerFired
from durable_host.durable.runtime.intake import Intake
from durable_host.durable.taskhub.azure import sentinel_writer
from durable_host.durable.taskhub.azure.client_sender import ClientSender
from durable_host.durable.taskhub.azure.commits import Commits
from durable_host.durable.taskhub.azure.consumed import ConsumedMessages
from durable_host.durable.taskhub.azure.deliveries import Deliveries
from durable_host.durable.taskhub.azure.held_hub_message import held_of
from durable_host.durable.taskhub.azure.history_store import HistoryStore
from durable_host.durable.taskhub.azure.names import SENTINEL
from durable_host.durable.taskhub.azure.row_writer import RowWriter
from durable_host.durable.taskhub.azure.sentinel_writer import HistoryConflict, SentinelWriter
from durable_host.durable.taskhub.azure.unsettled import Mark, UnsettledInstance

Patches = list[Any]
MUTATIONS: dict[str, Callable[[], Patches]] = {}


def mutation(make: Callable[[], Patches]) -> Callable[[], Patches]:
    """Register a mutation under the name of its function."""
    MUTATIONS[make.__name__.replace("_", "-")] = make
    return make


@contextmanager
def mutated(name: str | None) -> Iterator[None]:
    """The product with this mutation; as it is when `name` is None."""
    with ExitStack() as stack:
        for one in MUTATIONS[name]() if name else ():
            stack.enter_context(one)
        yield


@mutation
def messages_sent_before_the_commit() -> Patches:
    """The order that was before: what an episode decides runs although its commit may fail."""
    return [patch.object(Deliveries, "is_official_order", new_callable=PropertyMock, return_value=True)]


@mutation
def consumed_deleted_before_the_commit() -> Patches:
    """A crash, or a refusal, between the two loses what was consumed."""

    async def commit(self: Any, instance: Any, episode: Any) -> Any:
        self.discard(episode.consumed)
        await self._held.wait_for_deletes()
        return await original(self, instance, episode)

    original = Commits._commit
    return [patch.object(Commits, "_commit", commit)]


@mutation
def consumed_forgotten() -> Patches:
    """The sentinel does not carry what was consumed: a copy of an event is taken again."""
    return [patch.object(ConsumedMessages, "add", lambda *arguments, **options: None)]


@mutation
def consumed_forgotten_until_it_is_put() -> Patches:
    """The sentinel does not carry an event that was consumed while its put was on its way."""

    def add(self: Any, consumed: Any, messages: Any) -> Any:
        return original(self, consumed, [one for one in messages if held_of(one).lease is not None])

    original = Commits._add
    return [patch.object(Commits, "_add", add)]


@mutation
def answered_before_the_put() -> Patches:
    """The sender of an event gets its answer as soon as this process has received it."""
    puts: set[asyncio.Future[Any]] = set()

    async def put_delivered(self: Any, prepared: Any, received: Any, hidden: float) -> None:
        put = original(self, prepared, received, hidden)
        puts.add(asyncio.ensure_future(asyncio.gather(put, return_exceptions=True)))

    original = ClientSender._put_delivered
    return [patch.object(ClientSender, "_put_delivered", put_delivered)]


@mutation
def owed_not_written() -> Patches:
    """The sentinel does not say that activities are in hand and messages not sent."""
    return [patch.object(Commits, "_mark", lambda *arguments, **options: Mark())]


@mutation
def mark_cleared_too_early() -> Patches:
    """The next commit takes the mark back although activities of the one before are in hand."""
    return [patch.object(UnsettledInstance, "first_direct", lambda *arguments, **options: None)]


@mutation
def timers_matched_by_number_only() -> Patches:
    """A timer of a commit that was lost fires for the one that has its number now."""
    original = matching._mismatch

    def why_not(call: Any, message: Any, own: Any) -> str | None:
        if isinstance(message.event, TimerFired):
            return None
        return original(call, message, own)

    return [patch.object(matching, "_mismatch", why_not)]


@mutation
def results_taken_twice() -> Patches:
    """A copy of a result enters the history again."""
    return [patch.object(matching, "_copy", lambda what: None)]


@mutation
def commit_id_not_checked() -> Patches:
    """A commit that another has overtaken is taken for one whose answer was lost."""

    async def own_write(self: Any, write: Any, refused: Any) -> str:
        stored = await self._tables.get(self._table, write.entity["PartitionKey"], SENTINEL)
        if stored is None:
            raise HistoryConflict from refused
        return stored.etag

    return [patch.object(SentinelWriter, "_own_write", own_write)]


@mutation
def marks_not_looked_for() -> Patches:
    """A start of the host does not find the instances whose last commit owes something."""

    async def owed(self: Any) -> list[str]:
        return []

    return [patch.object(HistoryStore, "owed", owed)]


@mutation
def commits_of_others_overwritten() -> Patches:
    """A commit is written whatever another host has committed since the history was read."""

    async def write(self: Any, rows: Any, sentinel: Any, etag: Any, **options: Any) -> str:
        stored = await self._tables.get(self._table, sentinel["PartitionKey"], SENTINEL)
        return await original(self, rows, sentinel, stored.etag if stored is not None else None, **options)

    original = SentinelWriter.write
    return [patch.object(SentinelWriter, "write", write)]


@mutation
def events_before_the_start_dropped() -> Patches:
    """An event to an instance that is still pending is of no use."""

    async def keep_for_start(self: Any, session: Any, batch: Any, useless: Any) -> Any:
        return useless

    return [patch.object(Intake, "keep_for_start", keep_for_start)]


@mutation
def refused_row_forgotten() -> Patches:
    """The row of an instance is tried once; what became of the instance is not seen."""

    async def write(self: Any, instance_id: str, update: Any, moved: Any, **options: Any) -> None:
        try:
            await self._instances.update(instance_id, update, moved, self._instances.known_etag(instance_id))
        except sentinel_writer.StorageError:
            return

    return [patch.object(RowWriter, "write", write)]


@mutation
def timers_delivered_early() -> Patches:
    """What this process has put for itself is delivered before it is due."""

    def deliver_or_park(self: Any, message: Any, now: int, tolerance: int) -> float | None:
        self.deliver_now(message)
        return None

    return [patch.object(Deliveries, "_deliver_or_park", deliver_or_park)]
