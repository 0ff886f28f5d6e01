"""The deliberate differences about events, compared with the real host: the second table of the page events.

Its rows are numbered on from the first table: 12 is its first row, 23 the last.

Each situation was run on the real host. What it does stands in the docstring; this host stays different on purpose,
except where the docstring says that it follows.
"""

import contextlib
import json
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest
from api_world import World as ApiWorld
from api_world import running_world
from azure.durable_functions import EntityId
from engine_world import World as EngineWorld
from engine_world import completed, decided, failed, raised
from runtime_world import App, Hosts, codes, hosts_on

from durable_host.durable.engine import diagnostic
from durable_host.durable.model.events import EventRaised, OrchestrationInstance
from durable_host.durable.model.messages import TaskMessage
from durable_host.durable.model.status import OrchestrationStatus
from durable_host.invocation.errors import FunctionFailed, WorkerLost


@pytest.fixture
async def hosts(tmp_path: Path) -> AsyncIterator[Hosts]:
    async with hosts_on(tmp_path / "hub.db") as hosts:
        yield hosts


@pytest.fixture
async def api() -> AsyncIterator[ApiWorld]:
    async with running_world() as world:
        yield world


@pytest.fixture
def app() -> App:
    app = App()

    @app.activity
    def hello(name: str) -> str:
        return f"Hello {name}"

    @app.orchestrator
    def approval(context):
        return (yield context.wait_for_external_event("Approval"))

    return app


def after_a_failure(context):
    with contextlib.suppress(Exception):
        yield context.task_all([context.call_activity("Bad"), context.wait_for_external_event("E")])
    yield context.call_activity("Next")


def test_the_step_after_a_failed_task_all_waits_for_an_event_that_is_out() -> None:
    """events 12: follows. Running until the event comes."""
    engine = EngineWorld([after_a_failure])
    engine.deliver(engine.start("after_a_failure"))
    assert not decided(engine.deliver(failed(0), time=6))
    assert any(text.endswith(" Next") for text in decided(engine.deliver(raised("E", 1), time=20)))


def two_races(context):
    first, second = context.wait_for_external_event("A"), context.wait_for_external_event("B")
    yield context.task_any([first, second])
    yield context.task_any([second, context.wait_for_external_event("C")])
    return "over"


def test_a_second_race_with_the_loser_of_the_first_stays_running() -> None:
    """events 12: follows. B comes, and the instance is Running."""
    engine = EngineWorld([two_races])
    engine.deliver(engine.start("two_races"))
    engine.deliver(raised("A", 1), time=1)
    assert not engine.deliver(raised("B", 1), time=2).is_terminal


@pytest.mark.differs("events-before-start")
async def test_an_event_that_overtakes_a_start_is_delivered(app: App, hosts: Hosts) -> None:
    """events 13: stays different. In an earlier batch than the start the real host discards it."""
    world = await hosts.start(app)
    event = EventRaised(timestamp=1, name="Approval", input="5")
    await world.hub.send(TaskMessage(event, OrchestrationInstance("i")))
    await world.start("approval", "i")
    assert await world.output("i") == 5


@pytest.mark.differs("events-before-start")
async def test_an_event_for_a_scheduled_start_is_delivered(app: App, hosts: Hosts) -> None:
    """events 13: stays different. The real host answers 202, then the event is lost."""
    world = await hosts.start(app)
    start = world.clock.now() + 2_000_000
    await world.client.start("approval", instance_id="i", scheduled_start=start)
    await world.client.raise_event("i", "Approval", "5")
    assert await world.output("i") == 5


async def test_a_termination_ends_an_instance_that_continues_as_new(app: App, hosts: Hosts) -> None:
    """events 14: the same on both, 104 of 104 were Terminated on the real host."""

    @app.orchestrator
    def eternal(context):
        yield context.wait_for_external_event("Again")
        context.continue_as_new(None)

    world = await hosts.start(app)
    await world.start("eternal", "i")
    await world.until(lambda: world.hub.commits)
    for _ in range(3):
        await world.client.raise_event("i", "Again", "1")
    await world.client.terminate("i", "enough")
    await world.client.raise_event("i", "Again", "1")
    assert (await world.result("i")).runtime_status is OrchestrationStatus.Terminated


@pytest.mark.differs("cancelled-timers")
async def test_a_cancelled_timer_is_taken_out_of_its_queue(app: App, hosts: Hosts) -> None:
    """events 15: stays different. On the real host its message stays until it is due."""

    @app.orchestrator
    def race(context):
        timer = context.create_timer(context.current_utc_datetime + timedelta(hours=1))
        yield context.task_any([timer, context.wait_for_external_event("Approval")])
        timer.cancel()

    world = await hosts.start(app)
    await world.start("race", "i")
    await world.until(lambda: world.hub.commits)
    await world.client.raise_event("i", "Approval", "1")
    await world.result("i")
    await world.until(lambda: world.hub.withdrawn)
    assert world.hub.withdrawn[0][2] == {0}


def two_waits(context):
    yield context.call_activity("A")
    first = yield context.wait_for_external_event("E")
    second = yield context.wait_for_external_event("E")
    return [first, second]


def other_case(context):
    return (yield context.wait_for_external_event("E"))


def test_early_events_are_lost_and_doubled_as_on_the_real_host_with_a_warning() -> None:
    """events 16: follows, [2, 2]. The real host logs one line at Information."""
    engine = EngineWorld([two_waits])
    engine.deliver(engine.start("two_waits"))
    for number in (1, 2):
        engine.deliver(raised("E", number), time=number)
    engine.deliver(completed(0), time=3)
    assert engine.result == [2, 2]
    assert [each.code for each in engine.diagnostics] == [
        diagnostic.EARLY_EVENT_LOST,
        diagnostic.EARLY_EVENT_DOUBLED,
    ]


def test_only_the_exact_case_of_a_name_is_delivered() -> None:
    """events 16: follows."""
    engine = EngineWorld([other_case])
    engine.deliver(engine.start("other_case"))
    assert not engine.deliver(raised("e", 1), time=1).is_terminal
    assert engine.deliver(raised("E", 2), time=2).is_terminal


@pytest.mark.differs("unknown-functions")
async def test_a_call_of_an_unknown_activity_fails(app: App, hosts: Hosts) -> None:
    """events 17: stays different. Running on the real host."""

    @app.orchestrator
    def lost(context):
        yield context.call_activity("Nobody", None)

    world = await hosts.start(app)
    await world.start("lost", "i")
    assert (await world.result("i")).runtime_status is OrchestrationStatus.Failed
    assert diagnostic.MISSING_FUNCTION in codes(world)


@pytest.mark.differs("long-ids")
async def test_a_child_with_an_id_that_is_too_long_fails(app: App, hosts: Hosts) -> None:
    """events 18: stays different. Running on the real host, tried again and again."""

    @app.orchestrator
    def parent(context):
        yield context.call_sub_orchestrator("approval", None, "x" * 513)

    world = await hosts.start(app)
    await world.start("parent", "i")
    assert (await world.result("i")).runtime_status is OrchestrationStatus.Failed
    assert diagnostic.BAD_INSTANCE_ID in codes(world)


@pytest.mark.differs("long-ids")
async def test_an_entity_with_an_id_that_is_too_long_fails(app: App, hosts: Hosts) -> None:
    """events 18: stays different. The same for an entity."""

    @app.entity
    def counter(context):
        context.set_result(1)

    @app.orchestrator
    def calling(context):
        yield context.call_entity(EntityId("counter", "k" * 504), "get")

    world = await hosts.start(app)
    await world.start("calling", "i")
    assert (await world.result("i")).runtime_status is OrchestrationStatus.Failed
    assert diagnostic.BAD_INSTANCE_ID in codes(world)


@pytest.mark.differs("ids-in-use")
async def test_a_running_instance_is_not_replaced_by_a_child(app: App, hosts: Hosts) -> None:
    """events 19: stays different. The real host replaces it."""

    @app.orchestrator
    def other(context):
        return "child"

    @app.orchestrator
    def parent(context):
        yield context.call_sub_orchestrator("other", None, "taken")

    world = await hosts.start(app)
    await world.start("approval", "taken")
    await world.until(lambda: world.hub.commits)
    await world.start("parent", "i")
    assert (await world.result("i")).runtime_status is OrchestrationStatus.Failed
    await world.client.raise_event("taken", "Approval", "5")
    assert await world.output("taken") == 5


@pytest.mark.differs("lost-workers")
async def test_an_activity_whose_worker_is_lost_runs_again(app: App, hosts: Hosts) -> None:
    """events 20: stays different. Failed on the real host, `…/python exited with code 137 (0x89)`."""

    @app.orchestrator
    def greet(context):
        return (yield context.call_activity("hello", "you"))

    tries: list[str] = []

    async def die_once(name: str, _: str) -> None:
        tries.append(name)
        if len(tries) == 1:
            raise WorkerLost("gone")

    app.before_activity = die_once
    world = await hosts.start(app)
    await world.start("greet", "i")
    assert await world.output("i") == "Hello you"
    assert len(tries) == 2


@pytest.mark.differs("failing-entities")
async def test_a_batch_of_an_entity_that_never_works_fails_after_three_runs(app: App, hosts: Hosts) -> None:
    """events 21: stays different. The real host runs it forever."""

    @app.entity
    def counter(context):
        context.set_result(1)

    @app.orchestrator
    def calling(context):
        yield context.call_entity(EntityId("counter", "k"), "get")

    runs: list[str] = []

    async def fail(instance_id: str) -> None:
        runs.append(instance_id)
        raise FunctionFailed("TypeError", "Object of type set is not JSON serializable")

    app.before_entity = fail
    world = await hosts.start(app)
    await world.start("calling", "i")
    assert (await world.result("i")).runtime_status is OrchestrationStatus.Failed
    assert len(runs) == 3


@pytest.mark.differs("purge-by-filter")
async def test_a_purge_by_filter_leaves_running_instances(api: ApiWorld) -> None:
    """events 22: stays different. The real host deletes it, `instancesDeleted: 1`."""
    await api.put("i", OrchestrationStatus.Running)
    async with api.http.delete(f"{api.webhook}/instances?createdTimeFrom=2001-01-01") as answer:
        assert answer.status == 404
    assert await api.client.get("i") is not None


async def test_an_id_in_use_is_a_conflict(api: ApiWorld) -> None:
    """events 23: follows, 409."""
    await api.put("i", OrchestrationStatus.Running)
    async with api.http.post(f"{api.webhook}/orchestrators/Orch/i") as answer:
        assert answer.status == 409


@pytest.mark.differs("unknown-orchestrator")
async def test_an_unknown_orchestrator_is_refused(api: ApiWorld) -> None:
    """events 23: stays different. The real host answers 202, then the instance fails."""
    async with api.http.post(f"{api.webhook}/orchestrators/Nobody/i") as answer:
        assert answer.status == 400
        assert "'Orch'" in json.loads(await answer.text())["ExceptionMessage"]
