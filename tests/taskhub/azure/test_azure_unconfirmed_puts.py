"""A consumed message whose put has failed, but may be in its queue: workers that do not know copies must not get it."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import pytest
from held_back import HeldBack
from hub_samples import create, pause, raised, receive, time_limit
from put_world import FAILURES, ID, LOST, World
from recording_account import RecordingAccount

from durable_host.durable.model import events as e
from durable_host.durable.model.messages import TaskMessage
from durable_host.durable.taskhub.azure import held_messages, served_partitions
from durable_host.durable.taskhub.azure.consumed import ConsumedMessages
from durable_host.durable.taskhub.azure.held_hub_message import RENEWED
from durable_host.durable.taskhub.azure.names import HubNames
from durable_host.durable.taskhub.azure.neighbours import Neighbours
from durable_host.storage import StorageError, StorageUnavailable

OpenWorld = Callable[..., Awaitable[World]]
CountMessages = Callable[[], Awaitable[int]]
LONG_PAUSES = 30.0
"""Seconds between polls of a queue on a real account: longer than a test waits."""


@pytest.fixture
def queue(hub_name: str) -> str:
    return HubNames.of(hub_name, 4).queue_of(ID)


@pytest.fixture
def deletes(open_world: OpenWorld, account: RecordingAccount) -> Iterator[HeldBack]:
    """Deletes of queue messages, which `consume` holds back."""
    held_back = HeldBack(account.queues, "delete")
    yield held_back
    held_back.let_go()


async def consume(
    world: World, error: StorageError = LOST, *, is_put: bool = True, deletes: HeldBack | None = None
) -> TaskMessage:
    """Send an event that is committed before its put fails. Return the message."""
    if deletes is not None:
        await world.hub._worker.held.wait_for_deletes()
        deletes.begin()
    sending, received = await world.send()
    await world.hub.commit(world.episode(received))
    world.puts.fail(error, after_effect=is_put)
    await sending
    world.puts.end()
    return received.message


def hand_over(world: World, queue: str) -> "asyncio.Task[None]":
    """Begin to release the partition to a worker of another kind."""
    world.hub._worker.served.set_neighbours(Neighbours.OTHER_BACKEND)
    return asyncio.create_task(world.hub._worker.served.drain(queue))


async def test_it_is_deleted_when_its_queue_delivers_it(
    deletes: HeldBack, world: World, count_messages: CountMessages
) -> None:
    await consume(world, deletes=deletes)
    assert await count_messages() == 1
    deletes.let_go()
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
    open_world: OpenWorld,
    deletes: HeldBack,
    queue: str,
    count_messages: CountMessages,
    monkeypatch: pytest.MonkeyPatch,
    leave: str,
    error: StorageError,
    is_put: bool,
) -> None:
    """A worker of another kind may be next."""
    monkeypatch.setattr(served_partitions, "_STOP_COPIES_PATIENCE", 60.0)
    world = await open_world(max_polling_interval=LONG_PAUSES)
    await consume(world, error, is_put=is_put, deletes=deletes)
    assert await count_messages() == is_put
    deletes.let_go()
    async with time_limit():
        if leave == "stop":
            await world.hub.stop()
        else:
            await hand_over(world, queue)
    assert await count_messages() == 0


@pytest.mark.parametrize(
    ("held_back", "steps"),
    [
        ("preparation", ["release", "commit", "failure"]),
        ("write", ["release", "failure", "commit"]),
        ("write", ["failure", "release", "commit"]),
        ("follow-up", ["release", "failure", "commit"]),
        ("follow-up", ["failure", "release", "commit"]),
        ("follow-up", ["commit", "release", "failure"]),
    ],
)
async def test_a_partition_is_released_without_it_whatever_its_commit_is_doing(
    open_world: OpenWorld,
    queue: str,
    count_messages: CountMessages,
    monkeypatch: pytest.MonkeyPatch,
    held_back: str,
    steps: list[str],
) -> None:
    """A part of the commit is held back. The steps: the release begins, the put fails, the commit goes on and ends."""
    world = await open_world(max_polling_interval=LONG_PAUSES)
    if held_back == "preparation":
        monkeypatch.setattr(ConsumedMessages, "is_full", True)
    deletes_done = HeldBack(world.hub._worker.held, "wait_for_deletes")
    gate = {"preparation": deletes_done, "write": world.commits, "follow-up": world.rows}[held_back]
    sending, received = await world.send()
    gate.begin()
    committing = asyncio.create_task(world.hub.commit(world.episode(received)))
    await gate.began.wait()
    draining = None
    for step in steps:
        if step == "release":
            draining = hand_over(world, queue)
        elif step == "failure":
            world.puts.fail(LOST, after_effect=True)
        else:
            gate.let_go()
            await committing
        await pause(0.1)
    await sending
    world.puts.end()
    assert draining is not None
    async with time_limit():
        await draining
    assert await count_messages() == 0


async def test_several_copies_are_received_before_a_partition_is_released(
    open_world: OpenWorld, deletes: HeldBack, queue: str, count_messages: CountMessages
) -> None:
    """Each attempt of a put whose response is lost may leave one."""
    world = await open_world(max_polling_interval=LONG_PAUSES)
    put = world.puts._send

    async def put_twice(*arguments: Any, **options: Any) -> Any:
        await put(*arguments, **options)
        await pause(1.0)
        return await put(*arguments, **options)

    world.puts._send = put_twice
    await consume(world, deletes=deletes)
    assert await count_messages() == 2
    deletes.let_go()
    async with time_limit():
        await hand_over(world, queue)
    assert await count_messages() == 0


@pytest.mark.parametrize("is_retried", [True, False])
async def test_a_poll_whose_response_is_lost_does_not_show_that_its_queue_is_empty(
    open_world: OpenWorld, account: RecordingAccount, queue: str, count_messages: CountMessages, is_retried: bool
) -> None:
    """It may have hidden the copy: the next attempt, or the next poll, finds nothing."""
    poll = account.queues.poll
    state = "not yet"

    async def lose_one(*arguments: Any) -> Any:
        nonlocal state
        polled = await poll(*arguments)
        if state != "next" or not polled.messages:
            return polled
        state = "lost"
        if not is_retried:
            raise StorageUnavailable(0, "Unavailable", "the response is lost")
        return (await poll(*arguments))._replace(may_lack_some=True)

    account.queues.poll = lose_one
    world = await open_world(max_polling_interval=0.2)
    await consume(world)
    state = "next"
    async with time_limit():
        await hand_over(world, queue)
    assert state == "lost"
    assert await count_messages() == 0


async def test_a_copy_that_could_not_be_read_is_received_again_before_a_partition_is_released(
    open_world: OpenWorld, queue: str, count_messages: CountMessages
) -> None:
    world = await open_world(max_polling_interval=LONG_PAUSES)
    await consume(world)
    reads = HeldBack(world.hub._worker._reception.reader, "_decode")
    reads.begin()
    draining = hand_over(world, queue)
    async with time_limit():
        await reads.began.wait()
        reads.fail(StorageUnavailable(503, "ServerBusy", "busy"))
        await pause(0.1)
        reads.end()
        await draining
    assert await count_messages() == 0


async def test_a_release_that_gives_up_waiting_for_copies_still_waits_for_messages_that_are_processed(
    open_world: OpenWorld, queue: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is received while the buffer is full, so the copy is not."""
    monkeypatch.setattr(served_partitions, "_COPIES_PATIENCE", 1.5)
    monkeypatch.setattr(served_partitions, "_DRAIN_PATIENCE", 10.0)
    world = await open_world(max_polling_interval=LONG_PAUSES, control_queue_buffer_threshold=1)
    await world.hub.send(raised(ID, "slow"))
    (slow,) = await receive(world.hub, 1)
    await consume(world)
    draining = hand_over(world, queue)
    async with time_limit():
        while queue in world.hub._worker.served.pollers:
            await pause(0.05)
        await pause(0.1)
        assert not draining.done()
        await world.hub.discard([slow])
        await draining
    assert not world.hub._worker.held.of_queue(queue, *RENEWED)


async def test_a_release_to_a_worker_that_knows_copies_does_not_wait_for_them(
    open_world: OpenWorld, queue: str, count_messages: CountMessages, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(held_messages, "_FIRST_HOLD", 2 * LONG_PAUSES)
    world = await open_world(max_polling_interval=LONG_PAUSES)
    await consume(world)
    world.hub._worker.served.set_neighbours(Neighbours.OURS)
    async with time_limit():
        await world.hub._worker.served.drain(queue)
    assert await count_messages() == 1


async def test_a_stop_does_not_begin_to_wait_for_copies_that_become_visible_too_late(
    open_world: OpenWorld, count_messages: CountMessages, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(held_messages, "_FIRST_HOLD", 2 * LONG_PAUSES)
    monkeypatch.setattr(served_partitions, "_STOP_COPIES_PATIENCE", LONG_PAUSES)
    world = await open_world(max_polling_interval=LONG_PAUSES)
    await consume(world)
    async with time_limit():
        await world.hub.stop()
    assert await count_messages() == 1


async def test_other_messages_of_the_queue_are_left_to_the_next_owner(
    open_world: OpenWorld, account: RecordingAccount, queue: str, count_messages: CountMessages
) -> None:
    world = await open_world(max_polling_interval=LONG_PAUSES)
    await consume(world)
    other = raised(ID, "other")
    await world.hub.send(other)
    async with time_limit():
        await hand_over(world, queue)
    (left,) = await account.queues.peek(queue)
    assert other.id is not None
    assert other.id in left.text
