"""Entities over HTTP. Source: docs/protocol/durable-http-api.md#entities-over-http"""

import json

import pytest
from api_world import World, api_options, running_world
from azure.durable_functions import EntityId

from durable_host import timestamp
from durable_host.durable.api.identifiers import can_exist
from durable_host.durable.model.events import EventRaised
from durable_host.durable.model.status import OrchestrationStatus

RUNNING = OrchestrationStatus.Running


def _scheduler(state: str | None = None, **more: object) -> str:
    fields = {} if state is None else {"exists": True, "state": state}
    return json.dumps({**fields, **more, "sorter": {}})


async def test_sdk_reads_the_state(world: World) -> None:
    await world.put("@counter@k1", RUNNING, name="@counter@k1", input=_scheduler("[5]"))
    response = await world.sdk().read_entity_state(EntityId("Counter", "k1"))
    assert response.entity_exists
    assert response.entity_state == [5]


@pytest.mark.parametrize("input", [None, "{}", _scheduler(), "rubbish", "5", '{"exists": true}'])
async def test_entity_without_state_is_404(world: World, input: str | None) -> None:
    await world.put("@counter@k1", RUNNING, input=input)
    for key in ("k1", "missing"):
        async with world.http.get(f"{world.rpc}/entities/Counter/{key}") as answer:
            assert answer.status == 404
            assert await answer.read() == b""


async def test_dollar_is_the_empty_key(world: World) -> None:
    await world.put("@counter@", RUNNING, input=_scheduler("null"))
    async with world.http.get(f"{world.rpc}/entities/COUNTER/$") as answer:
        assert answer.status == 200
        assert await answer.json() is None


@pytest.mark.parametrize("method", ["POST", "DELETE"])
async def test_only_reading_takes_the_dollar_for_the_empty_key(world: World, method: str) -> None:
    async with world.http.request(method, f"{world.rpc}/entities/Counter/$?op=add") as answer:
        assert answer.status == 202
    assert len(await world.messages("@counter@$")) == 1
    await world.put("@counter@$", RUNNING, input=_scheduler("5"))
    async with world.http.get(f"{world.rpc}/entities/Counter/$") as answer:
        assert answer.status == 404


async def test_a_signal_without_a_key_is_for_the_empty_key(world: World) -> None:
    async with world.http.post(f"{world.rpc}/entities/Counter?op=add") as answer:
        assert answer.status == 202
    assert len(await world.messages("@counter@")) == 1


async def test_signal_of_the_sdk_reaches_the_entity(world: World) -> None:
    await world.sdk().signal_entity(EntityId("Counter", "Key@1"), "add", 3)
    await world.sdk().signal_entity(EntityId("Counter", "Key@1"), "reset")
    first, second = await world.messages("@counter@Key@1")
    assert isinstance(first, EventRaised)
    assert isinstance(second, EventRaised)
    assert first.name == "op"
    request = json.loads(first.input or "")
    assert list(request) == ["op", "signal", "input", "id", "Timestamp", "Predecessor"]
    assert (request["op"], request["signal"], request["input"]) == ("add", True, '"3"')
    assert request["Timestamp"] == request["Predecessor"] == "0001-01-01T00:00:00"
    assert "input" not in json.loads(second.input or "")


@pytest.mark.parametrize(
    ("content_type", "body", "stored"),
    [
        ("application/json", b'{"a" : 1}', '{"a":1}'),
        ("text/plain", b'say "hi"', '"say \\"hi\\""'),
        ("text/plain", "ä".encode(), '"ä"'),
    ],
)
async def test_signal_input_depends_on_the_content_type(
    world: World, content_type: str, body: bytes, stored: str
) -> None:
    url = f"{world.rpc}/entities/counter/k?op=x"
    async with world.http.post(url, data=body, headers={"Content-Type": content_type}) as answer:
        assert answer.status == 202
        assert await answer.read() == b""
    (event,) = await world.messages("@counter@k")
    assert isinstance(event, EventRaised)
    assert json.loads(event.input or "")["input"] == stored


async def test_signal_without_key_and_operation(world: World) -> None:
    async with world.http.post(f"{world.rpc}/entities/counter") as answer:
        assert answer.status == 202
    (event,) = await world.messages("@counter@")
    assert isinstance(event, EventRaised)
    assert json.loads(event.input or "")["op"] == ""


async def test_delete_is_a_signal(world: World) -> None:
    async with world.http.delete(f"{world.rpc}/entities/counter/k?op=other") as answer:
        assert answer.status == 202
    (event,) = await world.messages("@counter@k")
    assert isinstance(event, EventRaised)
    assert json.loads(event.input or "")["op"] == "delete"


async def test_bad_signals_are_refused_with_a_message_only(world: World) -> None:
    async with world.http.post(f"{world.rpc}/entities/nope/k?op=x") as answer:
        assert answer.status == 400
        assert list(await answer.json()) == ["Message"]
    async with world.http.post(f"{world.rpc}/entities/counter/a%2Fb?op=x") as answer:
        assert answer.status == 400
        text = (await answer.json())["Message"]
        assert text == "entityKey (Parameter 'Entity keys must not contain /, \\, #, ?, or control characters.')"
    async with world.http.post(f"{world.rpc}/entities/counter/{'k' * 504}?op=x") as answer:
        assert answer.status == 400
        assert "must not be longer than 512 characters" in (await answer.json())["Message"]
    headers = {"Content-Type": "application/json"}
    async with world.http.post(f"{world.rpc}/entities/counter/k?op=x", data=b"{", headers=headers) as answer:
        assert answer.status == 400
        assert (await answer.json())["Message"].startswith("Could not parse JSON content: ")


async def test_listing_shows_existing_entities(world: World) -> None:
    await world.put("@counter@a", RUNNING, input=_scheduler("1"))
    await world.put("@counter@gone", RUNNING, input=_scheduler())
    await world.put("@other@b", RUNNING, input=_scheduler('"x"'))
    await world.put("plain", RUNNING)
    async with world.http.get(f"{world.rpc}/entities") as answer:
        body = await answer.json()
    assert [(one["entityId"], one["state"]) for one in body] == [
        ({"name": "counter", "key": "a"}, None),
        ({"name": "other", "key": "b"}, None),
    ]
    async with world.http.get(f"{world.rpc}/entities/Counter?fetchState=true&top=5") as answer:
        (one,) = await answer.json()
    assert one["state"] == 1
    assert timestamp.parse(one["lastOperationTime"]) > 0
    async with world.http.get(f"{world.rpc}/entities?lastOperationTimeTo=2001-01-01") as answer:
        assert await answer.json() == []
    async with world.http.get(f"{world.rpc}/entities?top=-1") as answer:
        assert answer.status == 400


async def test_cleaning_removes_empty_entities_and_orphaned_locks(world: World) -> None:
    for name, status in (
        ("@counter@empty", "{}"),
        ("@counter@full", '{"entityExists":true}'),
        ("@counter@locked", '{"entityExists":true,"lockedBy":"gone"}'),
        ("@counter@held", '{"lockedBy":"holder"}'),
    ):
        await world.put(name, RUNNING, custom_status=status)
    await world.put("holder", RUNNING)
    kept = await world.client.entities.clean()
    assert (kept.empty_entities_removed, kept.orphaned_locks_released) == (0, 1)
    (event,) = [one for one in await world.messages("@counter@locked") if isinstance(one, EventRaised)]
    assert (event.name, event.input) == ("release", '{"parent":"gone","id":"fix-orphaned-lock"}')


async def test_cleaning_removes_entities_idle_beyond_the_reorder_window() -> None:
    async with running_world(options=api_options(entity_message_reorder_window=0.0)) as world:
        await world.put("@counter@empty", RUNNING, custom_status="{}")
        await world.put("@counter@full", RUNNING, custom_status='{"entityExists":true}')
        cleaned = await world.client.entities.clean()
        assert cleaned.empty_entities_removed == 1
        assert await world.client.get("@counter@full") is not None


@pytest.mark.parametrize(
    ("instance_id", "possible"),
    [("x" * 512, True), ("x" * 513, False), ("日" * 512, True), ("😀" * 257, False), ("", False)],
)
def test_an_id_can_exist_that_a_table_key_can_hold(instance_id: str, possible: bool) -> None:
    assert can_exist(instance_id) is possible
