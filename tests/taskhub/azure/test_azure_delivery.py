"""How messages reach the runtime: immediately from this process, by polling from others."""

import asyncio
import logging

import pytest
from hub_samples import (
    ANY_STATE,
    NON_RUNNING,
    activity,
    activity_result,
    clock,
    create,
    later,
    new_id,
    pause,
    raised,
    receive,
    receive_activity,
    start_message,
    time_limit,
    timer,
)
from recording_account import RecordingAccount
from test_azure_messages import MESSAGES

from durable_host.durable.model import events as e
from durable_host.durable.model.events import OrchestrationInstance
from durable_host.durable.model.instance import InstanceUpdate
from durable_host.durable.taskhub.azure import envelope
from durable_host.durable.taskhub.azure.names import HubNames
from durable_host.durable.taskhub.port import EpisodeCommit
from durable_host.storage import StorageAccount


def polls_of(account: RecordingAccount, queue: str) -> int:
    return sum(1 for _, method, args in account.requests if method == "poll" and args and args[0] == queue)


async def quiet(hub, account: RecordingAccount) -> None:
    """No poller of the hub runs any more."""
    for poller, task in hub._worker.served.pollers.values():
        poller.stop()
        await task


async def _until_somebody_waits(hub) -> None:
    async with time_limit():
        while not hub._worker.deliveries.activities.waiting:
            await clock.sleep(0)


def _changes(account: RecordingAccount, mark: int) -> list[str]:
    return account.since(mark, without=("get", "poll", "update"))


async def test_message_sent_here_is_received_without_any_poll(open_azure, account) -> None:
    hub = await open_azure()
    await quiet(hub, account)
    mark = len(account.requests)
    await hub.send(raised("abc123"))
    (message,) = await receive(hub, 1)
    assert message.message.target.instance_id == "abc123"
    assert account.since(mark, without=()) == ["queue.put"]


async def test_activities_that_wait_for_a_slot_hold_up_no_message(open_azure, storage: StorageAccount) -> None:
    hub = await open_azure(control_queue_buffer_threshold=2)
    instance = OrchestrationInstance("abc123", new_id())
    for number in range(4):
        await hub.send(activity(instance, number))
    client = await open_azure(worker=False, on=RecordingAccount(storage))
    await client.send(raised("abc123"))
    (message,) = await receive(hub, 1)
    assert message.message.target.instance_id == "abc123"


@pytest.mark.parametrize("alone", [True, False])
async def test_activity_request_sent_here_is_taken_without_any_poll(open_azure, account, alone: bool) -> None:
    """Its result is handed over without a message where nobody else could have done the work: the request stays in
    the queue until the result is consumed.
    """
    hub = await open_azure(take_all_activities=alone)
    await quiet(hub, account)
    instance = OrchestrationInstance("abc123", new_id())
    waiting = asyncio.create_task(receive_activity(hub))
    await _until_somebody_waits(hub)
    await hub.send(activity(instance))
    request = await waiting
    mark = len(account.requests)
    await hub.complete_activity(request, activity_result(instance))
    (result,) = await receive(hub, 1)
    assert isinstance(result.message.event, e.TaskCompleted)
    await hub._worker.held.drain(5)
    assert _changes(account, mark) == ([] if alone else ["queue.put", "queue.delete"])
    await hub.discard([result])
    await hub._worker.held.drain(5)
    assert _changes(account, mark) == (["queue.delete"] if alone else ["queue.put", "queue.delete", "queue.delete"])


@pytest.mark.parametrize("alone", [True, False])
async def test_a_plain_step_costs_one_transaction_one_merge_one_delete_and_a_put_for_others(
    open_azure, account, alone: bool
) -> None:
    hub = await open_azure(take_all_activities=alone)
    await quiet(hub, account)
    await create(hub, "abc123")
    (start,) = await receive(hub, 1)
    mark = len(account.requests)
    loaded = await hub.load_history("abc123")
    assert account.since(mark) == []
    assert (loaded.events, loaded.checkpoint) == ([], None)
    execution = start.message.target.execution_id
    assert execution is not None
    event = start.message.event
    assert isinstance(event, e.ExecutionStarted)
    checkpoint = await hub.commit(
        EpisodeCommit(
            instance_id="abc123",
            execution_id=execution,
            checkpoint=None,
            first_ordinal=0,
            events=[
                e.OrchestratorStarted(timestamp=1),
                event,
                e.TaskScheduled(event_id=0, name="SayHello", timestamp=1),
            ],
            outbound=[activity(start.message.target)],
            update=InstanceUpdate(execution_id=execution, last_updated_time=clock.now(), started=event),
            consumed=[start],
        )
    )
    assert checkpoint
    await hub._worker.held.drain(5)
    put = [] if alone else ["queue.put"]
    assert account.since(mark) == ["table.transaction", "table.merge", *put, "queue.delete"]
    if alone:
        request = await receive_activity(hub)
        await hub.complete_activity(request, activity_result(start.message.target))
        (result,) = await receive(hub, 1)
        more = [e.OrchestratorStarted(timestamp=2), result.message.event, e.OrchestratorCompleted(timestamp=2)]
        mark = len(account.requests)
        await hub.commit(
            EpisodeCommit(
                instance_id="abc123",
                execution_id=execution,
                checkpoint=checkpoint,
                first_ordinal=3,
                events=more,
                outbound=[],
                update=None,
                consumed=[result],
            )
        )
        await hub._worker.held.drain(5)
        assert account.since(mark) == ["table.transaction"]


async def test_messages_of_another_process_come_by_polling(open_azure, storage: StorageAccount) -> None:
    hub = await open_azure()
    client = await open_azure(worker=False, on=RecordingAccount(storage))
    await client.send(raised("abc123", "One"))
    await client.send(raised("abc123", "Two"))
    messages = await receive(hub, 2)
    assert [message.message.event.name for message in messages] == ["One", "Two"]
    assert messages[0].dequeue_count == 1
    instance = OrchestrationInstance("abc123", new_id())
    await client.send(activity(instance))
    request = await receive_activity(hub)
    assert request.message.event.name == "SayHello"


async def test_golden_messages_put_by_the_official_backend_are_received(
    open_azure, storage: StorageAccount, hub_name: str
) -> None:
    hub = await open_azure()
    names = HubNames.of(hub_name, 4)
    expected = [2, 3, 5, 6, 7, 8, 9]
    for index in expected:
        text = envelope.to_text(MESSAGES[index], as_base64=index % 2 == 0)
        await storage.queues.put(names.queue_of("abc123"), text, ttl=-1)
    received = await receive(hub, len(expected))
    golden = [envelope.from_text(MESSAGES[index]).message for index in expected]
    assert sorted(m.message.event.event_name for m in received) == sorted(g.event.event_name for g in golden)
    assert {m.message.event.timestamp for m in received} == {g.event.timestamp for g in golden}


async def test_base64_is_written_if_configured(open_azure, storage: StorageAccount, hub_name: str) -> None:
    client = await open_azure(worker=False, message_encoding="base64")
    await client.send(raised("abc123"))
    (peeked,) = await storage.queues.peek(HubNames.of(hub_name, 4).queue_of("abc123"))
    assert not peeked.text.startswith("{")
    hub = await open_azure()
    (message,) = await receive(hub, 1)
    assert message.message.event.name == "Approval"


async def test_a_message_that_cannot_be_read_is_set_aside_with_one_warning(
    open_azure, storage: StorageAccount, hub_name: str, caplog: pytest.LogCaptureFixture
) -> None:
    hub = await open_azure()
    client = await open_azure(worker=False, on=RecordingAccount(storage))
    queue = HubNames.of(hub_name, 4).queue_of("abc123")
    with caplog.at_level(logging.WARNING, "Host.Triggers.DurableTask"):
        put = await storage.queues.put(queue, "this is no message", ttl=-1)
        await client.send(raised("abc123"))
        (message,) = await receive(hub, 1)
    assert message.message.event.name == "Approval"
    warnings = [record.getMessage() for record in caplog.records if "set aside" in record.getMessage()]
    assert len(warnings) == 1
    assert queue in warnings[0]
    assert put.id in warnings[0]
    await hub._worker.held.drain(5)
    assert await storage.queues.message_count(queue) == 1


async def test_large_message_travels_through_a_blob(open_azure, storage: StorageAccount, hub_name: str) -> None:
    hub = await open_azure()
    client = await open_azure(worker=False, on=RecordingAccount(storage))
    text = '"' + "ä" * 60_000 + '"'
    await client.send(raised("order 1/ä", "Big", text))
    (message,) = await receive(hub, 1)
    assert message.message.event.input == text
    names = HubNames.of(hub_name, 4)
    blobs = [blob.name async for blob in storage.blobs.list(names.large_messages)]
    assert len(blobs) == 1
    assert blobs[0].startswith("order 1/ä/message-")
    assert blobs[0].endswith("-EventRaised.json.gz")


async def test_timer_is_delivered_when_due_and_only_once(open_azure, account) -> None:
    hub = await open_azure()
    instance = OrchestrationInstance("abc123", new_id())
    due = later(1.2)
    await hub.send(timer(instance, 1, due))
    await hub.send(timer(instance, 2, later(3600)))
    (fired,) = await receive(hub, 1)
    assert fired.message.event.timer_id == 1
    assert clock.now() >= due
    # Its message becomes visible in the queue a moment later: that is a redelivery, not a second timer.
    polls = polls_of(account, hub._worker._reception.names.queue_of("abc123"))
    async with time_limit():
        while polls_of(account, hub._worker._reception.names.queue_of("abc123")) < polls + 8:
            await pause(0.05)
    assert len(hub._worker.deliveries.control) == 0
    await hub.discard([fired])
    await hub._worker.held.drain(5)


async def test_timer_further_away_than_queues_can_hide_it_is_hidden_again(
    open_azure, storage: StorageAccount, hub_name: str
) -> None:
    hub = await open_azure()
    instance = OrchestrationInstance("abc123", new_id())
    await hub.send(timer(instance, 1, later(30 * 24 * 3600)))
    queue = HubNames.of(hub_name, 4).queue_of("abc123")
    shown = timer(instance, 2, later(23 * 24 * 3600))  # as its queue shows it after seven days
    await storage.queues.put(queue, envelope.encode(shown, 1), ttl=-1)
    await storage.queues.put(queue, envelope.encode(raised("abc123", "After"), 2), ttl=-1)
    (after,) = await receive(hub, 1)
    assert after.message.event.name == "After"
    await hub.discard([after])
    await hub._worker.held.drain(5)
    assert await storage.queues.message_count(queue) == 2
    assert [one.message.event.timer_id for one in hub._worker.deliveries.schedule.messages()] == [1, 2]
    await hub.stop()
    assert await storage.queues.get(queue, 32, 1) == []


async def test_withdrawn_timer_is_deleted_from_its_queue(open_azure, storage: StorageAccount, hub_name: str) -> None:
    hub = await open_azure()
    instance = OrchestrationInstance("abc123", new_id())
    await hub.send(timer(instance, 1, later(3600)))
    await hub.send(timer(instance, 2, later(3600)))
    queue = HubNames.of(hub_name, 4).queue_of("abc123")
    assert await storage.queues.message_count(queue) == 2
    await hub.withdraw_timers("abc123", instance.execution_id, [2, 77])
    await hub._worker.held.drain(5)
    assert await storage.queues.message_count(queue) == 1


async def test_restored_timer_fires_when_its_message_is_lost(open_azure) -> None:
    hub = await open_azure(restored_timer_grace=0.1)
    instance = OrchestrationInstance("abc123", new_id())
    await hub.restore_timer(timer(instance, 3, later(0.3)))
    await hub.restore_timer(timer(instance, 3, later(0.3)))
    (fired,) = await receive(hub, 1)
    assert fired.message.event.timer_id == 3
    await hub.abandon([fired], delay=0.05)
    (again,) = await receive(hub, 1)
    assert again.dequeue_count == 2
    await hub.discard([again])


async def test_restored_timer_and_its_message_are_one(open_azure, storage: StorageAccount, hub_name: str) -> None:
    hub = await open_azure(restored_timer_grace=0.0)
    instance = OrchestrationInstance("abc123", new_id())
    message = timer(instance, 3, later(-1))
    await hub.restore_timer(message)
    (fired,) = await receive(hub, 1)
    queue = HubNames.of(hub_name, 4).queue_of("abc123")
    await storage.queues.put(queue, envelope.encode(message, 1), ttl=-1)
    await hub.restore_timer(message)
    await storage.queues.put(queue, envelope.encode(raised("abc123", "After"), 2), ttl=-1)
    (after,) = await receive(hub, 1)
    assert after.message.event.name == "After"
    await hub.discard([fired, after])
    await hub._worker.held.drain(5)
    assert await storage.queues.message_count(queue) == 0


async def test_hastened_timer_and_its_message_are_one(open_azure, storage: StorageAccount, hub_name: str) -> None:
    hub = await open_azure()
    instance = OrchestrationInstance("abc123", new_id())
    queue = HubNames.of(hub_name, 4).queue_of("abc123")
    unknown, known = timer(instance, 3, later(0.5)), timer(instance, 4, later(3600))
    await hub.send(known)
    assert await hub.hasten_timer(known)
    assert await hub.hasten_timer(unknown)
    fired = await receive(hub, 2)
    assert {one.message.event.timer_id for one in fired} == {3, 4}
    await hub.discard(fired)
    await storage.queues.put(queue, envelope.encode(unknown, 1), ttl=-1)
    await storage.queues.put(queue, envelope.encode(raised("abc123", "After"), 2), ttl=-1)
    (after,) = await receive(hub, 1)
    assert after.message.event.name == "After"
    await hub.discard([after])
    await hub._worker.held.drain(5)
    assert await storage.queues.message_count(queue) == 0


async def test_client_cannot_hasten_a_timer(open_azure) -> None:
    client = await open_azure(worker=False)
    assert not await client.hasten_timer(timer(OrchestrationInstance("abc123", new_id()), 3, later(3600)))


async def test_timer_that_the_queue_delivered_needs_no_stand_in(open_azure, storage: StorageAccount) -> None:
    hub = await open_azure(restored_timer_grace=0.3)
    client = await open_azure(worker=False, on=RecordingAccount(storage))
    instance = OrchestrationInstance("abc123", new_id())
    message = timer(instance, 3, later(0))
    await hub.restore_timer(message)
    await client.send(message)
    (fired,) = await receive(hub, 1)
    await hub.discard([fired])
    await hub.send(timer(instance, 4, later(0.6)))
    (other,) = await receive(hub, 1)
    assert other.message.event.timer_id == 4


async def test_delayed_start_that_was_terminated_is_dropped(open_azure) -> None:
    hub = await open_azure()
    state = await create(hub, "abc123", scheduled_start_time=later(0.6))
    await hub._instances.merge("abc123", {"RuntimeStatus": "Terminated"})
    assert state.execution_id is not None
    await create(hub, "other", scheduled_start_time=later(1.0))
    (start,) = await receive(hub, 1)
    assert start.message.target.instance_id == "other"


async def test_start_message_of_the_loser_of_a_race_is_deleted(
    open_azure, storage: StorageAccount, hub_name: str
) -> None:
    hub = await open_azure()
    await create(hub, "abc123")
    (start,) = await receive(hub, 1)
    loser = start_message("abc123", generation=0)
    queue = HubNames.of(hub_name, 4).queue_of("abc123")
    await storage.queues.put(queue, envelope.encode(loser, 1), ttl=-1)
    await storage.queues.put(queue, envelope.encode(raised("abc123"), 2), ttl=-1)
    (event,) = await receive(hub, 1)
    assert isinstance(event.message.event, e.EventRaised)
    await hub.discard([start, event])
    await hub._worker.held.drain(5)
    assert await storage.queues.message_count(queue) == 0


async def test_held_message_stays_hidden_while_it_is_worked_on(
    open_azure, storage: StorageAccount, hub_name: str
) -> None:
    hub = await open_azure(hold_time=1.0)
    await hub.send(raised("abc123"))
    (message,) = await receive(hub, 1)
    queue = HubNames.of(hub_name, 4).queue_of("abc123")
    until = later(2.5)
    while clock.now() < until:
        assert await storage.queues.peek(queue) == []
        await asyncio.sleep(0.1)
    await hub.discard([message])
    await hub._worker.held.drain(5)
    assert await storage.queues.message_count(queue) == 0


async def test_abandoned_message_comes_again_with_a_higher_count(open_azure) -> None:
    hub = await open_azure()
    await hub.send(raised("abc123"))
    (first,) = await receive(hub, 1)
    await hub.abandon([first], delay=0.2)
    (second,) = await receive(hub, 1)
    assert second.id == first.id
    assert second.dequeue_count == 2
    await hub.abandon([second], delay=0)
    (third,) = await receive(hub, 1)
    assert third.dequeue_count == 3
    await hub.discard([third])


async def test_control_messages_of_a_commit_keep_their_order(open_azure) -> None:
    hub = await open_azure()
    sent = [raised(f"target-{number % 3}", f"n{number:02d}") for number in range(40)]
    await hub._sender.send_all(sent)
    received = await receive(hub, 40)
    assert [message.message.event.name for message in received] == [f"n{number:02d}" for number in range(40)]


async def test_on_a_shared_account_a_request_is_left_to_others_unless_a_slot_is_free_here(
    open_azure, storage: StorageAccount, hub_name: str
) -> None:
    hub = await open_azure(take_all_activities=False)
    instance = OrchestrationInstance("abc123", new_id())
    await hub.send(activity(instance, 0))
    queue = HubNames.of(hub_name, 4).work_items
    assert len(await storage.queues.peek(queue)) == 1
    first = await receive_activity(hub)
    waiting = asyncio.create_task(receive_activity(hub))
    await _until_somebody_waits(hub)
    await hub.send(activity(instance, 1))
    second = await waiting
    assert (first.message.event.event_id, second.message.event.event_id) == (0, 1)


async def test_create_and_event_are_both_delivered_in_order(open_azure) -> None:
    hub = await open_azure()
    await hub.create_instance(start_message("abc123"), dedupe_statuses=NON_RUNNING)
    await hub.send(raised("abc123"))
    start, event = await receive(hub, 2)
    assert isinstance(start.message.event, e.ExecutionStarted)
    assert start.message.event.generation == 0
    assert isinstance(event.message.event, e.EventRaised)
    again = await hub.create_instance(start_message("abc123"), dedupe_statuses=ANY_STATE)
    assert again.generation == 1
