"""Timers in virtual time."""

from datetime import timedelta

import azure.durable_functions as df
from runtime_world import App, Hosts

from durable_host.testing.virtual_clock import VirtualClock


async def test_days_pass_until_a_timer_fires(app: App, hosts: Hosts) -> None:
    @app.orchestrator
    def patient(context):
        begun = context.current_utc_datetime
        yield context.create_timer(begun + timedelta(days=2))
        return (context.current_utc_datetime - begun).total_seconds()

    clock = VirtualClock()
    world = await hosts.start(app, clock=clock)
    async with clock.auto_advance():
        await world.start("patient", "p")
        while not (state := await world.client.get("p")) or not state.runtime_status.is_terminal:
            await clock.sleep(3600.0)
    assert float(state.output or "0") >= 172800.0


async def test_cancelled_timer_is_withdrawn_when_the_instance_ends(app: App, hosts: Hosts) -> None:
    @app.orchestrator
    def race(context):
        timer = context.create_timer(context.current_utc_datetime + timedelta(days=2))
        event = context.wait_for_external_event("Approval")
        winner = yield context.task_any([timer, event])
        timer.cancel()
        yield context.wait_for_external_event("More")
        return winner is event

    world = await hosts.start(app)
    await world.start("race", "r")
    await world.until(lambda: world.hub.commits)
    await world.client.raise_event("r", "Approval", "1")
    await world.until(lambda: len(world.hub.commits) == 2)
    assert not world.hub.withdrawn
    await world.client.raise_event("r", "More", "1")
    assert await world.output("r") is True
    await world.until(lambda: world.hub.withdrawn)
    (instance_id, execution_id, timers) = world.hub.withdrawn[0]
    assert (instance_id, timers) == ("r", {0})
    assert execution_id == world.hub.commits[0].execution_id


async def test_code_may_wait_for_a_timer_that_it_cancelled(app: App, hosts: Hosts) -> None:
    @app.orchestrator
    def patient(context):
        timer = context.create_timer(context.current_utc_datetime + timedelta(minutes=5))
        yield context.task_any([timer, context.call_activity("quick", None)])
        timer.cancel()
        yield timer
        return "waited"

    @app.activity
    def quick(_):
        return None

    clock = VirtualClock()
    world = await hosts.start(app, clock=clock)
    async with clock.auto_advance():
        await world.start("patient", "p")
        while not (state := await world.client.get("p")) or not state.runtime_status.is_terminal:
            await clock.sleep(60.0)
    assert state.output == '"waited"'


async def test_timers_of_an_ended_instance_are_withdrawn(app: App, hosts: Hosts) -> None:
    @app.orchestrator
    def waiting(context):
        yield context.create_timer(context.current_utc_datetime + timedelta(days=2))

    world = await hosts.start(app)
    await world.start("waiting", "w")
    await world.until(lambda: world.hub.commits)
    await world.client.terminate("w", "enough")
    await world.result("w")
    await world.until(lambda: world.hub.withdrawn)
    assert world.hub.withdrawn[0][2] == {0}


async def test_retries_wait_for_their_intervals(app: App, hosts: Hosts) -> None:
    attempts: list[int] = []

    @app.activity
    def flaky(_: str) -> str:
        attempts.append(1)
        if len(attempts) < 3:
            raise ValueError("not yet")
        return "at last"

    @app.orchestrator
    def retrying(context):
        return (yield context.call_activity_with_retry("flaky", df.RetryOptions(60_000, 5), "x"))

    clock = VirtualClock()
    world = await hosts.start(app, clock=clock)
    begun = clock.now()
    async with clock.auto_advance():
        await world.start("retrying", "r")
        state = await world.client.wait_for_completion("r", 3600.0, 60.0)
    assert state is not None
    assert state.output == '"at last"'
    assert clock.now() - begun >= 120 * 10_000_000


async def test_event_for_a_scheduled_start_is_kept(app: App, hosts: Hosts) -> None:
    clock = VirtualClock()
    world = await hosts.start(app, clock=clock)
    async with clock.auto_advance():
        start = clock.now() + 2 * 3600 * 10_000_000
        await world.client.start("approval", instance_id="a", scheduled_start=start)
        await world.client.raise_event("a", "Approval", '"early"')
        state = await world.client.wait_for_completion("a", 4 * 3600.0, 600.0)
    assert state is not None
    assert state.output == '"early"'
