"""Requests with events and unusual IDs, compared with the real host: the first table of the page events.

The expected values are the real host's answers, except where a test says that this host stays different. Row 9
is in test_events_worker.py.
"""

import json
import urllib.parse
from datetime import timedelta
from pathlib import Path

import pytest
import yarl
from api_world import World
from azure.durable_functions import EntityId
from engine_world import SECOND
from engine_world import World as EngineWorld

from durable_host.durable.model.events import EventRaised, TimerFired
from durable_host.durable.model.status import OrchestrationStatus
from durable_host.durable.taskhub.azure import envelope

MESSAGES = Path(__file__).parents[1] / "taskhub/azure/golden/messages.jsonl"
RUNNING = OrchestrationStatus.Running


async def raised_names(world: World, instance_id: str) -> list[str]:
    return [one.name for one in await world.messages(instance_id) if isinstance(one, EventRaised)]


@pytest.mark.parametrize(("segment", "name"), [("a%2Bb", "a b"), ("a%252Bb", "a+b")])
async def test_an_event_name_with_a_plus_is_decoded_twice(world: World, segment: str, name: str) -> None:
    """events 1: the path is decoded a second time, `a b`."""
    await world.put("i", RUNNING)
    url = yarl.URL(f"{world.webhook}/instances/i/raiseEvent/{segment}", encoded=True)
    async with world.http.post(url, json=1) as answer:
        assert answer.status == 202
    assert await raised_names(world, "i") == [name]


async def test_the_client_of_the_sdk_sends_a_plus_as_a_blank(world: World) -> None:
    """events 1: the same through the client of the SDK."""
    await world.put("i", RUNNING)
    await world.sdk().raise_event("i", "a+b", 1)
    assert await raised_names(world, "i") == ["a b"]


async def test_an_event_name_with_a_slash_is_not_found(world: World) -> None:
    """events 2: 404, nothing stored."""
    await world.put("i", RUNNING)
    url = yarl.URL(f"{world.webhook}/instances/i/raiseEvent/a%2Fb", encoded=True)
    async with world.http.post(url, json=1) as answer:
        assert answer.status == 404
    assert await raised_names(world, "i") == []


@pytest.mark.parametrize("instance_id", ["a b", "100%", "a;b", "äöü ☃"])
async def test_links_of_odd_ids_work(world: World, instance_id: str) -> None:
    """events 3: form-encoded, they work."""
    url = yarl.URL(f"{world.webhook}/orchestrators/Orch/{urllib.parse.quote(instance_id, safe='')}", encoded=True)
    async with world.http.post(url) as answer:
        link = (await answer.json())["statusQueryGetUri"]
    async with world.http.get(yarl.URL(link, encoded=True)) as answer:
        assert (await answer.json())["instanceId"] == instance_id


@pytest.mark.differs("ids")
@pytest.mark.parametrize("instance_id", ["@starts", "a%5Cb", "a%3Fb", "a%23b", "a%09b", "a" * 257])
async def test_odd_ids_are_refused(world: World, instance_id: str) -> None:
    """events 4: stays different. The real host runs them."""
    async with world.http.post(yarl.URL(f"{world.webhook}/orchestrators/Orch/{instance_id}", encoded=True)) as answer:
        assert answer.status == 400


async def test_the_dollar_is_a_key_except_for_reading(world: World) -> None:
    """events 5: POST takes the key `$`; only GET maps it to the empty key."""
    async with world.http.post(f"{world.webhook}/entities/Counter/$?op=add") as answer:
        assert answer.status == 202
    assert len(await world.messages("@counter@$")) == 1
    await world.put("@counter@", RUNNING, input='{"exists":true,"state":"5","sorter":{}}')
    async with world.http.get(f"{world.webhook}/entities/Counter/$") as answer:
        assert await answer.json() == 5


async def test_a_deleted_entity_is_still_there(world: World) -> None:
    """events 6: 200 `null`, `entity_exists` True, listed."""
    await world.put("@counter@k", RUNNING, name="@counter@k", input='{"state":"null","sorter":{}}')
    async with world.http.get(f"{world.webhook}/entities/Counter/k") as answer:
        assert (answer.status, await answer.json()) == (200, None)
    assert (await world.sdk().read_entity_state(EntityId("Counter", "k"))).entity_exists
    async with world.http.get(f"{world.webhook}/entities") as answer:
        assert [one["entityId"]["key"] for one in await answer.json()] == ["k"]


@pytest.mark.differs("no-sender")
def test_a_message_without_its_sender_is_read() -> None:
    """events 7: stays different. It blocks its instance on the real host."""
    raw = json.loads(MESSAGES.read_text("utf-8").splitlines()[0])
    del raw["Sender"]
    assert envelope.from_text(json.dumps(raw)).message is not None


def nearly_two_seconds(context):
    yield context.create_timer(context.current_utc_datetime + timedelta(milliseconds=1900))


@pytest.mark.differs("early-timers")
def test_a_timer_is_never_early() -> None:
    """events 8: stays different. The real host cuts the delay to whole seconds."""
    engine = EngineWorld([nearly_two_seconds])
    engine.deliver(engine.start("nearly_two_seconds"), time=0)
    (timer,) = [one for one in engine.sent if isinstance(one.event, TimerFired)]
    assert timer.due is not None
    assert timer.due - engine.now == 1.9 * SECOND


@pytest.mark.parametrize(("instance_id", "code"), [("nope", 404), ("done", 410), ("running", 400)])
async def test_an_event_is_checked_after_its_instance(world: World, instance_id: str, code: int) -> None:
    """events 10: 404, 410, then 400."""
    await world.put("done", OrchestrationStatus.Completed)
    await world.put("running", RUNNING)
    headers = {"Content-Type": "application/json"}
    url = f"{world.webhook}/instances/{instance_id}/raiseEvent/E"
    async with world.http.post(url, data=b"{", headers=headers) as answer:
        assert answer.status == code


@pytest.mark.parametrize("status", [RUNNING, OrchestrationStatus.Completed])
async def test_only_failed_instances_are_rewound(world: World, status: OrchestrationStatus) -> None:
    """events 11: 412 with text."""
    await world.put("i", status)
    async with world.http.post(f"{world.webhook}/instances/i/rewind") as answer:
        assert answer.status == 412
        assert f"has status {status.name}" in json.loads(await answer.text())
