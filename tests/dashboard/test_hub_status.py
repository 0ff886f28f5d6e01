"""The numbers of the hub, and purging by age and status."""

import pytest
from dashboard_world import DashboardWorld, instance

from durable_host.durable.model.status import OrchestrationStatus as Status
from durable_host.timestamp import TICKS_PER_SECOND, to_text

OLD = 638_000_000_000_000_000


async def test_the_hub_has_partitions_and_numbers(world: DashboardWorld) -> None:
    hub = (await world.get("/hub")).json
    assert len(hub["partitions"]) == (4 if world.source.storage == "azure" else 1)
    assert {partition["isOwn"] for partition in hub["partitions"]} == {False}
    assert [partition["id"] for partition in hub["partitions"]] == list(range(len(hub["partitions"])))
    assert (hub["sessions"], hub["openInstances"], hub["findings"], hub["error"]) == (None, 0, {}, None)
    assert hub["storageRequests"]["total"] >= (1 if world.source.storage == "azure" else 0)
    assert hub["uptimeSeconds"] >= 0


async def test_a_page_gets_the_same_once_a_second(small: DashboardWorld) -> None:
    body = await small.dashboard.context._hub_body()
    assert set(await _members(body)) == set((await small.get("/hub")).json)


async def _members(body: bytes) -> list[str]:
    import json

    return list(json.loads(body))


async def test_a_purge_counts_first_and_deletes_then(world: DashboardWorld) -> None:
    await world.put(
        instance("old", created_time=OLD),
        instance("old-failed", created_time=OLD, runtime_status=Status.Failed),
        instance("old-running", created_time=OLD, runtime_status=Status.Running),
        instance("new", created_time=OLD + 100 * TICKS_PER_SECOND),
    )
    wanted = {"statuses": ["Completed"], "before": to_text(OLD + TICKS_PER_SECOND)}
    assert (await world.do("POST", "/hub/purge", wanted)).json == {"count": 1}
    assert (await world.do("POST", "/hub/purge", wanted | {"countOnly": False})).json == {"count": 1}
    assert (await world.do("POST", "/hub/purge", wanted)).json == {"count": 0}
    both = {"statuses": ["Completed", "Failed"]}
    assert (await world.do("POST", "/hub/purge", both)).json == {"count": 2}
    assert (await world.do("POST", "/hub/purge", both | {"countOnly": False})).json == {"count": 2}
    assert await world.source.client.get("old-running") is not None


@pytest.mark.parametrize(
    "body",
    [{}, {"statuses": []}, {"statuses": ["Running"]}, {"statuses": ["Gone"]}, {"statuses": ["Failed"], "before": "x"}],
)
async def test_a_purge_that_means_nothing_is_refused(small: DashboardWorld, body: dict[str, object]) -> None:
    answer = await small.do("POST", "/hub/purge", body)
    assert (answer.status, answer.code) == (400, "DH3053")
