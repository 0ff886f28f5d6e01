"""Activity requests and their results."""

import asyncio

from hub_samples import (
    activity,
    activity_result,
    create,
    later,
    new_id,
    receive,
    receive_activity,
    run_first_episode,
    time_limit,
)

from durable_host.durable.model.events import OrchestrationInstance
from durable_host.durable.taskhub.port import TaskHub


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
            request = await hub.next_activity()
            seen.append(request.message.event.event_id)
            await hub.discard([request])

    slots = [asyncio.create_task(slot()) for _ in range(4)]
    async with time_limit():
        await asyncio.wait(slots, return_when=asyncio.FIRST_COMPLETED)
    for task in slots:
        task.cancel()
    await asyncio.gather(*slots, return_exceptions=True)
    assert sorted(seen) == list(range(30))


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
