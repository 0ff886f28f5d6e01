"""Messages to an instance that has not begun wait for it."""

from collections.abc import Sequence

import pytest
from runtime_world import App, Hosts, RecordingHub

from durable_host.durable.model import identity
from durable_host.durable.model.events import EventRaised, OrchestrationInstance
from durable_host.durable.model.messages import TaskMessage
from durable_host.durable.model.status import OrchestrationStatus
from durable_host.durable.taskhub.port import ReceivedMessage
from durable_host.testing import VirtualClock

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


class ReleasingHub(RecordingHub):
    """Counts the messages that are released."""

    released = 0

    async def abandon(self, messages: Sequence[ReceivedMessage], *, delay: float | None = None) -> None:
        await super().abandon(messages, delay=delay)
        self.released += len(messages)


async def test_copies_of_an_event_that_wait_for_the_start_are_taken_once(waits: App, hosts: Hosts) -> None:
    """They came one by one: the response to the first put was lost, so the event was put again."""
    clock = VirtualClock()
    hub = hosts.hub(ReleasingHub, clock)
    world = await hosts.start(waits, hub=hub, clock=clock)
    await world.client.start("two", instance_id="i", scheduled_start=clock.now() + SOON)
    ids = [identity.new(), identity.new()]
    for released, number in enumerate((0, 0, 1), 1):
        event = EventRaised(name="Go", input=str(number), timestamp=clock.now() + number)
        await hub.send(TaskMessage(event, OrchestrationInstance("i"), id=ids[number]))
        await world.until(lambda released=released: hub.released == released)
    async with clock.auto_advance():
        assert await world.output("i") == [0, 1]
    history = await hub.get_history("i")
    assert sum(isinstance(event, EventRaised) for event in history) == 2
    assert len([one for one in hub.commits if one.instance_id == "i"][-1].consumed) == 4


async def test_terminate_ends_a_replaced_instance_before_it_began(app: App, hosts: Hosts) -> None:
    world = await hosts.start(app)
    await world.start("chain", "i", ["a"])
    await world.result("i")
    await world.client.start("chain", instance_id="i", scheduled_start=world.clock.now() + HOUR)
    await world.client.terminate("i", "changed my mind")
    state = await world.result("i")
    assert (state.runtime_status, state.output) == (OrchestrationStatus.Terminated, "changed my mind")
