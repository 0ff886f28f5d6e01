"""Creating instances."""

import asyncio

import pytest
from hub_samples import ANY_STATE, NON_RUNNING, complete, create, later, receive, start_message, time_limit

from durable_host.durable.model.status import OrchestrationStatus
from durable_host.durable.taskhub.port import InstanceExists, TaskHub


async def test_a_new_instance_is_pending_and_its_start_is_delivered(hub: TaskHub):
    start = start_message("a", tags={"k": "v"})
    created = await hub.create_instance(start, dedupe_statuses=NON_RUNNING)
    state = await hub.get_instance("a")
    assert state is not None
    assert state.runtime_status == created.runtime_status == OrchestrationStatus.Pending
    assert (state.name, state.version, state.input, state.generation) == ("Hello", "", '"Tokyo"', 0)
    assert state.execution_id == start.target.execution_id
    assert state.created_time == start.event.timestamp
    assert state.output is None
    assert state.completed_time is None
    (message,) = await receive(hub, 1)
    assert message.message.target == start.target
    assert message.message.event.input == '"Tokyo"'
    assert message.message.event.generation == 0
    assert message.message.event.tags == {"k": "v"}
    assert message.dequeue_count == 1


async def test_an_unknown_instance_is_none(hub: TaskHub):
    assert await hub.get_instance("nobody") is None


async def test_an_instance_that_runs_is_not_replaced(hub: TaskHub):
    await create(hub, "a")
    with pytest.raises(InstanceExists) as caught:
        await create(hub, "a")
    assert caught.value.status == OrchestrationStatus.Pending
    (message,) = await receive(hub, 1)
    assert (await hub.get_instance("a")).execution_id == message.message.target.execution_id


@pytest.mark.parametrize(
    "ended", [OrchestrationStatus.Completed, OrchestrationStatus.Failed, OrchestrationStatus.Terminated]
)
async def test_an_ended_instance_is_replaced_with_the_next_generation(hub: TaskHub, ended: OrchestrationStatus):
    await complete(hub, "a", ended)
    await create(hub, "a", input="2")
    state = await hub.get_instance("a")
    assert state.generation == 1
    assert state.runtime_status == OrchestrationStatus.Pending
    assert (state.input, state.output, state.completed_time) == ("2", None, None)
    (message,) = await receive(hub, 1)
    assert message.message.event.generation == 1


async def test_a_pending_instance_is_replaced_when_any_state_may_be(hub: TaskHub):
    await create(hub, "a", input="1")
    again = start_message("a", input="2")
    await hub.create_instance(again, dedupe_statuses=ANY_STATE)
    state = await hub.get_instance("a")
    assert (state.execution_id, state.input, state.generation) == (again.target.execution_id, "2", 1)
    async with time_limit():
        while again.target.execution_id not in {
            item.message.target.execution_id for item in await hub.next_control_messages()
        }:
            pass


async def test_of_two_creators_of_one_instance_exactly_one_starts_it(hub: TaskHub):
    starts = [start_message("a", input=str(number)) for number in range(5)]
    results = await asyncio.gather(
        *(hub.create_instance(start, dedupe_statuses=NON_RUNNING) for start in starts), return_exceptions=True
    )
    assert all(isinstance(result, InstanceExists) or result.instance_id == "a" for result in results)
    (message,) = await receive(hub, 1)
    assert message.message.target.execution_id == (await hub.get_instance("a")).execution_id


async def test_a_scheduled_start_is_delivered_when_it_is_due(hub: TaskHub):
    due = later(1.2)
    await create(hub, "later", scheduled_start_time=due)
    await create(hub, "now")
    first, second = await receive(hub, 2)
    assert first.message.target.instance_id == "now"
    assert second.message.target.instance_id == "later"
    assert second.received_time >= due
    assert (await hub.get_instance("later")).scheduled_start_time == due


async def test_large_inputs_come_back_whole(hub: TaskHub):
    text = '"' + "é" * 200_000 + '"'
    await create(hub, "a", input=text)
    (message,) = await receive(hub, 1)
    assert message.message.event.input == text
    assert (await hub.get_instance("a")).input == text


async def test_input_and_output_are_left_out_on_request(hub: TaskHub):
    await complete(hub, "a")
    bare = await hub.get_instance("a", fetch_input=False, fetch_output=False)
    assert (bare.input, bare.output) == (None, None)
    full = await hub.get_instance("a")
    assert (full.input, full.output) == ('"Tokyo"', '"done"')
