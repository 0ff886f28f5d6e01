"""Messages to an instance that has not begun wait for it."""

import pytest
from runtime_world import App, Hosts

from durable_host.durable.model.status import OrchestrationStatus

HOUR = 36_000_000_000
SOON = 10_000_000


@pytest.fixture
def waits(app: App) -> App:
    @app.orchestrator
    def two(context):
        first = yield context.wait_for_external_event("Go")
        second = yield context.wait_for_external_event("Go")
        return [first, second]

    return app


@pytest.mark.parametrize("is_replaced", [False, True], ids=["new", "replaced"])
async def test_events_to_a_scheduled_instance_are_taken_in_order_when_it_begins(
    waits: App, virtual_hosts: Hosts, is_replaced: bool
) -> None:
    world = await virtual_hosts.start(waits)
    if is_replaced:
        await world.start("chain", "i", ["a"])
        await world.result("i")
    begin = world.clock.now() + SOON
    await world.client.start("two", instance_id="i", scheduled_start=begin)
    await world.client.raise_event("i", "Go", "1")
    await world.client.suspend("i", None)
    await world.client.resume("i", None)
    await world.client.raise_event("i", "Go", "2")
    assert await world.output("i") == [1, 2]
    first = [one for one in world.hub.commits if one.instance_id == "i"][-1]
    assert len(first.consumed) == 5


async def test_terminate_ends_a_replaced_instance_before_it_began(app: App, hosts: Hosts) -> None:
    world = await hosts.start(app)
    await world.start("chain", "i", ["a"])
    await world.result("i")
    await world.client.start("chain", instance_id="i", scheduled_start=world.clock.now() + HOUR)
    await world.client.terminate("i", "changed my mind")
    state = await world.result("i")
    assert (state.runtime_status, state.output) == (OrchestrationStatus.Terminated, "changed my mind")
