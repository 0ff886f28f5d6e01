"""Entities on the dashboard: state, holder of the lock, waiting operations."""

import json
from urllib.parse import quote

from dashboard_world import DashboardWorld

from durable_host.durable.engine.entity_request import EntityRequest
from durable_host.durable.engine.scheduler_state import SchedulerState
from durable_host.durable.model.events import (
    ExecutionStarted,
    HistoryEvent,
    OrchestrationInstance,
    OrchestratorCompleted,
    OrchestratorStarted,
)
from durable_host.durable.model.instance import InstanceUpdate
from durable_host.durable.taskhub.port import EpisodeCommit


async def put_entity(
    world: DashboardWorld,
    name: str,
    key: str,
    state: object,
    *,
    queue: tuple[EntityRequest, ...] = (),
    owner: str | None = None,
) -> None:
    """Write an entity, as a batch leaves it."""
    scheduler = SchedulerState()
    scheduler.exists, scheduler.state, scheduler.locked_by = True, json.dumps(state), owner
    scheduler.queue.extend(queue)
    instance_id, now = f"@{name}@{key}", world.clock.now()
    started = ExecutionStarted(
        orchestration_instance=OrchestrationInstance(instance_id, "e1"),
        name=f"@{name}",
        input=scheduler.to_json(),
        timestamp=now,
    )
    events: list[HistoryEvent] = [
        OrchestratorStarted(timestamp=now),
        started,
        OrchestratorCompleted(timestamp=now),
    ]
    status = {"entityExists": True, "queueSize": len(queue), "lockedBy": owner}
    await world.hub.commit(
        EpisodeCommit(
            instance_id=instance_id,
            execution_id="e1",
            checkpoint=None,
            first_ordinal=0,
            events=events,
            outbound=(),
            update=InstanceUpdate(
                execution_id="e1",
                last_updated_time=now,
                started=started,
                custom_status=json.dumps(status),
            ),
            consumed=(),
        )
    )


async def test_entities_are_listed_by_name_and_prefix(world: DashboardWorld) -> None:
    for name, key in (("counter", "a"), ("counter", "b"), ("counters", "a"), ("other", "a")):
        await put_entity(world, name, key, 1)

    async def ids(**query: str) -> list[str]:
        return [one["id"] for one in (await world.get("/entities", **query)).json["entities"]]

    assert await ids() == ["@counter@a", "@counter@b", "@counters@a", "@other@a"]
    assert await ids(name="Counter") == ["@counter@a", "@counter@b"]
    assert await ids(name="counter", prefix="b") == ["@counter@b"]
    assert await ids(prefix="o") == ["@other@a"]
    assert await ids(prefix="@counters@") == ["@counters@a"]


async def test_entities_come_in_pages(world: DashboardWorld) -> None:
    for number in range(5):
        await put_entity(world, "counter", str(number), number)
    found: list[str] = []
    cursor = ""
    for _ in range(10):
        page = (await world.get("/entities", top="2", cursor=cursor)).json
        assert len(page["entities"]) <= 2
        found += [one["key"] for one in page["entities"]]
        cursor = page["cursor"]
        if cursor is None:
            break
    assert found == ["0", "1", "2", "3", "4"]


async def test_an_entity_shows_its_lock_and_what_waits_for_it(world: DashboardWorld) -> None:
    waiting = (
        EntityRequest(operation="add", id="1", input="5", parent="order-1"),
        EntityRequest(operation=None, id="2", parent="order-2", lock_set=(("counter", "k"),)),
        EntityRequest(operation="reset", id="3", is_signal=True),
    )
    await put_entity(world, "counter", "k", {"n": 7}, queue=waiting, owner="order-0")
    listed = (await world.get("/entities")).json["entities"][0]
    assert (json.loads(listed["state"]), listed["lockedBy"], listed["waiting"]) == ({"n": 7}, "order-0", 3)
    shown = (await world.get("/entities/Counter/k")).json
    assert (shown["lockedBy"], shown["waiting"], json.loads(shown["state"])) == ("order-0", 3, {"n": 7})
    outlined = [(one["name"], one["input"], one["from"], one["isSignal"]) for one in shown["operations"]]
    assert outlined == [
        ("add", "5", "order-1", False),
        ("lock of @counter@k", None, "order-2", False),
        ("reset", None, None, True),
    ]


async def test_keys_may_be_empty_or_odd(world: DashboardWorld) -> None:
    keys = {"": "$", "$": "$$", "$a": "$a", "a b%<ü>": quote("a b%<ü>", safe="")}
    for key, in_path in keys.items():
        await put_entity(world, "counter", key, 1)
        assert (await world.get(f"/entities/counter/{in_path}")).json["key"] == key


async def test_an_entity_that_does_not_exist_is_404(world: DashboardWorld) -> None:
    await put_entity(world, "counter", "key", 1)
    assert (await world.get("/entities/counter/ke")).status == 404


async def test_a_wrong_cursor_is_400(small: DashboardWorld) -> None:
    answer = await small.get("/entities", cursor="nonsense")
    assert answer.status == 400
    assert answer.json["error"]["message"] == "The cursor is not from this dashboard."
