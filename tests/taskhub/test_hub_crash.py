"""What remains after a crash or a stop: nothing is lost."""

import asyncio

import pytest
from hub_samples import (
    activity,
    create,
    later,
    raised,
    receive,
    receive_activity,
    run_first_episode,
    timer,
)

from durable_host.durable.taskhub.port import TaskHub


async def test_messages_of_a_crashed_receiver_are_delivered_again(open_hub, crash):
    crashing: TaskHub = await open_hub(short_visibility=True)
    for number in range(5):
        await crashing.send(raised("a", str(number)))
    first = await receive(crashing, 5)
    await crash(crashing)
    hub: TaskHub = await open_hub(short_visibility=True)
    second = await receive(hub, 5)
    assert {item.id: item.message for item in second} == {item.id: item.message for item in first}


async def test_an_activity_request_of_a_crashed_host_is_delivered_again(open_hub, crash):
    crashing: TaskHub = await open_hub(short_visibility=True)
    start, _ = await run_first_episode(crashing, "a")
    await run_first_episode(crashing, "b", outbound=[activity(start.target, 3)])
    first = await receive_activity(crashing)
    await crash(crashing)
    hub: TaskHub = await open_hub(short_visibility=True)
    second = await receive_activity(hub)
    assert (second.id, second.message) == (first.id, first.message)


async def test_everything_committed_survives_a_crash(open_hub, crash):
    crashing: TaskHub = await open_hub(short_visibility=True)
    await create(crashing, "pending", input='"x"')
    start = (await receive(crashing, 1))[0]
    await crashing.discard([start])
    ran, checkpoint = await run_first_episode(crashing, "running", outbound=[raised("other", "E")])
    history = await crashing.get_history("running")
    due = later(1.5)
    await crashing.send(timer(ran.target, 1, due))
    await crash(crashing)
    hub: TaskHub = await open_hub(short_visibility=True)
    assert (await hub.get_instance("pending")).input == '"x"'
    loaded = await hub.load_history("running")
    assert (loaded.events, loaded.checkpoint) == (history, checkpoint)
    first, second = await receive(hub, 2)
    assert first.message.event.name == "E"
    assert second.message.event.timer_id == 1
    assert second.received_time >= due


async def test_stopping_releases_what_was_received(open_hub, crash):
    stopping: TaskHub = await open_hub()
    await stopping.send(raised("a", "E"))
    await run_first_episode_beside(stopping)
    await receive(stopping, 1)
    await receive_activity(stopping)
    await stopping.stop()
    await stopping.close()
    hub: TaskHub = await open_hub()
    assert (await receive(hub, 1))[0].message.event.name == "E"
    assert (await receive_activity(hub)).message.event.name == "SayHello"


async def run_first_episode_beside(hub: TaskHub) -> None:
    """An activity request in the queue, with its orchestration's start consumed and other messages untouched."""
    waiting = await receive(hub, 1)
    start, _ = await run_first_episode(hub, "b")
    await run_first_episode(hub, "c", outbound=[activity(start.target)])
    await hub.abandon(waiting, delay=0)


async def test_nothing_is_received_before_start(open_hub, crash):
    client: TaskHub = await open_hub(worker=False)
    waiting = asyncio.create_task(client.next_control_messages())
    await client.send(raised("a", "E"))
    hub: TaskHub = await open_hub()
    assert (await receive(hub, 1))[0].message.event.name == "E"
    assert not waiting.done()
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)


async def test_a_worker_gets_what_a_client_object_sends(open_hub, adapter):
    if adapter == "sqlite-inline":
        pytest.skip("in virtual time nobody looks for messages from outside")
    hub: TaskHub = await open_hub()
    client: TaskHub = await open_hub(worker=False)
    waiting = asyncio.create_task(receive(hub, 1))
    await asyncio.sleep(0)
    await client.send(raised("a", "E"))
    assert (await waiting)[0].message.event.name == "E"


async def test_a_stopped_hub_can_be_started_again(open_hub, crash):
    hub: TaskHub = await open_hub()
    await hub.stop()
    await hub.start()
    await hub.send(raised("a", "E"))
    assert (await receive(hub, 1))[0].message.event.name == "E"
