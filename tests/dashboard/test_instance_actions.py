"""Actions on one instance, on many, and on entities; on every kind of hub."""

import json
from typing import Any

import pytest
from dashboard_world import DashboardWorld, dashboard_world, instance

from durable_host.durable.model.status import OrchestrationStatus as Status

ENDED, RUNNING, FAILED = 'it\'s "done"', "run ü", "failed"


@pytest.fixture
async def filled(world: DashboardWorld) -> DashboardWorld:
    """An instance that has ended, one that runs, and one that has failed."""
    await world.put(
        instance(ENDED, input='{"n": 1}'),
        instance(RUNNING, runtime_status=Status.Running),
        instance(FAILED, runtime_status=Status.Failed, output="Orchestrator function 'Approval' failed: x"),
    )
    return world


async def sent(world: DashboardWorld) -> list[str]:
    """The kinds of the messages that wait in the hub."""
    found: list[str] = []
    for queue in (await world.get("/queues")).json["queues"]:
        if queue["role"] == "control" and queue["total"]:
            messages = (await world.get(f"/queues/{queue['name']}/messages")).json["messages"]
            found += [message["text"] for message in messages]
    return found


async def on(world: DashboardWorld, instance_id: str, action: str, body: Any) -> tuple[int, str | None]:
    from urllib.parse import quote

    answer = await world.do("POST", f"/instances/{quote(instance_id, safe='')}/{action}", body)
    return answer.status, answer.json["error"]["code"] if answer.status >= 400 else None


ACTIONS = [
    ("raise-event", {"name": "Approval", "data": '{"by": "Ann"}'}, (200, None), (410, "DH6303")),
    ("terminate", {"reason": "late", "recurse": True}, (200, None), (410, "DH6303")),
    ("suspend", {}, (200, None), (410, "DH6303")),
    ("resume", {"reason": None}, (200, None), (410, "DH6303")),
    ("rewind", {}, (409, "DH6303"), (409, "DH6303")),
]


async def test_an_action_depends_on_the_status_of_the_instance(filled: DashboardWorld) -> None:
    for action, body, running, ended in ACTIONS:
        found = [await on(filled, one, action, body) for one in (RUNNING, ENDED, "none")]
        assert (action, *found) == (action, running, ended, (404, "DH6302"))
    assert len(await sent(filled)) == 4


async def test_an_event_that_is_not_json_is_refused_with_a_remedy(filled: DashboardWorld) -> None:
    assert await on(filled, RUNNING, "raise-event", {"name": "Approval", "data": "yes"}) == (400, "DH3053")
    assert await on(filled, RUNNING, "raise-event", {"name": "", "data": "1"}) == (400, "DH3053")


async def test_an_instance_is_started_with_an_id_of_its_own_or_a_given_one(world: DashboardWorld) -> None:
    answer = await world.do("POST", "/instances", {"name": "Approval", "input": '{"n": 1}'})
    assert answer.status == 201
    given = await world.do("POST", "/instances", {"name": "Approval", "id": "mine", "version": "2.0"})
    assert given.json == {"id": "mine"}
    started = await world.source.client.get(answer.json["id"])
    assert (started.name, started.input) == ("Approval", '{"n": 1}')
    again = await world.do("POST", "/instances", {"name": "Approval", "id": "mine"})
    assert (again.status, again.code) == (409, "DH6303")


@pytest.mark.parametrize("body", [{"name": "A", "id": "a/b"}, {"name": "A", "id": "@x"}, {"name": "A", "input": "{"}])
async def test_an_instance_that_cannot_be_is_refused(small: DashboardWorld, body: dict[str, str]) -> None:
    answer = await small.do("POST", "/instances", body)
    assert (answer.status, answer.code) == (400, "DH3053")
    assert "Parameter" not in answer.json["error"]["message"]


async def test_an_instance_is_restarted_with_a_new_id_or_its_own(filled: DashboardWorld) -> None:
    from urllib.parse import quote

    path = f"/instances/{quote(ENDED, safe='')}/restart"
    new = (await filled.do("POST", path)).json["id"]
    assert (await filled.source.client.get(new)).input == '{"n": 1}'
    assert (await filled.do("POST", path, {"withNewId": False})).json == {"id": ENDED}
    assert (await filled.source.client.get(ENDED)).runtime_status is Status.Pending


async def test_an_ended_instance_is_purged(filled: DashboardWorld) -> None:
    assert (await filled.do("DELETE", "/instances/failed")).status == 200
    assert (await filled.do("DELETE", "/instances/failed")).code == "DH6302"
    running = await filled.do("DELETE", "/instances/run%20%C3%BC")
    assert (running.status, running.code) == (409, "DH6303")


async def test_a_batch_has_a_result_for_each_instance(filled: DashboardWorld) -> None:
    answer = await filled.do("POST", "/batch", {"action": "purge", "ids": [ENDED, RUNNING, "none", FAILED]})
    results = answer.json["results"]
    assert [(one["id"], one["ok"], one.get("error", {}).get("code")) for one in results] == [
        (ENDED, True, None),
        (RUNNING, False, "DH6303"),
        ("none", False, "DH6302"),
        (FAILED, True, None),
    ]


@pytest.mark.parametrize("action", ["terminate", "suspend", "resume", "restart"])
async def test_each_action_of_a_batch_is_done(small: DashboardWorld, action: str) -> None:
    await small.put(instance("x", runtime_status=Status.Failed if action == "restart" else Status.Running))
    (result,) = (await small.do("POST", "/batch", {"action": action, "ids": ["x"]})).json["results"]
    assert result == {"id": "x", "ok": True}
    assert len(await sent(small)) == 1


async def test_a_batch_has_a_limit(small: DashboardWorld) -> None:
    answer = await small.do("POST", "/batch", {"action": "purge", "ids": [str(number) for number in range(501)]})
    assert (answer.status, answer.code) == (400, "DH3053")


async def test_an_entity_is_signalled(world: DashboardWorld) -> None:
    answer = await world.do("POST", "/entities/counter/a%20b/signal", {"operation": "add", "input": "3"})
    assert answer.status == 200
    assert (await world.do("POST", "/entities/counter/$/signal", {"operation": "add"})).status == 200
    assert any("add" in text for text in await sent(world))


async def test_names_that_the_app_does_not_have_are_refused() -> None:
    class Names:
        def has_orchestrator(self, name: str) -> bool:
            return name == "Approval"

        def orchestrator_names(self) -> list[str]:
            return ["Approval"]

        def has_entity(self, name: str) -> bool:
            return False

        def entity_names(self) -> list[str]:
            return []

    async with dashboard_world(":memory:", names=Names()) as world:
        answer = await world.do("POST", "/instances", {"name": "Aproval"})
        assert (answer.status, answer.code) == (400, "DH3053")
        assert "Approval" in answer.json["error"]["message"]
        assert (await world.do("POST", "/entities/x/y/signal", {"operation": "add"})).status == 400


async def test_markup_in_values_stays_text_in_json(world: DashboardWorld) -> None:
    script = "<script>alert(1)</script>"
    await world.put(instance(script.replace("/", "|"), name=script, custom_status=json.dumps(script)))
    while not (answer := await world.get("/instances")).json["isComplete"]:
        pass
    assert answer.headers["Content-Type"].startswith("application/json")
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.json["instances"][0]["name"] == script
