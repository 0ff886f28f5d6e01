"""A task hub with faults whose host may end at any commit."""

import asyncio
from collections.abc import Sequence

from durable_host.chaos.chaos_hub import SearchableChaosHub
from durable_host.chaos.fault import KILL_HOST, REORDER
from durable_host.chaos.injector import Injector
from durable_host.chaos.message_words import InstanceNames, words_for
from durable_host.clock import Clock
from durable_host.durable.model.events import HistoryEvent
from durable_host.durable.model.instance import InstancePage, InstanceQuery, InstanceState
from durable_host.durable.model.messages import TaskMessage
from durable_host.durable.model.status import OrchestrationStatus
from durable_host.durable.taskhub.port import Checkpoint, EpisodeCommit, LoadedHistory, ReceivedMessage
from durable_host.durable.taskhub.sqlite import SqliteTaskHub


class MortalHub(SearchableChaosHub):
    """Wraps the hub of a test. `ended` is set when the host has ended; then its worker role does nothing any more.

    Requests of the test and of clients do not fail: what is tested is what happens to them later.
    """

    def __init__(self, hub: SqliteTaskHub, injector: Injector, clock: Clock, names: InstanceNames) -> None:
        super().__init__(hub, injector, clock, names)
        self.ended = asyncio.Event()
        self._memory = hub
        self._names = names
        self._decides = injector

    async def revive(self) -> None:
        """Forget what the worker role had in memory. `start` begins again."""
        await self._background.stop()
        self._control.clear()
        self._activities.clear()
        self._memory.end_at_once()
        self.ended.clear()

    # Client role

    async def create_instance(
        self, start: TaskMessage, *, dedupe_statuses: frozenset[OrchestrationStatus]
    ) -> InstanceState:
        self._names.learn(start)
        return await self._memory.create_instance(start, dedupe_statuses=dedupe_statuses)

    async def send(self, message: TaskMessage) -> None:
        await self._memory.send(message)

    async def get_instance(
        self, instance_id: str, *, fetch_input: bool = True, fetch_output: bool = True
    ) -> InstanceState | None:
        return await self._memory.get_instance(instance_id, fetch_input=fetch_input, fetch_output=fetch_output)

    async def query_instances(self, query: InstanceQuery) -> InstancePage:
        return await self._memory.query_instances(query)

    async def get_history(self, instance_id: str) -> list[HistoryEvent]:
        return await self._memory.get_history(instance_id)

    async def purge_instance(self, instance_id: str) -> bool:
        return await self._memory.purge_instance(instance_id)

    async def rewind(self, instance_id: str, reason: str | None) -> None:
        await self._memory.rewind(instance_id, reason)

    # Worker role

    async def next_control_messages(self) -> list[ReceivedMessage]:
        await self._alive()
        messages = await super().next_control_messages()
        return self._reordered(messages)

    async def next_activities(self, most: int) -> list[ReceivedMessage]:
        await self._alive()
        return await super().next_activities(most)

    async def load_history(self, instance_id: str) -> LoadedHistory:
        await self._alive()
        return await super().load_history(instance_id)

    async def commit(self, episode: EpisodeCommit) -> Checkpoint:
        name = f"commit of instance '{self._names.name(episode.instance_id)}'"
        await self._alive(f"beginning of the {name}", episode.instance_id)
        checkpoint = await super().commit(episode)
        await self._alive(f"end of the {name}", episode.instance_id)
        return checkpoint

    async def complete_activity(self, request: ReceivedMessage, result: TaskMessage) -> None:
        instance_id = request.message.target.instance_id
        await self._alive(f"end of the {words_for(request.message, self._names)}", instance_id)
        await super().complete_activity(request, result)

    async def discard(self, messages: Sequence[ReceivedMessage], /) -> None:
        await self._alive()
        await super().discard(messages)

    async def abandon(self, messages: Sequence[ReceivedMessage], /, *, delay: float | None = None) -> None:
        await self._alive()
        await super().abandon(messages, delay=delay)

    async def _alive(self, instant: str = "", instance_id: str = "") -> None:
        """Return if the host lives. It may end at an `instant` that has a name."""
        lives = not self.ended.is_set()
        if lives and instant and self._decides.happens(KILL_HOST, instant, instance_id=instance_id) is not None:
            self.ended.set()
        if self.ended.is_set():
            await asyncio.get_running_loop().create_future()

    def _reordered(self, messages: list[ReceivedMessage]) -> list[ReceivedMessage]:
        """Put some messages behind all that arrived with them."""
        late: list[ReceivedMessage] = []
        for received in messages[:-1]:
            words, instance_id = words_for(received.message, self._names), received.message.target.instance_id
            if self._decides.happens(REORDER, words, instance_id=instance_id) is not None:
                late.append(received)
        return [*(one for one in messages if one not in late), *late]
