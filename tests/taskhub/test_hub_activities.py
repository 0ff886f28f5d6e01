"""Activity requests and their results."""

import asyncio

from hub_samples import (
    activity,
    activity_result,
    clock,
    commit_of,
    create,
    first_episode,
    later,
    new_id,
    receive,
    receive_activity,
    run_first_episode,
    time_limit,
)

from durable_host.durable.model.events import OrchestrationInstance, TaskScheduled
from durable_host.durable.model.messages import TaskMessage
from durable_host.durable.taskhub.port import ReceivedMessage, TaskHub


async def _request(hub: TaskHub, count: int = 1) -> OrchestrationInstance:
    instance = OrchestrationInstance("a", new_id())
    await run_first_episode(hub, "a", outbound=[activity(instance, number) for number in range(count)])
    return instance


async def test_a_request_arrives_with_its_input_and_tags(hub: TaskHub):
    instance = await _request(hub)
    received = await receive_activity(hub)
    sent = activity(instance)
    assert received.message.event.input == '["Tokyo"]'
    assert received.message.event.event_id == 0
    assert received.message.target == instance
    assert received.message.tags == sent.tags == {}
    assert received.message.episode == 1


async def test_completing_sends_the_result_and_deletes_the_request(hub: TaskHub):
    instance = await _request(hub)
    request = await receive_activity(hub)
    result = activity_result(instance)
    await hub.complete_activity(request, result)
    (message,) = await receive(hub, 1)
    assert message.message == result
    await create(hub, "b")
    assert (await receive(hub, 1))[0].message.target.instance_id == "b"


async def test_an_abandoned_request_is_delivered_again(hub: TaskHub):
    await _request(hub)
    first = await receive_activity(hub)
    await hub.abandon([first], delay=0)
    second = await receive_activity(hub)
    assert second.id == first.id
    assert second.dequeue_count == 2


async def test_an_abandoned_request_waits_for_its_delay(hub: TaskHub):
    await _request(hub)
    first = await receive_activity(hub)
    due = later(1.0)
    await hub.abandon([first], delay=1.2)
    assert (await receive_activity(hub)).received_time >= due


async def test_requests_are_shared_among_the_slots_without_doubles(hub: TaskHub):
    await _request(hub, 30)
    seen: list[int] = []

    async def slot():
        while len(seen) < 30:
            (request,) = await hub.next_activities(1)
            seen.append(request.message.event.event_id)
            await hub.discard([request])

    slots = [asyncio.create_task(slot()) for _ in range(4)]
    async with time_limit():
        await asyncio.wait(slots, return_when=asyncio.FIRST_COMPLETED)
    for task in slots:
        task.cancel()
    await asyncio.gather(*slots, return_exceptions=True)
    assert sorted(seen) == list(range(30))


async def test_several_requests_are_received_at_once_up_to_the_limit_and_none_twice(hub: TaskHub):
    await _request(hub, 5)
    received: list[ReceivedMessage] = []
    async with time_limit():
        while len(received) < 5:
            together = await hub.next_activities(3)
            assert 1 <= len(together) <= 3
            received += together
    assert sorted(one.message.event.event_id for one in received) == list(range(5))
    assert {one.dequeue_count for one in received} == {1}
    other = activity(OrchestrationInstance("b", new_id()), 7)
    await hub.send(other)
    async with time_limit():
        (last,) = await hub.next_activities(3)
    assert last.message == other
    await hub.discard([*received, last])


async def test_a_waiting_slot_gets_a_request_at_once(hub: TaskHub):
    waiting = asyncio.create_task(receive_activity(hub))
    await asyncio.sleep(0)
    await _request(hub)
    assert (await waiting).message.event.name == "SayHello"


async def test_large_inputs_and_results_arrive_whole(hub: TaskHub):
    big = '"' + "é☃" * 100_000 + '"'
    instance = OrchestrationInstance("a", new_id())
    await run_first_episode(hub, "a", outbound=[activity(instance, 0, f"[{big}]")])
    request = await receive_activity(hub)
    assert request.message.event.input == f"[{big}]"
    await hub.complete_activity(request, activity_result(instance, 0, big))
    (message,) = await receive(hub, 1)
    assert message.message.event.result == big


async def _scheduled(hub: TaskHub, count: int, *, cancelled: bool = False) -> list[TaskMessage]:
    """A first episode that calls activities 0, 1, 2 ...; `cancelled`: nobody waits for its commit."""
    await create(hub, "a")
    (received,) = await receive(hub, 1)
    start = received.message
    requests = [activity(start.target, number) for number in range(count)]
    scheduled = [TaskScheduled(event_id=number, name="SayHello", timestamp=clock.now()) for number in range(count)]
    committing = asyncio.ensure_future(
        hub.commit(commit_of(start, first_episode(start, *scheduled), [received], outbound=requests))
    )
    if cancelled:
        async with time_limit():
            while not (await hub.load_history("a")).events:  # noqa: ASYNC110
                await asyncio.sleep(0)
        committing.cancel()
    await asyncio.gather(committing, return_exceptions=True)
    return requests


async def test_activities_of_an_episode_run_in_the_order_of_their_calls_for_any_count(hub: TaskHub):
    requests = await _scheduled(hub, 300)
    received = [await receive_activity(hub) for _ in requests]
    assert [one.message for one in received] == requests
    assert {one.dequeue_count for one in received} == {1}
    await hub.discard(received)


async def test_activities_that_were_not_received_survive_a_stop(open_hub):
    hub: TaskHub = await open_hub()
    requests = await _scheduled(hub, 3)
    first = await receive_activity(hub)
    await hub.discard([first])
    await hub.stop()
    heir: TaskHub = await open_hub()
    received = [await receive_activity(heir) for _ in range(2)]
    assert [one.message for one in received] == [one for one in requests if one != first.message]
    assert {one.dequeue_count for one in received} == {1}


async def test_activities_of_a_commit_whose_caller_went_away_run(hub: TaskHub):
    requests = await _scheduled(hub, 2, cancelled=True)
    assert [(await receive_activity(hub)).message for _ in range(2)] == requests


async def test_activities_sent_by_others_run_between_those_of_this_process(hub: TaskHub):
    (own,) = await _scheduled(hub, 1)
    other = activity(OrchestrationInstance("b", new_id()), 7)
    await hub.send(other)
    assert {(await receive_activity(hub)).message.id for _ in range(2)} == {own.id, other.id}
