"""Sending and receiving control messages."""

import asyncio
import contextlib

import msgspec
from hub_samples import (
    activity,
    activity_result,
    clock,
    commit_of,
    later,
    new_id,
    nothing_more,
    pause,
    raised,
    receive,
    receive_activity,
    run_first_episode,
    time_limit,
    timer,
)

from durable_host.durable.model import identity
from durable_host.durable.model.events import (
    EventRaised,
    ExecutionResumed,
    ExecutionStarted,
    ExecutionSuspended,
    ExecutionTerminated,
    OrchestrationInstance,
    OrchestratorCompleted,
    OrchestratorStarted,
    ParentInstance,
    SubOrchestrationInstanceFailed,
    TaskFailed,
    TimerFired,
    TraceContext,
)
from durable_host.durable.model.messages import NO_SENDER, TaskMessage
from durable_host.durable.taskhub.port import TaskHub
from durable_host.timestamp import to_round_trip


async def test_messages_of_every_kind_arrive_as_they_were_sent(hub: TaskHub):
    instance = OrchestrationInstance("a", new_id())
    parent = ParentInstance("Parent", OrchestrationInstance("p", new_id()), 3)
    child = ExecutionStarted(
        orchestration_instance=instance,
        parent_instance=parent,
        name="Child",
        input="5",
        tags={"k": "v"},
        parent_trace_context=TraceContext(trace_parent="00-1-2-01", trace_state="x"),
        timestamp=clock.now(),
    )
    sent = [
        TaskMessage(child, instance, parent.orchestration_instance, 2, {"k": "v"}),
        raised("a", "Tag", None),
        activity_result(instance, 7, '{"x": "ü\\n☃"}'),
        TaskMessage(
            TaskFailed(task_scheduled_id=8, reason="boom", details="line\nline", timestamp=clock.now()),
            instance, instance, 4,
        ),
        TaskMessage(
            SubOrchestrationInstanceFailed(task_scheduled_id=9, reason="r", timestamp=clock.now()), instance, instance
        ),
        TaskMessage(ExecutionTerminated(input="why", timestamp=clock.now()), OrchestrationInstance("a")),
        TaskMessage(ExecutionSuspended(reason="wait", timestamp=clock.now()), OrchestrationInstance("a")),
        TaskMessage(ExecutionResumed(reason=None, timestamp=clock.now()), OrchestrationInstance("a")),
        timer(instance, 4, clock.now() - 5),
    ]  # fmt: skip
    sent = [msgspec.structs.replace(message, id=identity.new()) for message in sent]
    for message in sent:
        await hub.send(message)
    received = [item.message for item in await receive(hub, len(sent))]
    assert sorted(received, key=repr) == sorted(sent, key=repr)
    from_client = next(each for each in received if each.event.event_name == "EventRaised")
    assert from_client.sender == NO_SENDER
    assert from_client.episode is None


async def test_messages_of_one_sender_arrive_in_order(hub: TaskHub):
    for number in range(40):
        await hub.send(raised("a", f"event {number}"))
    names = [item.message.event.name for item in await receive(hub, 40)]
    assert names == [f"event {number}" for number in range(40)]


async def test_a_receiver_that_waits_already_gets_a_message_at_once(hub: TaskHub):
    waiting = asyncio.create_task(receive(hub, 1))
    await asyncio.sleep(0)
    await hub.send(raised("a", "E"))
    (message,) = await waiting
    assert message.message.event.name == "E"


async def test_a_message_is_delivered_once_to_a_live_receiver(hub: TaskHub):
    await hub.send(raised("a", "E"))
    await receive(hub, 1)
    await nothing_more(hub, "a")


async def test_a_timer_is_delivered_when_it_is_due(hub: TaskHub):
    instance = OrchestrationInstance("a", new_id())
    soon, sooner = later(2.2), later(1.1)
    await hub.send(timer(instance, 2, soon))
    await hub.send(timer(instance, 1, sooner))
    await hub.send(raised("a", "now"))
    first, second, third = await receive(hub, 3)
    assert isinstance(first.message.event, EventRaised)
    assert [second.message.event.timer_id, third.message.event.timer_id] == [1, 2]
    assert isinstance(second.message.event, TimerFired)
    assert second.received_time >= sooner
    assert third.received_time >= soon


async def test_a_delayed_entity_signal_is_delivered_when_it_is_due(hub: TaskHub):
    due = later(1.2)
    await hub.send(raised("@counter@a", f"op@{to_round_trip(due)}"))
    await hub.send(raised("@counter@a", "op"))
    first, second = await receive(hub, 2)
    assert first.message.event.name == "op"
    assert second.received_time >= due


async def test_discarded_messages_are_gone(hub: TaskHub):
    await hub.send(raised("a", "E"))
    await hub.discard(await receive(hub, 1))
    await nothing_more(hub, "a")


async def test_an_abandoned_message_comes_back_with_the_same_id(hub: TaskHub):
    await hub.send(raised("a", "E"))
    (first,) = await receive(hub, 1)
    assert first.dequeue_count == 1
    await hub.abandon([first], delay=0)
    (second,) = await receive(hub, 1)
    assert second.id == first.id
    assert second.message == first.message
    assert second.dequeue_count == 2


async def test_an_abandoned_message_comes_back_after_its_delay(hub: TaskHub):
    await hub.send(raised("a", "E"))
    (first,) = await receive(hub, 1)
    due = later(1.0)
    await hub.abandon([first], delay=1.2)
    (second,) = await receive(hub, 1)
    assert second.received_time >= due
    assert second.id == first.id


async def test_ids_of_messages_differ(hub: TaskHub):
    for _ in range(10):
        await hub.send(raised("a", "same"))
    assert len({item.id for item in await receive(hub, 10)}) == 10


async def test_a_cancelled_receiver_loses_no_message(hub: TaskHub):
    for number in range(20):
        waiting = asyncio.create_task(hub.next_control_messages())
        await asyncio.sleep(0)
        sending = asyncio.create_task(hub.send(raised("a", str(number))))
        for _ in range(number):
            await asyncio.sleep(0)
        waiting.cancel()
        await sending
        with contextlib.suppress(asyncio.CancelledError):
            await hub.abandon(await waiting, delay=0)
    names = {item.message.event.name for item in await receive(hub, 20)}
    assert names == {str(number) for number in range(20)}


async def test_many_senders_and_instances_at_once_lose_nothing(hub: TaskHub):
    async def send(sender: int):
        for number in range(20):
            await hub.send(raised(f"instance {sender}", f"{number}"))

    async with time_limit(), asyncio.TaskGroup() as group:
        for sender in range(10):
            group.create_task(send(sender))
        received = await receive(hub, 200)
    by_instance: dict[str, list[str]] = {}
    for item in received:
        by_instance.setdefault(item.message.target.instance_id, []).append(item.message.event.name)
    assert len(by_instance) == 10
    assert all(sorted(names, key=int) == [str(number) for number in range(20)] for names in by_instance.values())


async def test_large_messages_arrive_whole(hub: TaskHub):
    text = '"' + "x☃" * 100_000 + '"'
    await hub.send(raised("a", "E", text))
    (message,) = await receive(hub, 1)
    assert message.message.event.input == text
    await hub.discard([message])
    start, _ = await run_first_episode(hub, "b", input=text)
    assert start.event.input == text


async def test_a_withdrawn_timer_does_not_fire_and_others_do(hub: TaskHub):
    start, checkpoint = await run_first_episode(hub, "a")
    other = OrchestrationInstance("a", new_id())
    due = later(1.2)
    timers = [timer(start.target, 1, due), timer(start.target, 2, due), timer(other, 1, due)]
    episode = [OrchestratorStarted(timestamp=clock.now()), OrchestratorCompleted(timestamp=clock.now())]
    await hub.commit(commit_of(start, episode, checkpoint=checkpoint, first_ordinal=3, outbound=timers))
    await hub.withdraw_timers("a", start.target.execution_id or "", [1])
    fired = {(item.message.target.execution_id, item.message.event.timer_id) for item in await receive(hub, 2)}
    assert fired == {(start.target.execution_id, 2), (other.execution_id, 1)}
    await nothing_more(hub, "a")


async def test_withdrawing_unknown_timers_changes_nothing(hub: TaskHub):
    await hub.withdraw_timers("nobody", "e", [1, 2])


async def test_a_restored_timer_whose_message_exists_fires_once(hub: TaskHub):
    start, _ = await run_first_episode(hub, "a")
    message = timer(start.target, 1, later(1.2))
    await hub.send(message)
    await hub.restore_timer(message)
    (fired,) = await receive(hub, 1)
    assert fired.message.event.timer_id == 1


async def test_a_hastened_timer_fires_now_and_only_once(hub: TaskHub):
    start, checkpoint = await run_first_episode(hub, "a")
    soon, late = timer(start.target, 1, later(3600)), timer(start.target, 2, later(3600))
    episode = [OrchestratorStarted(timestamp=clock.now()), OrchestratorCompleted(timestamp=clock.now())]
    await hub.commit(commit_of(start, episode, checkpoint=checkpoint, first_ordinal=3, outbound=[soon, late]))
    assert await hub.hasten_timer(soon)
    (fired,) = await receive(hub, 1)
    assert fired.message.event == soon.event
    assert not await hub.hasten_timer(soon)
    await hub.discard([fired])
    await nothing_more(hub, "a")


async def test_a_hastened_timer_that_is_released_fires_again(hub: TaskHub):
    start, _ = await run_first_episode(hub, "a")
    message = timer(start.target, 1, later(3600))
    await hub.send(message)
    await hub.hasten_timer(message)
    await hub.abandon(await receive(hub, 1), delay=0.0)
    (again,) = await receive(hub, 1)
    assert (again.message.event, again.dequeue_count) == (message.event, 2)


async def test_only_timers_can_be_hastened(hub: TaskHub):
    assert not await hub.hasten_timer(raised("a", "Event"))


async def test_released_messages_are_recalled_at_once(hub: TaskHub):
    await hub.send(raised("a", "One"))
    await hub.send(raised("b", "Other"))
    received = await receive(hub, 2)
    await hub.abandon(received, delay=600.0)
    (recalled,) = await hub.recall("a")
    assert (recalled.message.event.name, recalled.dequeue_count) == ("One", 2)
    assert await hub.recall("a") == []
    await hub.discard([recalled])
    await nothing_more(hub, "a")


async def test_what_was_consumed_after_its_release_had_failed_halfway_does_not_come_again(hub: TaskHub):
    """The caller does not know that some of the messages were released."""
    await hub.send(raised("a", "One"))
    await hub.send(raised("a", "Two"))
    one, two = await receive(hub, 2)
    await hub.abandon([one], delay=600.0)
    await hub.abandon([two], delay=0.3)
    await hub.discard([one, two])
    assert await hub.recall("a") == []
    await pause(0.6)
    await nothing_more(hub, "a")


async def test_released_activities_are_not_recalled(hub: TaskHub):
    start, _ = await run_first_episode(hub, "a")
    await hub.send(activity(start.target))
    await hub.abandon([await receive_activity(hub)], delay=0.3)
    assert await hub.recall("a") == []
    assert (await receive_activity(hub)).dequeue_count == 2


async def test_timers_that_are_not_due_are_not_recalled(hub: TaskHub):
    await hub.send(timer(OrchestrationInstance("a", new_id()), 1, later(600)))
    assert await hub.recall("a") == []
