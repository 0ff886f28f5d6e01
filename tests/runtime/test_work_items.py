"""The messages of a batch that are copies of others, and those that occur twice because a release failed halfway."""

from collections.abc import Sequence
from typing import Any, cast

import pytest

from durable_host.clock import SystemClock
from durable_host.durable.model.events import EventRaised, OrchestrationInstance
from durable_host.durable.model.messages import TaskMessage
from durable_host.durable.runtime.session import InstanceSession
from durable_host.durable.runtime.work_items import GuardedWorkItem
from durable_host.durable.taskhub.port import ReceivedMessage, TaskHub, TaskHubUnavailable
from durable_host.durable.user_code import WorkItemAborted


def received(id: str, identity: str | None) -> ReceivedMessage:
    return ReceivedMessage(id, TaskMessage(EventRaised(name="E"), OrchestrationInstance("a"), id=identity), 1, 0, None)


class _World:
    """A hub that delivers the first message of a batch again and then fails to release it."""

    def __init__(self, *, is_aborted: bool = False) -> None:
        self.again: list[ReceivedMessage] = []
        self.discarded: list[ReceivedMessage] = []
        self.processed: list[ReceivedMessage] = []
        self.is_aborted = is_aborted
        faults = cast("Any", _Faults())
        self.item = GuardedWorkItem(
            self._run, cast("Any", None), cast("TaskHub", self), SystemClock(), faults, cast("Any", None), faults
        )

    async def discard(self, messages: Sequence[ReceivedMessage], /) -> None:
        self.discarded += messages

    async def abandon(self, messages: Sequence[ReceivedMessage], /, *, delay: float | None = None) -> None:
        self.again.append(messages[0])
        raise TaskHubUnavailable("The queue service does not answer.")

    async def _run(self, session: InstanceSession, batch: list[ReceivedMessage]) -> None:
        if self.is_aborted:
            self.is_aborted = False
            raise WorkItemAborted("The worker ended.")
        self.processed += batch


class _Faults:
    """Stands for the sessions too: nothing is kept."""

    def failed(self, *_: object) -> None: ...

    def recovered(self, *_: object) -> None: ...

    def drop_state(self, *_: object) -> None: ...

    def delay(self, failures: int) -> float:
        return 0.0


@pytest.mark.parametrize("identity", ["i1", None])
async def test_a_message_that_occurs_twice_after_a_release_failed_halfway_is_processed_once(
    identity: str | None,
) -> None:
    world, session = _World(is_aborted=True), InstanceSession("a")
    batch = [received("1", identity), received("2", "i2")]
    assert await world.item(session, batch) is not None
    batch += world.again
    assert len(batch) == 3
    assert await world.item(session, batch) is None
    assert [one.id for one in world.processed] == ["1", "2"]
    assert world.discarded == []


async def test_the_last_delivery_of_a_message_is_processed_in_its_place() -> None:
    world = _World()
    first, other, last = received("1", "i1"), received("2", "i2"), received("1", "i1")
    await world.item(InstanceSession("a"), [first, other, last])
    assert [one is expected for one, expected in zip(world.processed, [last, other], strict=True)] == [True, True]
    assert world.discarded == []


async def test_a_copy_in_a_batch_is_discarded() -> None:
    world = _World()
    first, copy, other = received("1", "i1"), received("2", "i1"), received("3", None)
    await world.item(InstanceSession("a"), [first, copy, other, received("4", None)])
    assert [one.id for one in world.processed] == ["1", "3", "4"]
    assert world.discarded == [copy]
