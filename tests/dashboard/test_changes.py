"""Server-sent events: what pages receive, when, and what a page that does not read costs."""

import asyncio
import contextlib
import json
import time
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from dashboard_world import DashboardWorld, Opener, dashboard_world, instance

from durable_host.dashboard import hub_watch
from durable_host.dashboard import pushed_changes as changes_module
from durable_host.dashboard.dashboard_routes import ROOT
from durable_host.dashboard.pushed_changes import MOST_IDS, Changes, ChangeStream
from durable_host.durable.model.events import ExecutionStarted, OrchestrationInstance
from durable_host.durable.model.instance import InstancePage, InstanceQuery, InstanceUpdate
from durable_host.durable.model.status import OrchestrationStatus as Status
from durable_host.durable.taskhub.port import TaskHubUnavailable

SOON = 20.0
LATER = 60.0


class Events:
    """The events of one stream, as a browser sees them."""

    def __init__(self, content: Any) -> None:
        self._content = content

    async def next(self, name: str) -> Any:
        """The data of the next event with this name; others are skipped."""
        async with asyncio.timeout(SOON):
            while True:
                event = await self._event()
                if event.get("event") == name:
                    return json.loads(event["data"])

    async def ended(self) -> bool:
        async with asyncio.timeout(SOON):
            while await self._content.readline():
                pass
        return True

    async def _event(self) -> dict[str, str]:
        fields: dict[str, str] = {}
        while line := (await self._content.readline()).decode().rstrip("\n"):
            name, _, value = line.partition(": ")
            fields[name] = value
        return fields


@contextlib.asynccontextmanager
async def opened(world: DashboardWorld, query: str = "") -> AsyncIterator[Events]:
    async with world.http.get(f"{world.origin}{ROOT}/api/changes{query}") as response:
        assert response.status == 200
        assert response.headers["Content-Type"] == "text/event-stream; charset=utf-8"
        assert "default-src 'none'" in response.headers["Content-Security-Policy"]
        yield Events(response.content)


async def until(holds: Callable[[], object]) -> None:
    async with asyncio.timeout(SOON):
        while not holds():  # noqa: ASYNC110
            await asyncio.sleep(0.005)


def started(instance_id: str, **members: Any) -> InstanceUpdate:
    """What the first commit of an instance reports."""
    target = OrchestrationInstance(instance_id, "execution")
    event = ExecutionStarted(timestamp=10**17, orchestration_instance=target, name="Approval")
    return InstanceUpdate(execution_id="execution", last_updated_time=10**17, started=event, **members)


@pytest.fixture
def without_interval(monkeypatch: pytest.MonkeyPatch) -> None:
    """The next event need not wait after one about all instances."""
    monkeypatch.setattr(changes_module, "SHORTEST_INTERVAL", 0.0)
    monkeypatch.setattr(changes_module, "INTERVAL_OF_MANY", 0.0)


@pytest.mark.usefixtures("without_interval")
async def test_a_commit_is_pushed(small: DashboardWorld) -> None:
    async with opened(small) as events:
        await events.next("instances")
        small.live.changed("a", started("a"))
        assert await events.next("instances") == {"ids": ["a"], "isAll": False}


async def test_a_change_of_an_entity_is_pushed_as_one_of_entities(small: DashboardWorld) -> None:
    async with opened(small) as events:
        small.live.changed("@counter@x", started("@counter@x"))
        assert await events.next("entities") == {}


@pytest.mark.usefixtures("without_interval")
async def test_actions_are_pushed(small: DashboardWorld) -> None:
    await small.put(instance("done"))
    async with opened(small) as events:
        await events.next("instances")
        assert (await small.do("DELETE", "/instances/done")).status == 200
        assert await events.next("instances") == {"ids": ["done"], "isAll": False}


@pytest.mark.usefixtures("without_interval")
async def test_one_instance_may_be_watched(small: DashboardWorld) -> None:
    async with opened(small, "?instance=b%2F1") as events:
        await events.next("instances")
        small.live.changed("a", None)
        small.live.changed("b/1", None)
        assert await events.next("instances") == {"ids": ["b/1"], "isAll": False}


async def test_nobody_listens_to_commits_while_no_page_is_open(
    small: DashboardWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hub_watch, "TICK", 0.02)
    assert small.live._on_changed is None
    async with opened(small):
        await until(lambda: small.live._on_changed)
    await until(lambda: small.live._on_changed is None)
    assert len(small.dashboard.context.watch.changes) == 0


async def test_the_streams_end_when_the_host_stops(small: DashboardWorld) -> None:
    async with opened(small) as events:
        await small.dashboard.close()
        assert await events.ended()


async def test_more_pages_than_the_limit_are_refused(small: DashboardWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(changes_module, "MOST_PAGES", 1)
    async with opened(small):
        answer = await small.get("/changes")
    assert (answer.status, answer.code) == (503, "DH3056")


@pytest.mark.usefixtures("without_interval")
async def test_a_page_that_does_not_read_is_disconnected(
    small: DashboardWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(changes_module, "GIVE_UP_AFTER", 0.05)
    watched = small.dashboard.context.watch.changes
    reader, writer = await asyncio.open_connection("127.0.0.1", int(small.origin.rpartition(":")[2]))
    writer.write(f"GET {ROOT}/api/changes HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
    await until(lambda: len(watched))
    async with asyncio.timeout(LATER):
        while len(watched):
            for number in range(MOST_IDS):
                watched.instance(f"{number:0500d}")
            await asyncio.sleep(0)
    writer.close()
    del reader


@pytest.mark.usefixtures("without_interval")
async def test_changes_by_another_process_are_noticed(open_world: Opener, monkeypatch: pytest.MonkeyPatch) -> None:
    """A hub that this process does not serve: it is read again from time to time."""
    monkeypatch.setattr(hub_watch, "TICK", 0.02)
    monkeypatch.setattr(hub_watch, "RESCAN_OF_OTHERS", 0.02)
    async with open_world(is_served=False) as world, opened(world) as events:
        await events.next("instances")
        if isinstance(world.source.account, str) and world.source.account == ":memory:":
            return  # No other process can write there.
        while not (await world.get("/instances")).json["isComplete"]:
            pass
        await until(lambda: world.dashboard.context.watch._version is not None or world.source.storage == "azure")
        await world.put(instance("new"))
        while "new" not in (await events.next("instances"))["ids"]:
            listed = (await world.get("/instances")).json["instances"]
            if [one["id"] for one in listed] == ["new"]:
                break


class TestStream:
    """One page's stream, without HTTP."""

    @staticmethod
    async def taken(stream: ChangeStream, *, at: float = 0.0) -> str:
        return (await stream.next(at, SOON)).decode()

    async def test_many_changes_are_one_event(self) -> None:
        stream = ChangeStream(None)
        for number in range(MOST_IDS):
            stream.instance(f"i{number % 3}")
        assert await self.taken(stream) == 'event: instances\ndata: {"ids":["i0","i1","i2"],"isAll":false}\n\n'

    async def test_more_changes_than_the_limit_are_all(self) -> None:
        stream = ChangeStream(None)
        for number in range(10 * MOST_IDS):
            stream.instance(f"i{number}")
        assert await self.taken(stream) == 'event: instances\ndata: {"ids":[],"isAll":true}\n\n'
        assert not stream._ids

    async def test_only_the_latest_state_of_the_hub_is_sent(self) -> None:
        stream = ChangeStream(None)
        stream.hub(b'{"a":1}')
        stream.hub(b'{"a":2}')
        assert await self.taken(stream) == 'event: hub\ndata: {"a":2}\n\n'

    async def test_changes_wait_for_their_time_and_others_do_not(self) -> None:
        stream = ChangeStream(None)
        stream.instance("a")
        stream.other("queues")
        assert await self.taken(stream, at=time.monotonic() + SOON) == "event: queues\ndata: {}\n\n"

    async def test_a_quiet_stream_has_a_heartbeat(self) -> None:
        assert await ChangeStream(None).next(0.0, 0.0) == b": still here\n\n"

    async def test_a_text_with_line_breaks_stays_one_event(self) -> None:
        stream = ChangeStream(None)
        stream.instance("a\nevent: hub\r\n\u2028")
        lines = (await self.taken(stream)).split("\n")
        assert [line.partition(":")[0] for line in lines] == ["event", "data", "", ""]

    async def test_an_id_that_is_not_unicode_counts_as_all(self) -> None:
        stream = ChangeStream(None)
        stream.instance("\ud800")
        assert '"isAll":true' in await self.taken(stream)

    def test_the_interval_grows_with_the_cost_of_a_list(self) -> None:
        changes = Changes(lambda: None, lambda: None)
        assert changes._interval(False) == changes_module.SHORTEST_INTERVAL
        changes.list_seconds = 0.1
        assert changes._interval(False) == 0.1 * changes_module.COST_SHARE
        changes.list_seconds = 10
        assert changes._interval(False) == changes_module.LONGEST_INTERVAL

    async def test_the_interval_is_longer_after_many_changes(self) -> None:
        changes, stream = Changes(lambda: None, lambda: None), ChangeStream(None)
        for number in range(changes_module.MANY + 1):
            stream.instance(str(number))
        await self.taken(stream)
        assert changes._interval(stream.has_sent_many) == changes_module.INTERVAL_OF_MANY
        stream.instance("one")
        await self.taken(stream)
        assert changes._interval(stream.has_sent_many) == changes_module.SHORTEST_INTERVAL


class TestIndex:
    """A hub that cannot sort by itself is kept in memory while somebody looks; commits keep it current."""

    @pytest.fixture
    async def world(self, azurite: Any) -> AsyncIterator[DashboardWorld]:
        async with dashboard_world(azurite) as opened_world:
            await opened_world.put_many(20)
            while not (await opened_world.get("/instances")).json["isComplete"]:
                pass
            yield opened_world

    @staticmethod
    async def summary(world: DashboardWorld, instance_id: str) -> Any:
        found = (await world.get("/instances", prefix=instance_id)).json["instances"]
        return found[0] if found else None

    async def test_a_commit_changes_it_without_a_request_to_storage(self, world: DashboardWorld) -> None:
        world.live.changed("new", started("new", custom_status='"hot"'))
        new = await self.summary(world, "new")
        assert (new["name"], new["status"], new["customStatus"]) == ("Approval", "Running", '"hot"')
        text = "Orchestrator function 'Approval' failed: boom"
        end = InstanceUpdate(
            execution_id="e",
            last_updated_time=10**17 + 5,
            runtime_status=Status.Failed,
            output=text,
            completed_time=10**17,
        )
        world.live.changed("new", end)
        new = await self.summary(world, "new")
        assert (new["status"], new["failure"]) == ("Failed", {"type": "Exception", "message": "boom"})
        assert new["customStatus"] == '"hot"'

    async def test_a_start_by_a_client_and_a_purge_are_read(self, world: DashboardWorld) -> None:
        await world.do("POST", "/instances", {"name": "Approval", "id": "begun"})
        async with asyncio.timeout(SOON):
            while (await self.summary(world, "begun")) is None:
                pass
        await world.do("DELETE", "/instances/i-000003")
        async with asyncio.timeout(SOON):
            while (await self.summary(world, "i-000003")) is not None:
                pass

    async def test_a_search_that_storage_interrupts_begins_again(
        self, world: DashboardWorld, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        await world.put(instance("found", input='"needle"'))
        query = world.source.client.query
        failures = [TaskHubUnavailable("The table service does not answer")]

        async def fail_once(wanted: InstanceQuery) -> InstancePage:
            if wanted.fetch_input and failures:
                raise failures.pop()
            return await query(wanted)

        monkeypatch.setattr(world.source.client, "query", fail_once)
        world.live.changed("found", None)
        async with asyncio.timeout(SOON):
            while not (answer := (await world.get("/instances", text="needle")).json)["instances"]:
                pass
        assert [one["id"] for one in answer["instances"]] == ["found"]
        assert failures == []

    async def test_it_is_dropped_when_nobody_has_looked_for_long(
        self, world: DashboardWorld, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(hub_watch, "DROPPED_AFTER", 0.0)
        watch = world.dashboard.context.watch
        await until(lambda: watch._index is None)
        assert (await world.get("/instances")).status == 200

    async def test_a_hub_that_disappears_is_an_error_with_a_remedy(self, world: DashboardWorld) -> None:
        watch = world.dashboard.context.watch
        await world.hub.delete()
        watch._stop_listening()
        answer = await world.get("/instances")
        assert (answer.status, answer.code) == (503, "DH6304")
        assert answer.json["error"]["remedy"]
