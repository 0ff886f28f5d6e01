"""Rows of the page durable-http on parameters of queries, with the answers of the real extension."""

from datetime import UTC, datetime
from typing import Any

import pytest
from api_world import World

from durable_host.durable.model.status import OrchestrationStatus

pytestmark = pytest.mark.unit

COMPLETED = OrchestrationStatus.Completed


async def _listed(world: World, query: str) -> list[str]:
    async with world.http.get(f"{world.webhook}/instances?{query}") as answer:
        assert answer.status == 200
        return [one["instanceId"] for one in await answer.json()]


def _warnings(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if "DH6401" in record.getMessage()]


async def test_the_sdk_lists_and_purges_from_the_earliest_time(world: World) -> None:
    """durable-http 1: the SDK prints year 1 as `1-01-01T…`; 200, for a purge of nothing 0 purged."""
    await world.put("a", COMPLETED)
    assert [one.instance_id for one in await world.sdk().get_status_by(datetime.min)] == ["a"]
    nothing = await world.sdk().purge_instance_history_by(datetime.min, datetime(2, 1, 1))
    assert nothing.instances_deleted == 0
    assert (await world.sdk().purge_instance_history_by(datetime.min)).instances_deleted == 1


@pytest.mark.parametrize("year", ["1", "12", "123", "0123"])
async def test_a_year_may_have_one_to_three_digits(world: World, year: str) -> None:
    """durable-http 1: years of 1 to 3 digits are accepted."""
    await world.put("a", COMPLETED)
    assert await _listed(world, f"createdTimeFrom={year}-01-01T00:00:00.000000Z") == ["a"]
    assert await _listed(world, f"createdTimeTo={year}-01-01T00:00:00.000000Z") == []


@pytest.mark.parametrize("value", ["yesterday", "2026-13-01"])
async def test_a_time_that_cannot_be_read_is_not_a_filter(
    world: World, caplog: pytest.LogCaptureFixture, value: str
) -> None:
    """durable-http 2: the filter is ignored, 200 with everything. Here a warning says so, once."""
    await world.put("a", COMPLETED)
    assert await _listed(world, f"createdTimeFrom={value}") == ["a"]
    assert await _listed(world, f"createdTimeFrom={value}") == ["a"]
    assert _warnings(caplog) == [
        f"DH6401: The query parameter createdTimeFrom cannot be parsed and is ignored, as in Azure: '{value}'"
    ]


@pytest.mark.parametrize("name", ["lastOperationTimeFrom", "lastOperationTimeTo"])
async def test_a_time_that_cannot_be_read_is_not_a_filter_of_entities(world: World, name: str) -> None:
    """durable-http 2: other lists, the same."""
    await world.put("@counter@k", OrchestrationStatus.Running, input='{"exists":true,"state":"5","sorter":{}}')
    async with world.http.get(f"{world.webhook}/entities?{name}=yesterday") as answer:
        assert len(await answer.json()) == 1


@pytest.mark.parametrize(
    "value", ["01/02/2006", "Jan 2, 2006", "2006-01", "Mon, 02 Jan 2006 10:00:00 GMT", "2006-01-02T10:00:00+02:00"]
)
async def test_times_are_read_in_the_forms_of_dotnet(world: World, value: str) -> None:
    """durable-http 2: `01/02/2026`, `Jan 2, 2026`, `2026-01` and RFC 1123 are read."""
    await world.put("a", COMPLETED)
    assert await _listed(world, f"createdTimeTo={value}") == []
    assert await _listed(world, f"createdTimeFrom={value}") == ["a"]


async def test_a_time_without_a_date_is_of_today(world: World) -> None:
    """durable-http 2: `12:00` is read."""
    await world.put("a", COMPLETED)
    is_morning = datetime.now(UTC).hour < 12
    assert await _listed(world, "createdTimeFrom=12:00") == ([] if is_morning else ["a"])
    assert await _listed(world, "createdTimeFrom=00:00") == ["a"]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("top=x", ["a", "b"]),
        ("top=1_0", ["a", "b"]),
        ("top=1.0", ["a", "b"]),
        ("top=99999999999", ["a", "b"]),
        ("top=-99999999999", ["a", "b"]),
        ("top=", ["a", "b"]),
        ("top=0", []),
        ("top=%20%2B1", ["a"]),
        ("top=1&top=1", ["a", "b"]),
        ("TOP=1", ["a"]),
    ],
)
async def test_a_page_size_is_obeyed_if_it_is_one(world: World, query: str, expected: list[str]) -> None:
    """durable-http 19: unreadable, too large or given twice: ignored; 0: `[]`."""
    await world.put("a", COMPLETED)
    await world.put("b", COMPLETED)
    assert await _listed(world, query) == expected


@pytest.mark.parametrize("query", ["top=x", "top=99999999999", "top=1&top=2"])
async def test_a_page_size_that_is_ignored_is_reported(
    world: World, caplog: pytest.LogCaptureFixture, query: str
) -> None:
    """durable-http 19: ignored. Here a warning says so."""
    await _listed(world, query)
    (told,) = _warnings(caplog)
    assert "query parameter top cannot be parsed" in told


@pytest.mark.differs("negative-top")
async def test_a_negative_page_size_is_refused(world: World) -> None:
    """durable-http 19: stays different, 400 where the reference has 500."""
    async with world.http.get(f"{world.webhook}/instances?top=-1") as answer:
        assert answer.status == 400
        assert "'-1'" in (await answer.json())["ExceptionMessage"]


async def test_a_parameter_that_is_given_twice_has_both_values(world: World) -> None:
    """durable-http 19: values are joined with a comma, as for every parameter."""
    await world.put("a", OrchestrationStatus.Running)
    async with world.http.post(f"{world.webhook}/instances/a/terminate?reason=x&reason=y") as answer:
        assert answer.status == 202
    assert [getattr(event, "input", None) for event in await world.messages("a")][-1] == "x,y"


@pytest.mark.parametrize(
    "times",
    [
        "timeout=x&pollingInterval=1",
        "timeout=60&pollingInterval=soon",
        "timeout=&pollingInterval=1",
        "timeout=60&pollingInterval=",
        "timeout=1_0&pollingInterval=1",
        "timeout=nan&pollingInterval=1",
        "timeout=60",
        "timeout=-1&pollingInterval=1",
        "timeout=60&pollingInterval=-1",
        "timeout=-1&pollingInterval=-1",
    ],
)
async def test_a_start_does_not_wait_for_a_time_that_is_none(world: World, times: str) -> None:
    """durable-http 20: unreadable or empty: ignored; negative: 202 at once. The instance is started."""
    async with world.http.post(f"{world.webhook}/orchestrators/Orch/w?{times}") as answer:
        assert answer.status == 202
    assert await world.client.get("w") is not None


@pytest.mark.parametrize("name", ["timeout", "pollingInterval"])
async def test_a_time_to_wait_that_is_ignored_is_reported(
    world: World, caplog: pytest.LogCaptureFixture, name: str
) -> None:
    """durable-http 20: ignored. Here a warning says so; an empty one is as good as none."""
    async with world.http.post(f"{world.webhook}/orchestrators/Orch?{name}=soon") as answer:
        assert answer.status == 202
    async with world.http.post(f"{world.webhook}/orchestrators/Orch?{name}=") as answer:
        assert answer.status == 202
    assert _warnings(caplog) == [
        f"DH6401: The query parameter {name} cannot be parsed and is ignored, as in Azure: 'soon'"
    ]


@pytest.mark.differs("longest-wait")
async def test_a_thousand_may_have_a_comma(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """durable-http 20: `1,000` is a thousand. A wait has at most 230 seconds here."""
    asked: list[tuple[float, float]] = []

    async def wait(_: str, timeout: float, interval: float) -> Any:
        asked.append((timeout, interval))

    monkeypatch.setattr(world.client, "wait_for_completion", wait)
    for times in ("timeout=1,000&pollingInterval=2.5", "timeout=2e2&pollingInterval=1,00.5"):
        async with world.http.post(f"{world.webhook}/orchestrators/Orch?{times}") as answer:
            assert answer.status == 202
    assert asked == [(230.0, 2.5), (200.0, 100.5)]


@pytest.mark.parametrize("path", ["orchestrators/Orch/w", "instances/a/restartWithOptions"])
async def test_a_time_beyond_all_bounds_fails_after_the_start(world: World, path: str) -> None:
    """durable-http 20: overflow: 500, but started."""
    await world.put("a", COMPLETED)
    url = f"{world.webhook}/{path}?timeout=1e300&pollingInterval=1&newInstanceId=w"
    async with world.http.post(url) as answer:
        assert answer.status == 500
        assert (await answer.json())["ExceptionType"] == "System.OverflowException"
    assert await world.client.get("w") is not None
