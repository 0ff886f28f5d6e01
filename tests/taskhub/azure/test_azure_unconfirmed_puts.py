"""A consumed message whose put has failed, but may be in its queue: workers that do not know copies must not get it."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest
from hub_samples import create, pause, raised, receive, time_limit
from put_world import FAILURES, ID, LOST, World
from recording_account import RecordingAccount

from durable_host.durable.model import events as e
from durable_host.durable.model.messages import TaskMessage
from durable_host.durable.taskhub.azure.names import HubNames
from durable_host.durable.taskhub.azure.neighbours import Neighbours
from durable_host.storage import StorageError

OpenWorld = Callable[..., Awaitable[World]]
CountMessages = Callable[[], Awaitable[int]]
LONG_PAUSES = 30.0
"""Seconds between polls of a queue on a real account: longer than a test waits."""


@pytest.fixture
def queue(hub_name: str) -> str:
    return HubNames.of(hub_name, 4).queue_of(ID)


async def consume(world: World, error: StorageError = LOST, *, is_put: bool = True) -> TaskMessage:
    """Send an event that is committed before its put fails. Return the message."""
    sending, received = await world.send()
    await world.hub.commit(world.episode(received))
    world.puts.fail(error, after_effect=is_put)
    await sending
    world.puts.end()
    return received.message


async def test_it_is_deleted_when_its_queue_delivers_it(world: World, count_messages: CountMessages) -> None:
    await consume(world)
    assert await count_messages() == 1
    async with time_limit():
        while await count_messages():
            await pause(0.05)
    assert not len(world.hub._worker.deliveries.control)


async def test_an_instance_that_is_purged_and_started_again_does_not_get_it(
    world: World, count_messages: CountMessages
) -> None:
    """The new instance does not know what the old one has consumed."""
    await consume(world)
    await world.hub.purge_instance(ID)
    await create(world.hub, ID)
    (start,) = await receive(world.hub, 1)
    assert isinstance(start.message.event, e.ExecutionStarted)
    await world.hub.discard([start])
    async with time_limit():
        while await count_messages():
            await pause(0.05)
    assert not len(world.hub._worker.deliveries.control)


@pytest.mark.parametrize(("error", "is_put"), FAILURES)
@pytest.mark.parametrize("leave", ["hand over", "stop"])
async def test_a_partition_is_released_without_it(
    open_world: OpenWorld, queue: str, count_messages: CountMessages, leave: str, error: StorageError, is_put: bool
) -> None:
    """A worker of another kind may be next."""
    world = await open_world(max_polling_interval=LONG_PAUSES)
    await consume(world, error, is_put=is_put)
    assert await count_messages() == is_put
    async with time_limit():
        if leave == "stop":
            await world.hub.stop()
        else:
            world.hub._worker.served.set_neighbours(Neighbours.FOREIGN)
            await world.hub._worker.served.drain(queue)
    assert await count_messages() == 0


async def test_a_partition_whose_release_begins_before_the_put_fails_is_released_without_it(
    open_world: OpenWorld, queue: str, count_messages: CountMessages
) -> None:
    world = await open_world(max_polling_interval=LONG_PAUSES)
    sending, received = await world.send()
    await world.hub.commit(world.episode(received))
    world.hub._worker.served.set_neighbours(Neighbours.FOREIGN)
    draining = asyncio.create_task(world.hub._worker.served.drain(queue))
    await pause(0.1)
    world.puts.fail(LOST, after_effect=True)
    await sending
    async with time_limit():
        await draining
    assert await count_messages() == 0


async def test_other_messages_of_the_queue_are_left_to_the_next_owner(
    open_world: OpenWorld, account: RecordingAccount, queue: str, count_messages: CountMessages
) -> None:
    world = await open_world(max_polling_interval=LONG_PAUSES)
    await consume(world)
    other = raised(ID, "other")
    await world.hub.send(other)
    world.hub._worker.served.set_neighbours(Neighbours.FOREIGN)
    async with time_limit():
        await world.hub._worker.served.drain(queue)
    (left,) = await account.queues.peek(queue)
    assert other.id is not None
    assert other.id in left.text
