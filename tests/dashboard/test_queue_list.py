"""The queues of the hub and of the app."""

import base64
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from dashboard_app import DashboardApp
from dashboard_world import DashboardWorld, dashboard_world

from durable_host.config.connection import Connection
from durable_host.dashboard import queue_list
from durable_host.storage import QueueService, transport
from durable_host.storage.azurite.launcher import connection_string


@pytest.fixture
def app(tmp_path: Path) -> DashboardApp:
    return DashboardApp(tmp_path)


@pytest.fixture(params=["sqlite", "azure"])
async def world(
    request: pytest.FixtureRequest, azurite: Connection, app: DashboardApp
) -> AsyncIterator[DashboardWorld]:
    """Both kinds of hub; the app's queues are in Azurite."""
    place: Any = azurite if request.param == "azure" else ":memory:"
    settings = {"AzureWebJobsStorage": connection_string(azurite)}
    async with dashboard_world(place, app=app.source, settings=settings) as opened:
        for name in ("approval-queue", "approval-queue-poison"):
            await _service(opened).create(name)
            await _service(opened).clear(name)
        yield opened


def _service(world: DashboardWorld) -> QueueService:
    return world.dashboard.context.sources.accounts().account(None).queues


async def named(world: DashboardWorld, name: str) -> Any:
    answer = (await world.get("/queues")).json
    assert answer["errors"] == []
    return next(queue for queue in answer["queues"] if queue["name"] == name)


async def texts(world: DashboardWorld, name: str) -> list[str]:
    return [one["text"] for one in (await world.get(f"/queues/{name}/messages")).json["messages"]]


async def test_the_hubs_queues_come_first_and_the_apps_queues_name_their_function(world: DashboardWorld) -> None:
    found = (await world.get("/queues")).json["queues"]
    roles = [queue["role"] for queue in found]
    expected = ["control"] * 4 if world.source.storage == "azure" else ["control"]
    assert roles[: len(expected) + 2] == [*expected, "workItem", "app"]
    ours = await named(world, "approval-queue")
    assert (ours["function"], ours["total"], ours["exists"], ours["oldest"]) == ("OnQueue", 0, True, None)
    poison = await named(world, "approval-queue-poison")
    assert (poison["role"], poison["poisonOf"], poison["function"]) == ("poison", "approval-queue", "OnQueue")


async def test_a_message_in_the_hub_is_counted_and_shown(world: DashboardWorld) -> None:
    await world.do("POST", "/instances", {"name": "Approval", "id": "a", "input": '"<b>"'})
    found = (await world.get("/queues")).json["queues"]
    (holder,) = [queue for queue in found if queue["role"] == "control" and queue["total"]]
    assert (holder["visible"], holder["invisible"]) == (1, 0)
    assert holder["oldest"].startswith("20")
    (message,) = (await world.get(f"/queues/{holder['name']}/messages")).json["messages"]
    assert "Approval" in message["text"]
    assert message["dequeueCount"] == 0


async def test_a_text_that_is_put_is_encoded_as_host_json_says(world: DashboardWorld, app: DashboardApp) -> None:
    answer = await world.do("POST", "/queues/approval-queue/messages", {"text": "Grüße <b>"})
    assert answer.status == 201
    assert app.notified == ["approval-queue"]
    (stored,) = await _service(world).peek("approval-queue")
    assert base64.b64decode(stored.text).decode() == "Grüße <b>"
    (message,) = (await world.get("/queues/approval-queue/messages")).json["messages"]
    assert (message["text"], message["isBase64"], message["id"]) == ("Grüße <b>", True, answer.json["id"])
    assert (await named(world, "approval-queue"))["visible"] == 1


async def test_a_poison_message_goes_back_to_its_queue(world: DashboardWorld, app: DashboardApp) -> None:
    service = _service(world)
    put = [await service.put("approval-queue-poison", f"m{number}") for number in range(3)]
    answer = await world.do("POST", "/queues/approval-queue-poison/return", {"ids": [put[1].id]})
    assert answer.json == {"moved": 1}
    assert await texts(world, "approval-queue") == ["m1"]
    assert sorted(await texts(world, "approval-queue-poison")) == ["m0", "m2"]
    assert app.notified == ["approval-queue"]


async def test_messages_that_fail_again_go_back_once(world: DashboardWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    service = _service(world)

    async def put_back(service: Any, target: str, text: str) -> None:
        await service.put(f"{target}-poison", text)

    monkeypatch.setattr(queue_list, "_put_back", put_back)
    for number in range(40):
        await service.put("approval-queue-poison", f"m{number}")
    assert (await world.do("POST", "/queues/approval-queue-poison/return")).json == {"moved": 40}


async def test_all_poison_messages_go_back(world: DashboardWorld) -> None:
    for number in range(40):
        await _service(world).put("approval-queue-poison", f"m{number}")
    assert (await named(world, "approval-queue-poison"))["invisible"] is None
    assert (await world.do("POST", "/queues/approval-queue-poison/return")).json == {"moved": 40}
    assert (await named(world, "approval-queue-poison"))["total"] == 0
    assert (await named(world, "approval-queue"))["total"] == 40


async def test_the_queue_of_a_poison_queue_is_created_if_it_is_gone(world: DashboardWorld) -> None:
    await _service(world).put("approval-queue-poison", "m")
    await _service(world).delete_queue("approval-queue")
    assert not (await named(world, "approval-queue"))["exists"]
    assert (await world.do("POST", "/queues/approval-queue-poison/return")).json == {"moved": 1}
    assert (await named(world, "approval-queue"))["total"] == 1


async def test_nothing_is_put_on_queues_of_the_hub_or_returned_from_other_queues(world: DashboardWorld) -> None:
    (control, *_) = (await world.get("/queues")).json["queues"]
    assert (await world.do("POST", f"/queues/{control['name']}/messages", {"text": "x"})).status == 409
    assert (await world.do("POST", "/queues/approval-queue/return")).status == 409


async def test_an_unknown_queue_is_404(world: DashboardWorld) -> None:
    assert (await world.get("/queues/none/messages")).code == "DH3054"
    assert (await world.get("/queues/approval-queue/messages", connection="None")).status == 404


async def test_storage_that_does_not_answer_is_an_error_beside_the_rest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transport, "RETRY_DELAYS", (0.0, 0.001))
    nowhere = "DefaultEndpointsProtocol=http;AccountName=a;AccountKey=a2V5;QueueEndpoint=http://127.0.0.1:9/a"
    app = DashboardApp(tmp_path)
    async with dashboard_world(":memory:", app=app.source, settings={"AzureWebJobsStorage": nowhere}) as world:
        answer = (await world.get("/queues")).json
    assert [queue["role"] for queue in answer["queues"]][:2] == ["control", "workItem"]
    assert len(answer["errors"]) >= 1
    assert not answer["isComplete"]
