"""The index of a hub that cannot sort, while the hub changes and fails. A stand-in takes the place of the client."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from dashboard_world import instance

from durable_host.dashboard import instance_index
from durable_host.dashboard.instance_index import InstanceIndex
from durable_host.durable.model.events import ExecutionStarted, OrchestrationInstance
from durable_host.durable.model.instance import InstancePage, InstanceQuery, InstanceState, InstanceUpdate
from durable_host.durable.model.instance_search import InstanceSearch
from durable_host.durable.taskhub.port import TaskHubUnavailable
from durable_host.supervision import Tasks


class PagedClient:
    """Two pages of rows. `before_second` is called between them."""

    def __init__(self, rows: list[InstanceState]) -> None:
        self.rows = {row.instance_id: row for row in rows}
        self.scans = 0
        self.is_down = False
        self.before_second: Callable[[], None] = lambda: None

    async def query(self, query: InstanceQuery) -> InstancePage:
        if self.is_down:
            raise TaskHubUnavailable("Storage is down.")
        ids = sorted(self.rows)
        if query.continuation_token is None:
            return InstancePage([self.rows[one] for one in ids[:1]], continuation_token="2")
        page = InstancePage([self.rows[one] for one in ids[1:]], continuation_token=None)
        self.before_second()
        self.scans += 1
        return page

    async def get(self, instance_id: str, **_: Any) -> InstanceState | None:
        return self.rows.get(instance_id)


@pytest.fixture
def client() -> PagedClient:
    return PagedClient([instance("m"), instance("z")])


@pytest.fixture
async def index(client: Any) -> AsyncIterator[InstanceIndex]:
    tasks = Tasks(logging.getLogger(__name__))
    index = InstanceIndex(client, tasks, lambda ids: None, rescan_after=0)
    await until(lambda: index.is_complete)
    yield index
    index.close()
    await tasks.stop()


def started(instance_id: str) -> InstanceUpdate:
    event = ExecutionStarted(
        timestamp=5, name="Orders", orchestration_instance=OrchestrationInstance(instance_id, "first"), input=None
    )
    return InstanceUpdate(execution_id="first", last_updated_time=5, started=event)


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(30):
        while not condition():  # noqa: ASYNC110
            await asyncio.sleep(0.001)


async def ids(index: InstanceIndex) -> list[str]:
    page = await index.search(InstanceSearch(sort="id", descending=False, top=50))
    return [state.instance_id for state in page.instances]


async def test_an_instance_that_starts_during_a_scan_stays_listed(client: PagedClient, index: InstanceIndex) -> None:
    def start() -> None:
        client.before_second = lambda: None
        client.rows["a"] = instance("a")
        index.changed("a", started("a"))

    client.before_second = start
    await until(lambda: "a" in client.rows)
    scans = client.scans
    while client.scans < scans + 5:
        assert await ids(index) == ["a", "m", "z"]
        await asyncio.sleep(0)


async def test_an_instance_that_is_gone_leaves_the_list(client: PagedClient, index: InstanceIndex) -> None:
    del client.rows["z"]
    await until(lambda: len(index) == 1)
    assert await ids(index) == ["m"]


async def test_the_list_is_not_whole_while_storage_is_down(client: PagedClient, index: InstanceIndex) -> None:
    client.is_down = True
    await until(lambda: not index.is_whole)
    assert await ids(index) == ["m", "z"]
    client.is_down = False
    await until(lambda: index.is_whole)


async def test_the_number_of_entries_is_limited(index: InstanceIndex, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(instance_index, "MOST_ENTRIES", 3)
    for number in range(10):
        index.changed(f"i{number}", started(f"i{number}"))
    assert (len(index), index.is_whole) == (3, False)
