"""A message of a client is received while its put is on its way: nothing is lost, doubled or left waiting."""

import asyncio
from typing import Any

import pytest
from held_back import HeldBack
from hub_samples import later, nothing_more, pause, raised, receive, time_limit
from put_world import FAILURES, ID, LOST, REFUSED, World
from recording_account import RecordingAccount, kill

from durable_host.durable.model import events as e
from durable_host.durable.model.events import OrchestrationInstance
from durable_host.durable.model.messages import TaskMessage
from durable_host.durable.model.status import OrchestrationStatus
from durable_host.durable.taskhub.azure import AzureTaskHub, client_sender
from durable_host.durable.taskhub.azure.consumed import ConsumedMessages
from durable_host.durable.taskhub.azure.held_hub_message import Stage, held_of
from durable_host.durable.taskhub.azure.names import HubNames
from durable_host.durable.taskhub.azure.neighbours import Neighbours
from durable_host.durable.taskhub.azure.unsettled import AzureCheckpoint
from durable_host.durable.taskhub.port import CommitConflict, EpisodeCommit, MessageWithdrawn, TaskHubUnavailable
from durable_host.storage import StorageAccount


async def another_process(open_azure, storage: StorageAccount) -> AzureTaskHub:
    """A hub that takes over what a killed process has left."""
    return await open_azure(on=RecordingAccount(storage))


# Without faults


@pytest.mark.parametrize(
    "event",
    [
        e.EventRaised(name="Approval", input="true"),
        e.ExecutionSuspended(reason="wait"),
        e.ExecutionResumed(reason="go on"),
        e.ExecutionTerminated(input="enough"),
    ],
    ids=lambda event: event.event_name,
)
async def test_a_message_is_received_before_it_is_put(world: World, event: e.HistoryEvent) -> None:
    message = TaskMessage(event, OrchestrationInstance(ID), id=raised(ID).id)
    sending, received = await world.send(message)
    assert received.message == message
    world.puts.let_go()
    await sending


async def test_a_consumed_message_is_deleted_as_soon_as_it_is_put(world: World, count_messages) -> None:
    sending, received = await world.send()
    checkpoint = await world.hub.commit(world.episode(received))
    assert checkpoint.knows(received.message)
    world.puts.let_go()
    await sending
    await world.hub._worker.held.drain(5)
    assert await count_messages() == 0


async def test_a_delete_that_waits_for_the_put_is_waited_for(world: World, count_messages) -> None:
    sending, received = await world.send()
    await world.hub.commit(world.episode(received))
    draining = asyncio.create_task(world.hub._worker.held.drain(30))
    await pause(0.1)
    assert not draining.done()
    world.puts.let_go()
    await asyncio.gather(sending, draining)
    assert await count_messages() == 0


async def test_a_commit_without_room_for_what_it_consumes_waits_for_the_put(world: World, monkeypatch) -> None:
    sending, received = await world.send()
    world = world._replace(checkpoint=await world.hub.commit(world.episode(received)))
    monkeypatch.setattr(ConsumedMessages, "is_full", True)
    next_commit = asyncio.create_task(world.hub.commit(world.episode()))
    await pause(0.1)
    assert not next_commit.done()
    world.puts.let_go()
    await asyncio.gather(sending, next_commit)


async def test_a_large_message_is_stored_in_its_blob_before_it_is_received(world: World) -> None:
    message = raised(ID, input='"' + "x" * 70_000 + '"')
    sending, received = await world.send(message)
    assert received.message == message
    world.puts.let_go()
    await sending


async def test_messages_are_received_in_the_order_in_which_they_are_sent(world: World) -> None:
    names = [f"event {number}" for number in range(20)]
    world.puts.begin()
    async with asyncio.TaskGroup() as group:
        for name in names:
            group.create_task(world.hub.send(raised(ID, name)))
        received = await receive(world.hub, len(names))
        world.puts.let_go()
    assert [one.message.event.name for one in received] == names


async def test_a_copy_sent_during_the_put_waits_for_its_own_put(world: World) -> None:
    sending, received = await world.send()
    again = asyncio.create_task(world.hub.send(received.message))
    world.puts.let_go()
    await asyncio.gather(sending, again)
    (copy,) = await receive(world.hub, 1)
    assert copy.message == received.message
    assert copy.id != received.id


async def test_a_message_that_a_foreign_worker_may_receive_is_put_first(world: World) -> None:
    world.hub._worker.served.set_neighbours(Neighbours.OTHER_BACKEND)
    world.puts.begin(after_effect=True)
    sending = asyncio.create_task(world.hub.send(raised(ID)))
    await world.puts.took_effect.wait()
    assert not len(world.hub._worker.deliveries.control)
    world.puts.let_go()
    await sending
    await receive(world.hub, 1)


async def test_a_commit_waits_for_the_put_once_a_foreign_worker_has_appeared(world: World) -> None:
    sending, received = await world.send()
    world.hub._worker.served.set_neighbours(Neighbours.OTHER_BACKEND)
    world.commits.begin()
    committing = asyncio.create_task(world.hub.commit(world.episode(received)))
    await pause(0.1)
    assert not world.commits.began.is_set()
    world.puts.let_go()
    await sending
    world.commits.let_go()
    await committing


# The put fails


@pytest.mark.parametrize(("error", "is_put"), FAILURES)
async def test_before_the_turn_the_message_is_taken_back(world: World, error, is_put: bool) -> None:
    world.puts.begin()
    sending = asyncio.create_task(world.hub.send(raised(ID)))
    await world.puts.began.wait()
    world.puts.fail(error, after_effect=is_put)
    await world.has_failed(sending)
    assert not len(world.hub._worker.deliveries.control)


@pytest.mark.parametrize(("error", "is_put"), FAILURES)
async def test_during_the_turn_its_episode_is_not_committed(world: World, error, is_put: bool) -> None:
    await world.hub.send(raised(ID, "before"))
    (other,) = await receive(world.hub, 1)
    sending, received = await world.send()
    world.puts.fail(error, after_effect=is_put)
    await world.has_failed(sending)
    world.puts.end()
    with pytest.raises(MessageWithdrawn):
        await world.hub.commit(world.episode(other, received))
    assert await world.events_in_history() == []
    await world.hub.abandon([other, received], delay=0.0)
    (again,) = await receive(world.hub, 1)
    assert again.message == other.message
    await world.hub.commit(world.episode(again))
    assert await world.events_in_history() == ["before"]


@pytest.mark.parametrize(("error", "is_put"), FAILURES)
async def test_during_the_commit_the_caller_waits_for_its_outcome(world: World, error, is_put: bool) -> None:
    sending, received = await world.send()
    committing = await world.begin_commit(received)
    world.puts.fail(error, after_effect=is_put)
    await pause(0.1)
    assert not sending.done()
    world.commits.let_go()
    checkpoint = await committing
    async with time_limit():
        await sending
    world.puts.end()
    assert await world.events_in_history() == ["Approval"]
    assert checkpoint.knows(received.message)
    await world.hub._worker.held.drain(5)
    assert isinstance(checkpoint, AzureCheckpoint)
    assert checkpoint.consumed.text(later(720)) == "", "nobody confirms its delete, so it is not kept forever"


@pytest.mark.parametrize("is_committed", [False, True], ids=["not committed", "committed"])
async def test_a_commit_that_takes_long_is_not_waited_for_and_decides(
    world: World, monkeypatch, is_committed: bool
) -> None:
    monkeypatch.setattr(client_sender, "_PATIENCE", 0.1)
    sending, received = await world.send()
    committing = await world.begin_commit(received)
    world.puts.fail(REFUSED)
    await world.has_failed(sending)
    if is_committed:
        world.commits.let_go()
        await committing
    else:
        world.commits.fail(REFUSED)
        with pytest.raises(TaskHubUnavailable):
            await committing
        world.commits.end()
        with pytest.raises(MessageWithdrawn):
            await world.hub.commit(world.episode(received))
        await world.hub.abandon([received])
    assert await world.events_in_history() == ["Approval"] * is_committed
    assert not world.hub._worker.held.in_stage(*Stage)


@pytest.mark.parametrize(("error", "is_put"), FAILURES)
async def test_during_a_commit_that_fails_the_message_is_withdrawn(world: World, error, is_put: bool) -> None:
    sending, received = await world.send()
    committing = await world.begin_commit(received)
    world.puts.fail(error, after_effect=is_put)
    world.commits.fail(REFUSED)
    with pytest.raises(TaskHubUnavailable):
        await committing
    await world.has_failed(sending)
    world.commits.end()
    with pytest.raises(MessageWithdrawn):
        await world.hub.commit(world.episode(received))
    assert await world.events_in_history() == []


@pytest.mark.parametrize(("error", "is_put"), FAILURES)
async def test_during_a_commit_that_another_host_overtakes_the_message_is_withdrawn(
    world: World, error, is_put: bool
) -> None:
    sending, received = await world.send()
    world.checkpoint.etag = 'W/"outdated"'
    committing = await world.begin_commit(received)
    world.puts.fail(error, after_effect=is_put)
    world.commits.let_go()
    async with time_limit():
        with pytest.raises(CommitConflict):
            await committing
    await world.has_failed(sending)
    assert await world.events_in_history() == []


@pytest.mark.parametrize(("error", "is_put"), FAILURES)
async def test_after_the_commit_the_message_counts_as_sent(
    open_azure, storage: StorageAccount, account: RecordingAccount, world: World, error, is_put: bool
) -> None:
    """If it is in its queue after all, the next process recognizes it."""
    sending, received = await world.send()
    await world.hub.commit(world.episode(received))
    world.puts.fail(error, after_effect=is_put)
    async with time_limit():
        await sending
    world.puts.end()
    await world.hub._worker.held.drain(5)
    await kill(world.hub, account)
    heir = await another_process(open_azure, storage)
    if is_put:
        (copy,) = await receive(heir, 1)
        assert copy.message.id == received.message.id
    loaded = await heir.load_history(ID)
    assert loaded.checkpoint is not None
    assert loaded.checkpoint.knows(received.message)


async def test_a_caller_that_goes_away_takes_its_message_back(world: World) -> None:
    sending, received = await world.send()
    sending.cancel()
    await asyncio.wait([sending])
    assert sending.cancelled()
    with pytest.raises(MessageWithdrawn):
        await world.hub.commit(world.episode(received))
    assert await world.events_in_history() == []


@pytest.mark.parametrize("has_failed", [False, True], ids=["put on its way", "put failed"])
@pytest.mark.parametrize("is_committed", [False, True], ids=["not committed", "committed"])
async def test_a_caller_that_goes_away_during_the_commit_leaves_its_message_to_it(
    world: World, has_failed: bool, is_committed: bool
) -> None:
    sending, received = await world.send()
    put = held_of(received).put
    assert put is not None
    committing = await world.begin_commit(received)
    if has_failed:
        world.puts.fail(LOST)
        await pause(0.1)
    sending.cancel()
    await asyncio.wait([sending])
    assert not put.is_withdrawn
    if is_committed:
        world.commits.let_go()
    else:
        world.commits.fail(REFUSED)
    await asyncio.wait([committing])
    assert put.is_withdrawn is not is_committed
    assert await world.events_in_history() == ["Approval"] * is_committed


async def test_a_message_without_a_usable_history_is_withdrawn_when_its_row_would_be_written(world: World) -> None:
    """A commit without events only repairs the row."""
    sending, received = await world.send()
    world.puts.fail(REFUSED)
    await world.has_failed(sending)
    repair = EpisodeCommit(
        instance_id=ID,
        execution_id=world.start.target.execution_id or "",
        checkpoint=world.checkpoint,
        first_ordinal=3,
        events=(),
        outbound=(),
        update=world.episode(received).update,
        consumed=[received],
        expected_row=await world.hub.get_instance(ID),
    )
    with pytest.raises(MessageWithdrawn):
        await world.hub.commit(repair)


# The message is not consumed


async def test_a_released_message_comes_again_while_it_is_put(world: World, count_messages) -> None:
    sending, received = await world.send()
    async with time_limit():
        await world.hub.abandon([received], delay=0.0)
    (again,) = await receive(world.hub, 1)
    assert (again.message, again.dequeue_count) == (received.message, 2)
    await world.hub.commit(world.episode(again))
    world.puts.let_go()
    await sending
    await world.hub._worker.held.drain(5)
    assert await count_messages() == 0
    assert await world.events_in_history() == ["Approval"]


async def test_a_put_that_stalls_does_not_keep_its_message_from_being_put_off_and_recalled(
    world: World, count_messages
) -> None:
    sending, received = await world.send()
    async with time_limit():
        await world.hub.abandon([received], delay=600.0)
    (again,) = await world.hub.recall(ID)
    assert again.message == received.message
    await world.hub.commit(world.episode(again))
    world.puts.let_go()
    await sending
    await world.hub._worker.held.drain(5)
    assert await count_messages() == 0


async def test_a_message_that_was_put_off_before_its_put_ended_stays_hidden_until_it_is_due(
    world: World, account: RecordingAccount, count_messages
) -> None:
    hidden: list[float] = []

    def record(service: str, method: str, arguments: tuple[Any, ...]) -> None:
        if (service, method) == ("queue", "update"):
            hidden.append(arguments[3])

    sending, received = await world.send()
    await world.hub.abandon([received], delay=600.0)
    account.answer = record
    world.puts.let_go()
    await sending
    assert [590 < seconds <= 600 for seconds in hidden] == [True]
    (again,) = await world.hub.recall(ID)
    await world.hub.commit(world.episode(again))
    await world.hub._worker.held.drain(5)
    assert await count_messages() == 0


async def test_a_message_that_was_put_off_and_that_its_queue_delivers_is_still_put_off(world: World) -> None:
    """The response to its put has not arrived when the message becomes visible."""
    world.puts.begin(after_effect=True)
    sending = asyncio.create_task(world.hub.send(raised(ID)))
    (received,) = await receive(world.hub, 1)
    await world.hub.abandon([received], delay=600.0)
    async with time_limit():
        while world.hub._worker.deliveries._expected:
            await pause(0.05)
    world.puts.let_go()
    await sending
    await nothing_more(world.hub, ID)
    (again,) = await world.hub.recall(ID)
    assert again.message == received.message


async def test_a_message_that_was_put_off_and_could_not_be_put_is_forgotten(world: World) -> None:
    sending, received = await world.send()
    await world.hub.abandon([received], delay=600.0)
    world.puts.fail(REFUSED)
    await world.has_failed(sending)
    assert await world.hub.recall(ID) == []
    await world.hub._worker.held.drain(5)
    assert not world.hub._worker.held.in_stage(*Stage)


async def test_a_message_that_was_put_off_comes_when_it_is_due_although_its_put_stalls(world: World) -> None:
    sending, received = await world.send()
    await world.hub.abandon([received], delay=0.1)
    (again,) = await receive(world.hub, 1)
    assert again.message == received.message
    world.puts.let_go()
    await sending


async def test_a_host_that_stops_leaves_a_message_visible_that_was_put_off_before_its_put_ended(
    open_azure, storage: StorageAccount, world: World
) -> None:
    sending, received = await world.send()
    await world.hub.abandon([received], delay=600.0)
    await world.hub.stop()
    world.puts.let_go()
    await sending
    heir = await another_process(open_azure, storage)
    (again,) = await receive(heir, 1)
    assert again.message == received.message


async def test_a_released_message_that_could_not_be_put_does_not_come_again(world: World) -> None:
    sending, received = await world.send()
    await world.hub.abandon([received], delay=0.0)
    world.puts.fail(REFUSED)
    await world.has_failed(sending)
    world.puts.end()
    await nothing_more(world.hub, ID)


async def test_a_discarded_message_is_deleted_once_it_is_put(world: World, count_messages) -> None:
    sending, received = await world.send()
    await world.hub.discard([received])
    world.puts.let_go()
    await sending
    await world.hub._worker.held.drain(5)
    assert await count_messages() == 0


# The message is received from its queue meanwhile


async def test_a_message_that_its_queue_delivers_before_the_response_is_not_received_twice(world: World) -> None:
    """It was hidden for two seconds. The response is lost afterwards, but the message is there."""
    world.puts.begin(after_effect=True)
    sending = asyncio.create_task(world.hub.send(raised(ID)))
    (received,) = await receive(world.hub, 1)
    deliveries = world.hub._worker.deliveries
    async with time_limit():
        while deliveries._expected:
            await pause(0.05)
    world.puts.fail(LOST, after_effect=True)
    await sending
    world.puts.end()
    await world.hub.commit(world.episode(received))
    await world.hub._worker.held.drain(5)
    await nothing_more(world.hub, ID)
    assert await world.events_in_history() == ["Approval"]


@pytest.mark.parametrize("around", [Neighbours.NONE, Neighbours.OTHER_BACKEND], ids=["expected", "put first"])
async def test_a_message_whose_put_is_confirmed_while_its_poller_reads_it_is_received_once(
    world: World, hub_name: str, count_messages, around: Neighbours
) -> None:
    """The poller reads a batch for a while if its messages have blobs."""
    world.hub._worker.served.set_neighbours(around)
    reader = world.hub._worker.served.pollers[HubNames.of(hub_name, 4).queue_of(ID)][0]._reader
    reads = HeldBack(reader, "read")
    reads.begin()
    world.puts.begin(after_effect=True)
    sending = asyncio.create_task(world.hub.send(raised(ID)))
    async with time_limit():
        await reads.began.wait()
    world.puts.let_go()
    await sending
    reads.let_go()
    (received,) = await receive(world.hub, 1)
    await pause(0.3)
    assert not len(world.hub._worker.deliveries.control)
    await world.hub.commit(world.episode(received))
    await world.hub._worker.held.drain(5)
    assert await count_messages() == 0


# The partition moves, the host stops or is killed


@pytest.mark.parametrize("is_received", [False, True], ids=["waiting", "received"])
async def test_a_host_that_stops_leaves_the_message_visible(
    open_azure, storage: StorageAccount, world: World, is_received: bool
) -> None:
    world.puts.begin()
    message = raised(ID)
    sending = asyncio.create_task(world.hub.send(message))
    await world.puts.began.wait()
    if is_received:
        await receive(world.hub, 1)
    await world.hub.stop()
    world.puts.let_go()
    await sending
    heir = await another_process(open_azure, storage)
    (received,) = await receive(heir, 1)
    assert received.message == message


async def test_a_lost_partition_leaves_the_message_to_the_next_owner(
    open_azure, storage: StorageAccount, hub_name: str, world: World
) -> None:
    """Before anybody has received it; what was received is committed or released."""
    queue = HubNames.of(hub_name, 4).queue_of(ID)
    world.puts.begin()
    message = raised(ID)
    sending = asyncio.create_task(world.hub.send(message))
    await world.puts.began.wait()
    await world.hub._worker.served.close(queue)
    assert not len(world.hub._worker.deliveries.control)
    world.puts.let_go()
    await sending
    (there,) = await storage.queues.peek(queue)
    assert message.id is not None
    assert message.id in there.text


async def test_a_partition_is_not_released_while_a_consumed_message_is_on_its_way(
    world: World, hub_name: str, count_messages
) -> None:
    queue = HubNames.of(hub_name, 4).queue_of(ID)
    sending, received = await world.send()
    await world.hub.commit(world.episode(received))
    draining = asyncio.create_task(world.hub._worker.served.drain(queue))
    await pause(0.1)
    assert not draining.done()
    world.puts.let_go()
    await asyncio.gather(sending, draining)
    assert await count_messages() == 0


@pytest.mark.parametrize("is_committed", [False, True], ids=["not committed", "committed"])
@pytest.mark.parametrize("is_put", [False, True], ids=["not put", "put"])
async def test_a_kill_neither_loses_nor_doubles_a_message(
    open_azure, storage: StorageAccount, account: RecordingAccount, world: World, is_put: bool, is_committed: bool
) -> None:
    """What the queue or the history has is what the next process finds."""
    world.puts.begin(after_effect=is_put)
    sending = asyncio.create_task(world.hub.send(raised(ID)))
    (received,) = await receive(world.hub, 1)
    if is_put:
        await world.puts.took_effect.wait()
    if is_committed:
        await world.hub.commit(world.episode(received))
    assert not sending.done()
    await kill(world.hub, account)
    world.puts.fail(LOST)
    sending.cancel()
    heir = await another_process(open_azure, storage)
    loaded = await heir.load_history(ID)
    assert loaded.checkpoint is not None
    assert [one.name for one in loaded.events if isinstance(one, e.EventRaised)] == ["Approval"] * is_committed
    assert loaded.checkpoint.knows(received.message) is is_committed
    if is_committed:
        assert loaded.debt is not None, "the row may not have been written, and perhaps no message shows that"
    if is_put:
        (again,) = await receive(heir, 1)
        assert again.message == received.message


async def test_the_next_owner_repairs_the_row_of_an_instance_that_has_ended(
    open_azure, storage: StorageAccount, account: RecordingAccount, world: World
) -> None:
    """A kill between the history and the row, before the message that ended it was put."""
    sending, received = await world.send()
    world.rows.begin()
    committing = asyncio.create_task(world.hub.commit(world.episode(received, is_last=True)))
    await world.rows.began.wait()
    await kill(world.hub, account)
    world.puts.fail(LOST)
    world.rows.fail(LOST)
    for task in (sending, committing):
        task.cancel()
    heir = await another_process(open_azure, storage)
    state = await heir.get_instance(ID)
    assert state is not None
    assert state.runtime_status is OrchestrationStatus.Running
    async with time_limit():
        assert await heir.next_owed() == [ID]
    assert (await heir.load_history(ID)).debt is not None
