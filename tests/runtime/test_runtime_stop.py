"""The end of a runtime, and the housekeeping of its sessions while it is busy."""

import asyncio
from typing import Any

import pytest
from runtime_world import App, Hosts, runtime_options

from durable_host.durable.model.instance import InstanceUpdate
from durable_host.durable.model.status import OrchestrationStatus
from durable_host.durable.runtime import session_cache as sessions_module
from durable_host.durable.runtime.live_instances import LiveInstances
from durable_host.durable.runtime.session_cache import SessionCache


def _counter(app: App) -> None:
    @app.entity
    def counter(context: Any) -> None:
        context.set_state((context.get_state(lambda: 0)) + 1)


async def test_no_entity_work_begins_while_the_runtime_stops(app: App, hosts: Hosts) -> None:
    _counter(app)
    world = await hosts.start(app, options=runtime_options(max_concurrent_entity_functions=1))
    begun: list[str] = []
    entity_may_end, orchestrator_may_end = asyncio.Event(), asyncio.Event()
    run_entity = app.run_entity

    async def run_slowly(function: str, trigger: str, *, instance_id: str, trace: Any = None) -> str | None:
        begun.append(instance_id)
        await entity_may_end.wait()
        return await run_entity(function, trigger, instance_id=instance_id, trace=trace)

    async def wait(_: str) -> None:
        await orchestrator_may_end.wait()

    app.before_episode, app.run_entity = wait, run_slowly
    await world.start("chain", "c", ["a"])
    await world.client.entities.signal("counter", "1", "add")
    await world.until(lambda: begun and app.running)
    await world.client.entities.signal("counter", "2", "add")
    await world.until(lambda: len(world.runtime._sessions) == 3)
    stopping = asyncio.ensure_future(world.runtime.stop(60.0))
    await world.until(lambda: world.runtime._main is None)
    entity_may_end.set()
    await world.until(lambda: not world.runtime._entities.running)
    orchestrator_may_end.set()
    await stopping
    assert begun == ["@counter@1"]
    await world.hub.close()
    world = await hosts.start(app)
    await world.until(lambda: begun == ["@counter@1", "@counter@2"])
    assert await world.output("c") == ["Hello a"]


async def test_stop_right_after_the_start_repairs_the_row_that_a_crash_left_behind(app: App, hosts: Hosts) -> None:
    world = await hosts.start(app)
    await world.start("chain", "c", ["a"])
    done = await world.result("c")
    await world.lose_end("c")
    await world.crash()
    world = await hosts.start(app)
    await world.runtime.stop()
    repaired = await world.hub.get_instance("c")
    assert repaired is not None
    assert (repaired.runtime_status, repaired.output) == (OrchestrationStatus.Completed, done.output)


async def test_a_stop_reports_the_work_of_an_earlier_process_without_waiting_for_it(
    app: App, hosts: Hosts, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    world = await hosts.start(app)

    async def never_answers() -> None:
        await asyncio.Event().wait()

    monkeypatch.setattr(world.hub, "owed_listed", never_answers)
    await world.runtime.stop(0.2)
    assert "work that an earlier process left in the task hub" in caplog.text
    assert "The next host will finish it" in caplog.text


class _Hub:
    """Counts the held back times that are written."""

    def __init__(self) -> None:
        self.touched: list[str] = []

    async def touch_instance(self, instance_id: str, last_updated_time: int) -> None:
        self.touched.append(instance_id)


class _Code:
    def forget(self, instance_id: str, execution_id: str) -> None:
        pass


async def test_idle_sessions_are_dropped_however_busy_other_sessions_are(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sessions_module, "IDLE_SECONDS", 0.1)
    monkeypatch.setattr(sessions_module, "TOUCH_AFTER_SECONDS", 0.001)
    hub = _Hub()
    cache = SessionCache(hub, _Code(), LiveInstances())  # type: ignore[arg-type]
    cache.get("idle")
    busy = cache.get("busy")
    busy.is_scheduled = True
    loops = [asyncio.ensure_future(cache.sweep_idle()), asyncio.ensure_future(cache.write_deferred_times())]
    async with asyncio.timeout(30):
        while cache.all() != [busy]:
            cache.committed(busy, InstanceUpdate(execution_id="x", last_updated_time=1), is_written=False)
            await asyncio.sleep(0)
    busy.is_scheduled = False
    async with asyncio.timeout(30):
        while not hub.touched:  # noqa: ASYNC110
            await asyncio.sleep(0.001)
    for loop in loops:
        loop.cancel()
    await asyncio.gather(*loops, return_exceptions=True)
    assert hub.touched == ["busy"]


async def test_a_new_session_never_makes_room_for_itself() -> None:
    cache = SessionCache(_Hub(), _Code(), LiveInstances(), 1)  # type: ignore[arg-type]
    cache.get("busy").is_scheduled = True
    new = cache.get("new")
    assert cache.get("new") is new
