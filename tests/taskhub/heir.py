"""Acts like a runtime after a crash: settles debts, and runs the episode if it was not committed."""

import asyncio
from collections.abc import Mapping, Sequence

import msgspec
from hub_samples import time_limit

from durable_host.durable.engine.debt import OwedRows
from durable_host.durable.engine.state import OrchestrationState
from durable_host.durable.model.messages import TaskMessage
from durable_host.durable.taskhub.port import EpisodeCommit, LoadedHistory, ReceivedMessage, TaskHub


class Heir:
    """`rows` are the messages that belong to history events, by the number of the event. `results` are those of
    activities that run again, by the identity of their request.

    Afterwards `owed` are the instances that `next_owed` named, `runs` is how often the episode was committed, `copies`
    how many of its messages came back although they were consumed, and `seen` is what the episode led to, by identity.
    """

    def __init__(
        self,
        hub: TaskHub,
        episode: EpisodeCommit,
        rows: Mapping[int, TaskMessage],
        results: Mapping[str | None, TaskMessage] | None = None,
    ) -> None:
        self._hub = hub
        self._episode = episode
        self._rows = rows
        self._results = results or {}
        self._consumed = {one.message.id for one in episode.consumed}
        self._lock = asyncio.Lock()
        self.owed: list[str] = []
        self.runs = 0
        self.copies = 0
        self.seen: dict[str | None, list[TaskMessage]] = {}

    async def run(self, *, copies: int = 0) -> None:
        """Until everything was seen that the episode leads to, and `copies` of the consumed messages."""
        expected = {one.id for one in self._episode.outbound}
        async with time_limit(), asyncio.TaskGroup() as group:
            tasks = [group.create_task(one()) for one in (self._settle_owed, self._take_control, self._take_requests)]
            while not (expected <= self.seen.keys() and self.copies + self.runs >= copies):  # noqa: ASYNC110
                await asyncio.sleep(0.01)
            async with self._lock:
                for task in tasks:
                    task.cancel()

    async def _take_requests(self) -> None:
        while True:
            (request,) = await self._hub.next_activities(1)
            result = self._results.get(request.message.id)
            async with self._lock:
                if result is not None:
                    await self._hub.complete_activity(request, result)
                else:
                    await self._see(request)

    async def _take_control(self) -> None:
        while True:
            for message in await self._hub.next_control_messages():
                async with self._lock:
                    if message.message.id in self._consumed:
                        await self._run(message)
                    else:
                        await self._see(message)

    async def _see(self, message: ReceivedMessage) -> None:
        if message.message.sender.instance_id == self._episode.instance_id:
            self.seen.setdefault(message.message.id, []).append(message.message)
        await self._hub.discard([message])

    async def _settle_owed(self) -> None:
        while True:
            for instance_id in await self._hub.next_owed():
                async with self._lock:
                    self.owed.append(instance_id)
                    if instance_id == self._episode.instance_id:
                        await self._look(())

    async def _run(self, message: ReceivedMessage) -> None:
        """Repeat the episode with a message that came back, unless it is a copy."""
        loaded = await self._look([message])
        if loaded is None:
            return
        again = msgspec.structs.replace(self._episode, checkpoint=loaded.checkpoint, consumed=[message])
        await self._hub.commit(again)
        self.runs += 1

    async def _look(self, messages: Sequence[ReceivedMessage]) -> LoadedHistory | None:
        """Load, settle the debt, and repair the row if the episode was committed. None in this case."""
        episode = self._episode
        loaded = await self._hub.load_history(episode.instance_id)
        if loaded.debt is not None:
            assert loaded.checkpoint is not None
            await self._hub.settle(episode.instance_id, loaded.checkpoint, owed_by(loaded, self._rows))
        if loaded.execution_id != episode.execution_id or loaded.events[episode.first_ordinal :] != episode.events:
            return loaded
        for message in messages:
            assert loaded.checkpoint is not None
            assert loaded.checkpoint.knows(message.message)
            self.copies += 1
        repair = msgspec.structs.replace(
            episode,
            checkpoint=loaded.checkpoint,
            events=(),
            outbound=(),
            consumed=messages,
            replaced_execution_id=None,
            expected_row=await self._hub.get_instance(episode.instance_id),
        )
        await self._hub.commit(repair)
        return None


def owed_by(loaded: LoadedHistory, rows: Mapping[int, TaskMessage]) -> list[TaskMessage]:
    """What the runtime tells from the rows that are owed, and what the hub itself has kept."""
    debt = loaded.debt
    assert debt is not None
    if loaded.execution_id is None or not rows:
        return list(debt.messages)
    ordinals = debt.ordinals if debt.execution_id == loaded.execution_id else range(0)
    state = OrchestrationState.from_history("any", loaded.events)
    owed = OwedRows(state, debt.first_ordinal, ordinals).rows
    return [*debt.messages, *[rows[event.event_id] for _, event in owed if event.event_id in rows]]
