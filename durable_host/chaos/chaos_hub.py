"""A task hub that does to messages what storage and other hosts may do to them."""

import logging
import uuid
from collections import OrderedDict
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from contextlib import suppress
from functools import partial
from typing import cast

import msgspec

from durable_host.chaos.delayed_messages import DelayedMessages
from durable_host.chaos.failing_calls import FailingCalls
from durable_host.chaos.fault import AFTER
from durable_host.chaos.injector import Injector
from durable_host.chaos.message_words import InstanceNames, may_arrive_twice, words_for
from durable_host.chaos.partition_losses import LeasesPartitions, PartitionLosses
from durable_host.clock import Clock
from durable_host.durable.model.events import HistoryEvent
from durable_host.durable.model.instance import EndedQuery, InstancePage, InstanceQuery, InstanceState
from durable_host.durable.model.instance_search import InstanceSearch, SearchPage
from durable_host.durable.model.messages import TaskMessage
from durable_host.durable.model.status import OrchestrationStatus
from durable_host.durable.taskhub.inspection import HubMessage, HubPartition, HubQueue, InspectableHub
from durable_host.durable.taskhub.port import (
    Checkpoint,
    CommitConflict,
    EpisodeCommit,
    LoadedHistory,
    ReceivedMessage,
    SearchableHub,
    TaskHub,
    TaskHubUnavailable,
)
from durable_host.supervision import Tasks

_log = logging.getLogger("Host.Triggers.DurableTask")
_REMEMBERED = 10_000


class ChaosHub:
    """Wraps `hub`. `injector` decides which faults happen.

    * Events, and signals of clients, are sent a second time under a new identity, like by a client whose request was
      answered too late. So their receiver sees both.
    * Activities are delivered a second time, after or before their first result was recorded.
    * All messages may be delayed, so that their order changes.
    * A commit may find that another host has taken the instance: its session is lost, and its messages are delivered
      again. A hub with partitions also loses these.
    * With `fails`, its calls fail like those of storage that is busy or far away.

    `names` are shared with whatever else names instances.
    """

    def __init__(
        self,
        hub: TaskHub,
        injector: Injector,
        clock: Clock,
        names: InstanceNames | None = None,
        *,
        fails: bool = True,
    ) -> None:
        self.hub = hub
        self._injector = injector
        self._names = names or InstanceNames()
        self._calls = FailingCalls(injector, self._names, is_on=fails)
        self._copies: OrderedDict[str, None] = OrderedDict()
        self._control = DelayedMessages(hub.next_control_messages, self._delay_of, clock)
        self._activities = DelayedMessages(self._receive_activity, self._delay_of, clock)
        self._background = Tasks(_log)
        self._clock = clock

    @property
    def name(self) -> str:
        return self.hub.name

    # Life cycle

    async def create(self) -> None:
        await self.hub.create()

    async def delete(self) -> None:
        await self.hub.delete()

    async def start(self) -> None:
        await self.hub.start()
        if isinstance(self.hub, LeasesPartitions):
            losing = PartitionLosses(self.hub, self._injector, self._clock)
            self._background.keep_running("loss of partitions", losing.run)

    async def works_alone(self) -> bool:
        return await self.hub.works_alone()

    async def stop(self) -> None:
        await self._background.stop()
        self._control.clear()
        self._activities.clear()
        await self.hub.stop()

    async def close(self) -> None:
        await self.hub.close()

    # Client role

    async def exists(self) -> bool:
        return await self.hub.exists()

    async def create_instance(
        self, start: TaskMessage, *, dedupe_statuses: frozenset[OrchestrationStatus]
    ) -> InstanceState:
        create = partial(self.hub.create_instance, start, dedupe_statuses=dedupe_statuses)
        return await self._calls.make("creation of", start.target.instance_id, create)

    async def send(self, message: TaskMessage) -> None:
        await self._calls.make(f"sending of the {words_for(message, self._names)}", "", partial(self.hub.send, message))

    async def get_instance(
        self, instance_id: str, *, fetch_input: bool = True, fetch_output: bool = True
    ) -> InstanceState | None:
        read = partial(self.hub.get_instance, instance_id, fetch_input=fetch_input, fetch_output=fetch_output)
        return await self._calls.make("reading of", instance_id, read)

    async def query_instances(self, query: InstanceQuery) -> InstancePage:
        return await self._calls.make("query for instances", "", partial(self.hub.query_instances, query))

    async def list_ended(self, query: EndedQuery) -> list[tuple[int, str]]:
        return await self.hub.list_ended(query)

    async def get_history(self, instance_id: str) -> list[HistoryEvent]:
        read = partial(self.hub.get_history, instance_id)
        return await self._calls.make("reading of the history of", instance_id, read)

    async def purge_instance(self, instance_id: str) -> bool:
        return await self._calls.make("purge of", instance_id, partial(self.hub.purge_instance, instance_id))

    def ended_pages(self, ended_before: int) -> AsyncIterator[list[str]]:
        return self.hub.ended_pages(ended_before)

    async def purge_ended(self, instance_id: str, ended_before: int, pause: Callable[[], Awaitable[None]]) -> bool:
        purge = partial(self.hub.purge_ended, instance_id, ended_before, pause)
        return await self._calls.make("purge of", instance_id, purge)

    async def rewind(self, instance_id: str, reason: str | None) -> None:
        await self._calls.make("rewind of", instance_id, partial(self.hub.rewind, instance_id, reason))

    async def set_aside(self) -> dict[str, int]:
        return await self.hub.set_aside()

    async def partitions(self) -> list[HubPartition]:
        return await cast("InspectableHub", self.hub).partitions()

    async def queues(self) -> list[HubQueue]:
        return await cast("InspectableHub", self.hub).queues()

    async def peek(self, queue: str, count: int) -> list[HubMessage]:
        return await cast("InspectableHub", self.hub).peek(queue, count)

    # Worker role

    async def next_control_messages(self) -> list[ReceivedMessage]:
        messages = await self._control.next()
        for one in messages:
            await self._send_again(one)
        return messages

    async def next_activities(self, most: int) -> list[ReceivedMessage]:
        return await self._activities.next(most)

    async def load_history(self, instance_id: str) -> LoadedHistory:
        load = partial(self.hub.load_history, instance_id)
        return await self._calls.make("loading of", instance_id, load)

    async def commit(self, episode: EpisodeCommit) -> Checkpoint:
        instance_id = episode.instance_id
        if episode.events and episode.consumed:  # Without a message, nothing would bring the instance back.
            target = f"session of instance '{self._names.name(instance_id)}'"
            if self._injector.happens("lose-lease", target, instance_id=instance_id):
                raise _lost_session()
        return await self._calls.make("commit of", instance_id, partial(self.hub.commit, episode), lost=_lost_session)

    async def next_owed(self) -> list[str]:
        return await self.hub.next_owed()

    async def owed_listed(self) -> None:
        await self.hub.owed_listed()

    async def settle(self, instance_id: str, checkpoint: Checkpoint, messages: Sequence[TaskMessage]) -> None:
        await self.hub.settle(instance_id, checkpoint, messages)

    async def touch_instance(self, instance_id: str, last_updated_time: int) -> None:
        await self.hub.touch_instance(instance_id, last_updated_time)

    async def complete_activity(self, request: ReceivedMessage, result: TaskMessage) -> None:
        words, instance_id = words_for(request.message, self._names), request.message.target.instance_id
        again = None
        if not isinstance(request, RedeliveredMessage):
            again = self._injector.happens("redeliver-activities", words, instance_id=instance_id)
        if again is None:
            complete = partial(self.hub.complete_activity, original_of(request), result)
            await self._calls.make(f"result of the {words}", "", complete, lost=lambda: None)
            return
        if again.variant == AFTER:
            await self.hub.send(result)
        self._activities.add(RedeliveredMessage(request))

    async def discard(self, messages: Sequence[ReceivedMessage], /) -> None:
        await self.hub.discard(messages)

    async def abandon(self, messages: Sequence[ReceivedMessage], /, *, delay: float | None = None) -> None:
        await self.hub.abandon([original_of(one) for one in messages], delay=delay)

    async def recall(self, instance_id: str) -> list[ReceivedMessage]:
        return await self.hub.recall(instance_id)

    async def withdraw_timers(self, instance_id: str, execution_id: str, timer_ids: Iterable[int]) -> None:
        await self.hub.withdraw_timers(instance_id, execution_id, timer_ids)

    async def restore_timer(self, message: TaskMessage) -> None:
        await self.hub.restore_timer(message)

    async def hasten_timer(self, message: TaskMessage) -> bool:
        return await self.hub.hasten_timer(message)

    async def restore_start(self, instance: InstanceState) -> None:
        await self.hub.restore_start(instance)

    async def _receive_activity(self) -> list[ReceivedMessage]:
        return await self.hub.next_activities(1)

    def _delay_of(self, received: ReceivedMessage) -> float:
        """Return the delay of a message, which only its first delivery has."""
        message = received.message
        self._names.learn(message)
        if received.dequeue_count > 1:
            return 0.0
        return self._injector.delay(words_for(message, self._names), instance_id=message.target.instance_id)

    async def _send_again(self, received: ReceivedMessage) -> None:
        """Send a copy of an event, if it is one and the injector says so. Copies have no copies."""
        message = received.message
        if received.dequeue_count > 1 or not may_arrive_twice(message) or message.id in self._copies:
            return
        words, instance_id = words_for(message, self._names), message.target.instance_id
        if self._injector.happens("duplicate-events", words, instance_id=instance_id) is None:
            return
        copy = msgspec.structs.replace(message, id=str(uuid.uuid4()))
        self._copies[copy.id or ""] = None
        if len(self._copies) > _REMEMBERED:
            self._copies.popitem(last=False)
        with suppress(TaskHubUnavailable):
            await self.hub.send(copy)


class SearchableChaosHub(ChaosHub):
    """A `ChaosHub` for a hub that filters and sorts instances itself."""

    async def search(self, wanted: InstanceSearch) -> SearchPage:
        return await cast("SearchableHub", self.hub).search(wanted)

    async def search_failed(self, wanted: InstanceSearch) -> list[InstanceState]:
        return await cast("SearchableHub", self.hub).search_failed(wanted)

    async def changes(self) -> int:
        return await cast("SearchableHub", self.hub).changes()


class RedeliveredMessage(ReceivedMessage):
    """The second delivery of a message that the hub has delivered once."""

    __slots__ = ("first",)

    def __init__(self, first: ReceivedMessage) -> None:
        super().__init__(first.id, first.message, first.dequeue_count + 1, first.received_time, first.receipt)
        self.first = first


def original_of(received: ReceivedMessage) -> ReceivedMessage:
    """Return the message as the hub has delivered it."""
    return received.first if isinstance(received, RedeliveredMessage) else received


def _lost_session() -> Exception:
    return CommitConflict("the session was lost on purpose (chaos)", delay=0.0)
