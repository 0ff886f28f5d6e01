"""A hub whose puts and commits are held back, and one instance on it that waits for events."""

import asyncio
from typing import NamedTuple

import pytest
from held_back import HeldBack
from hub_samples import clock, commit_of, raised, receive, time_limit

from durable_host.durable.model import events as e
from durable_host.durable.model.messages import TaskMessage
from durable_host.durable.model.status import OrchestrationStatus
from durable_host.durable.taskhub.azure import AzureTaskHub
from durable_host.durable.taskhub.port import Checkpoint, EpisodeCommit, ReceivedMessage, TaskHubUnavailable
from durable_host.storage import StorageUnavailable
from durable_host.storage.errors import storage_error

ID = "abc123"
REFUSED = storage_error(403, "AuthorizationFailure", "not allowed")
LOST = StorageUnavailable(0, "Unavailable", "the response is lost", after_retry=True)
FAILURES = [
    pytest.param(REFUSED, False, id="refused"),
    pytest.param(LOST, False, id="lost on the way there"),
    pytest.param(LOST, True, id="lost on the way back"),
]


class World(NamedTuple):
    """A hub with an instance that has run its first episode. Puts, commits and writes of rows can be held back."""

    hub: AzureTaskHub
    puts: HeldBack
    commits: HeldBack
    rows: HeldBack
    start: TaskMessage
    checkpoint: Checkpoint

    def episode(self, *consumed: ReceivedMessage, is_last: bool = False) -> EpisodeCommit:
        """The second episode."""
        end = e.ExecutionCompleted(orchestration_status=OrchestrationStatus.Completed, timestamp=clock.now())
        events = [
            e.OrchestratorStarted(timestamp=clock.now()),
            *(one.message.event for one in consumed),
            *([end] if is_last else []),
            e.OrchestratorCompleted(timestamp=clock.now()),
        ]
        status = OrchestrationStatus.Completed if is_last else None
        return commit_of(
            self.start, events, consumed, checkpoint=self.checkpoint, first_ordinal=3, runtime_status=status
        )

    async def send(self, message: TaskMessage | None = None) -> tuple[asyncio.Task[None], ReceivedMessage]:
        """Send an event whose put is held back, and receive it."""
        self.puts.begin()
        sending = asyncio.create_task(self.hub.send(message or raised(ID)))
        (received,) = await receive(self.hub, 1)
        await self.puts.began.wait()
        assert not sending.done()
        return sending, received

    async def begin_commit(self, received: ReceivedMessage) -> "asyncio.Task[Checkpoint]":
        """Commit an episode with this message. The commit is held back."""
        self.commits.begin()
        committing = asyncio.create_task(self.hub.commit(self.episode(received)))
        await self.commits.began.wait()
        return committing

    async def events_in_history(self) -> list[str | None]:
        return [one.name for one in await self.hub.get_history(ID) if isinstance(one, e.EventRaised)]

    async def has_failed(self, sending: asyncio.Task[None]) -> None:
        async with time_limit():
            with pytest.raises(TaskHubUnavailable):
                await sending
