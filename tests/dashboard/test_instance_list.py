"""The list of orchestrations: filters, order, pages, counts; on every kind of hub."""

import json
from typing import Any

import pytest
from dashboard_world import DashboardWorld, instance

from durable_host.durable.model.status import OrchestrationStatus as Status
from durable_host.timestamp import TICKS_PER_SECOND, UNIX_EPOCH_TICKS, to_text

SECOND = TICKS_PER_SECOND
NIGHT = UNIX_EPOCH_TICKS + 1_700_000_000 * SECOND
ODD_IDS = ["a/b", "it's", 'say "x"', "<script>alert(1)</script>", "äöü €", "a b+c%2F?#&", "..%2e", "\u202e right", "😀"]


async def listed(world: DashboardWorld, **query: str) -> dict[str, Any]:
    """The whole answer, once the hub has been read."""
    while not (answer := (await world.get("/instances", **query)).json)["isComplete"]:
        pass
    return answer


async def ids(world: DashboardWorld, **query: str) -> list[str]:
    return [one["id"] for one in (await listed(world, **query))["instances"]]


@pytest.fixture
async def filled(world: DashboardWorld) -> DashboardWorld:
    """Five orchestrations of different kinds, one second apart, and an entity."""
    await world.put(
        instance("run-1", name="Approval", runtime_status=Status.Running, created_time=NIGHT, input='{"who": "Ann"}'),
        instance(
            "run-2",
            name="Orders",
            runtime_status=Status.Failed,
            created_time=NIGHT + SECOND,
            last_updated_time=NIGHT + 9 * SECOND,
            output="Orchestrator function 'Orders' failed: Activity function 'P' failed: ValueError: no money 17 \n x",
        ),
        instance(
            "run-3",
            name="approval",
            created_time=NIGHT + 2 * SECOND,
            last_updated_time=NIGHT + 3 * SECOND,
            output=json.dumps("Grüße"),
            version="2.0",
            parent_instance_id="run-1",
        ),
        instance(
            "other-4",
            name="Orders",
            runtime_status=Status.Failed,
            created_time=NIGHT + 3 * SECOND,
            last_updated_time=NIGHT + 4 * SECOND,
            output="Orchestrator function 'Orders' failed: Activity function 'P' failed: ValueError: no money 18 \n x",
        ),
        instance(
            "other-5",
            name="Zero",
            runtime_status=Status.Suspended,
            created_time=NIGHT + 4 * SECOND,
            custom_status='"needs 100% care"',
        ),
        instance("@counter@x", name="@counter", runtime_status=Status.Running, created_time=NIGHT),
    )
    return world


async def test_the_latest_come_first_and_entities_are_not_listed(filled: DashboardWorld) -> None:
    assert await ids(filled) == ["other-5", "other-4", "run-3", "run-2", "run-1"]


async def test_a_summary_has_what_the_row_has(filled: DashboardWorld) -> None:
    by_id = {one["id"]: one for one in (await listed(filled))["instances"]}
    assert by_id["run-3"] == {
        "id": "run-3",
        "name": "approval",
        "status": "Completed",
        "created": to_text(NIGHT + 2 * SECOND),
        "updated": to_text(NIGHT + 3 * SECOND),
        "completed": to_text(NIGHT + 3 * SECOND),
        "durationMs": 1000.0,
        "customStatus": None,
        "customStatusIsTruncated": False,
        "version": "2.0",
        "parentId": "run-1",
        "failure": None,
    }
    assert by_id["run-2"]["failure"] == {"type": "ValueError", "message": "no money 17"}
    assert by_id["run-1"]["completed"] is None
    assert by_id["run-1"]["durationMs"] > 0


FILTERS = [
    ({"status": "Failed"}, ["other-4", "run-2"]),
    ({"status": "failed,Suspended"}, ["other-5", "other-4", "run-2"]),
    ({"name": "APPROV"}, ["run-3", "run-1"]),
    ({"prefix": "run-"}, ["run-3", "run-2", "run-1"]),
    ({"from_": to_text(NIGHT + 3 * SECOND)}, ["other-5", "other-4"]),
    ({"to": to_text(NIGHT + SECOND)}, ["run-2", "run-1"]),
    ({"text": "ann"}, ["run-1"]),
    ({"text": "grüße"}, ["run-3"]),
    ({"text": "NO MONEY"}, ["other-4", "run-2"]),
    ({"text": "100%"}, ["other-5"]),
    ({"text": "100_"}, []),
    ({"text": "money", "prefix": "run"}, ["run-2"]),
    ({"status": "Pending"}, []),
]


async def test_filters_select(filled: DashboardWorld) -> None:
    found = {str(query): await ids(filled, **query) for query, _ in FILTERS}
    assert found == {str(query): expected for query, expected in FILTERS}


ORDERS = [
    ("created", ["run-1", "run-2", "run-3", "other-4", "other-5"]),
    ("-updated", ["run-2", "other-5", "other-4", "run-3", "run-1"]),
    ("name", ["run-1", "run-3", "other-4", "run-2", "other-5"]),
    ("-id", ["run-3", "run-2", "run-1", "other-5", "other-4"]),
    ("status", ["run-3", "other-4", "run-2", "run-1", "other-5"]),
    ("duration", ["other-4", "run-3", "run-2", "other-5", "run-1"]),
]


async def test_the_order_is_kept_over_pages(filled: DashboardWorld) -> None:
    for sort, expected in ORDERS:
        found: list[str] = []
        cursor = ""
        for _ in range(3):
            page = await listed(filled, sort=sort, top="2", **({"cursor": cursor} if cursor else {}))
            found += [one["id"] for one in page["instances"]]
            cursor = page["cursor"]
        assert (sort, found, cursor) == (sort, expected, None)


async def test_counts_ignore_the_statuses_and_the_total_does_not(filled: DashboardWorld) -> None:
    answer = await listed(filled, status="Failed", top="1")
    assert answer["counts"] == {"Running": 1, "Completed": 1, "Failed": 2, "Suspended": 1}
    assert (answer["total"], len(answer["instances"]), answer["scanned"]) == (2, 1, 5)


async def test_failures_that_differ_in_numbers_are_one_group(filled: DashboardWorld) -> None:
    groups = (await filled.get("/failures")).json["groups"]
    assert groups == [
        {
            "type": "ValueError",
            "message": "no money 17",
            "count": 2,
            "names": ["Orders"],
            "latest": to_text(NIGHT + 9 * SECOND),
            "instanceIds": ["run-2", "other-4"],
        }
    ]
    assert (await filled.get("/failures", prefix="other")).json["groups"][0]["count"] == 1
    assert (await filled.get("/failures", name="Approval")).json["groups"] == []


async def test_any_id_is_listed_and_found(world: DashboardWorld) -> None:
    await world.put(*(instance(odd, name=odd, custom_status=json.dumps(odd)) for odd in ODD_IDS))
    assert sorted(await ids(world)) == sorted(ODD_IDS)
    for odd in ODD_IDS:
        found = [await ids(world, prefix=odd), await ids(world, name=odd), await ids(world, text=odd)]
        assert found == [[odd]] * 3 or odd == 'say "x"'


async def test_a_long_custom_status_is_cut(world: DashboardWorld) -> None:
    await world.put(instance("x", custom_status=json.dumps("y" * 1000)))
    (one,) = (await listed(world))["instances"]
    assert len(one["customStatus"]) == 256
    assert one["customStatusIsTruncated"]


async def test_an_empty_hub_is_an_empty_list(world: DashboardWorld) -> None:
    answer = await listed(world)
    assert answer == {
        "instances": [],
        "cursor": None,
        "total": 0,
        "counts": {},
        "scanned": 0,
        "isComplete": True,
    }
    assert (await world.get("/failures")).json == {"groups": [], "isComplete": True}


@pytest.mark.parametrize("cursor", ["x", "e30=", "WzEsMiwzXQ==", "ÿ", "WzEsMSwieCIsMV0="])
async def test_a_foreign_cursor_is_refused(small: DashboardWorld, cursor: str) -> None:
    answer = await small.get("/instances", cursor=cursor)
    assert (answer.status, answer.code) == (400, "DH3053")


async def test_a_cursor_of_another_order_is_refused(filled: DashboardWorld) -> None:
    cursor = (await listed(filled, sort="-created", top="2"))["cursor"]
    answer = await filled.get("/instances", sort="name", top="2", cursor=cursor)
    assert (answer.status, answer.code) == (400, "DH3053")


async def test_letters_with_accents_are_found_as_typed(world: DashboardWorld) -> None:
    await world.put(instance("one", name="Übung", custom_status='"Ärger"'))
    assert await ids(world, text="Ärger") == await ids(world, name="Übung") == ["one"]


@pytest.mark.parametrize("query", [{"status": "Sleeping"}, {"from_": "yesterday"}, {"to": "9999-99-99"}])
async def test_a_filter_that_means_nothing_is_refused(small: DashboardWorld, query: dict[str, str]) -> None:
    assert (await small.get("/instances", **query)).status == 400
