"""A task hub that fails like storage and machines: at random by a seed, between any two operations."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from random import Random
from typing import Any

import msgspec

from durable_host.durable.model.events import (
    EventRaised,
    SubOrchestrationInstanceCompleted,
    SubOrchestrationInstanceFailed,
    TaskCompleted,
    TaskFailed,
    TimerFired,
)
from durable_host.durable.model.messages import TaskMessage
from durable_host.durable.taskhub.port import EpisodeCommit, ReceivedMessage, TaskHubUnavailable
from durable_host.durable.taskhub.sqlite import SqliteTaskHub

_ANSWERS = (TaskCompleted, TaskFailed, SubOrchestrationInstanceCompleted, SubOrchestrationInstanceFailed, TimerFired)


@dataclass(frozen=True)
class Faults:
    """Probabilities of one operation or message.

    `refused`: the operation did not happen. `unanswered`: it happened, and the caller is told that it did not.
    `torn`: of a commit only the messages and some of the events are written, the first two, all but one or all.
    `early`: outbound messages of a commit are sent, the commit itself does not happen. `slow`: they are sent, and
    answers may come back before the commit happens. `doubled`: a message that
    receivers must recognise is sent twice. `held_back`: a received message comes later, after those behind it.
    `lost_worker`: the worker process dies while user code runs.
    """

    refused: float = 0.0
    unanswered: float = 0.0
    early: float = 0.0
    slow: float = 0.0
    doubled: float = 0.0
    held_back: float = 0.0
    lost_worker: float = 0.0
    torn: float = 0.0


NO_FAULTS = Faults()


class FaultyHub:
    """The port in front of `inner`. With `crash_after` operations the process ends: nothing answers any more."""

    def __init__(self, inner: SqliteTaskHub, faults: Faults, random: Random, crash_after: int | None) -> None:
        self.inner = inner
        self.crashed = asyncio.Event()
        self._faults = faults
        self._random = random
        self._steps_left = crash_after

    def __getattr__(self, name: str) -> Any:
        """What is not part of the faults goes straight through."""
        return getattr(self.inner, name)

    async def next_control_messages(self) -> list[ReceivedMessage]:
        while True:
            await self._step()
            received = await self.inner.next_control_messages()
            await self._step()
            late = [message for message in received if self._happens(self._faults.held_back)]
            for message in late:
                await self.inner.abandon([message], delay=self._random.uniform(0.0, 20.0))
            if present := [message for message in received if message not in late]:
                return present

    async def next_activities(self, most: int) -> list[ReceivedMessage]:
        await self._step()
        requests = await self.inner.next_activities(most)
        await self._step()
        return requests

    async def load_history(self, instance_id: str) -> Any:
        return await self._guarded(self.inner.load_history, instance_id)

    async def send(self, message: TaskMessage) -> None:
        await self._guarded(self.inner.send, message)

    async def discard(self, messages: Sequence[ReceivedMessage]) -> None:
        await self._guarded(self.inner.discard, messages)

    async def abandon(self, messages: Sequence[ReceivedMessage], *, delay: float | None = None) -> None:
        await self._guarded(partial(self.inner.abandon, delay=delay), messages)

    async def commit(self, episode: EpisodeCommit) -> str:
        if self._happens(self._faults.early) or self._ends_between():
            for message in episode.outbound:
                await self.inner.send(message)
            await self._step()
            raise TaskHubUnavailable("simulated: the history was not written")
        if len(episode.events) > 2 and self._happens(self._faults.torn):
            kept = self._random.choice([2, len(episode.events) - 1, len(episode.events)])
            part = msgspec.structs.replace(episode, events=episode.events[:kept], update=None, consumed=())
            await self._guarded(self.inner.commit, part)
            raise TaskHubUnavailable("simulated: the history was written in part")
        if self._happens(self._faults.slow):
            for message in episode.outbound:
                await self.inner.send(message)
            await self.inner._clock.sleep(self._random.uniform(0.0, 20.0))
            return await self._guarded(self.inner.commit, msgspec.structs.replace(episode, outbound=()))
        for message in episode.outbound:
            if _can_double(message) and self._happens(self._faults.doubled):
                await self.inner.send(message)
        return await self._guarded(self.inner.commit, episode)

    async def complete_activity(self, request: ReceivedMessage, result: TaskMessage) -> None:
        if self._happens(self._faults.doubled):
            await self.inner.send(result)
        await self._guarded(self.inner.complete_activity, request, result)

    async def _guarded(self, operation: Any, *arguments: Any) -> Any:
        await self._step()
        if self._happens(self._faults.refused):
            raise TaskHubUnavailable("simulated: refused")
        result = await operation(*arguments)
        await self._step()
        if self._happens(self._faults.unanswered):
            raise TaskHubUnavailable("simulated: the answer was lost")
        return result

    async def _step(self) -> None:
        """One point at which the process may end."""
        if self._steps_left is not None:
            self._steps_left -= 1
            if self._steps_left <= 0:
                self.crashed.set()
        if self.crashed.is_set():
            await asyncio.Event().wait()

    def _ends_between(self) -> bool:
        """The process ends within the next step: half of these crashes fall between messages and history."""
        return self._steps_left == 1 and self._random.random() < 0.5

    def _happens(self, probability: float) -> bool:
        return self._random.random() < probability


def _can_double(message: TaskMessage) -> bool:
    """Whether receivers recognise a second copy: answers by number, entity messages by label or request id."""
    event = message.event
    return isinstance(event, _ANSWERS) or (
        isinstance(event, EventRaised) and "@" in (message.sender.instance_id[:1], message.target.instance_id[:1])
    )
