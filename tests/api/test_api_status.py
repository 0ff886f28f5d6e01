"""Status, listing, purging.

Source: docs/protocol/durable-http-api.md#status-of-an-instance, docs/protocol/durable-http-api.md#purging
"""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from api_world import World
from azure.durable_functions import OrchestrationRuntimeStatus

from durable_host import timestamp
from durable_host.durable.api import patience
from durable_host.durable.model.events import (
    EventRaised,
    ExecutionCompleted,
    TaskCompleted,
    TaskScheduled,
    TimerCreated,
    TimerFired,
)
from durable_host.durable.model.status import OrchestrationStatus
from durable_host.durable.taskhub.port import TaskHubUnavailable

NOON = timestamp.parse("2026-01-01T12:00:00.1234567Z")


async def _json(world: World, path: str, code: int = 200, **headers: str) -> Any:
    async with world.http.get(f"{world.rpc}/{path}", headers=headers) as answer:
        assert answer.status == code
        return await answer.json(content_type=None)


async def test_status_has_the_fields_of_the_reference_in_order(world: World) -> None:
    await world.put(
        "abc", OrchestrationStatus.Completed, input='"{\\"a\\": 1}"', output='"Hello"', custom_status='{"s": 1}'
    )
    body = await _json(world, "instances/abc")
    created, updated = body.pop("createdTime"), body.pop("lastUpdatedTime")
    assert list(body.items()) == [
        ("name", "Orch"), ("instanceId", "abc"), ("runtimeStatus", "Completed"), ("input", '{"a": 1}'),
        ("customStatus", {"s": 1}), ("output", "Hello"),
    ]  # fmt: skip
    for time in (created, updated):
        assert datetime.strptime(time, "%Y-%m-%dT%H:%M:%SZ")


async def test_status_of_a_child_names_its_version_and_its_parent(world: World) -> None:
    await world.put("child", OrchestrationStatus.Completed, version="2.0", parent="abc")
    body = await _json(world, "instances/child")
    assert list(body.items())[:3] == [("name", "Orch"), ("version", "2.0"), ("instanceId", "child")]
    assert list(body.items())[3:5] == [("parentInstanceId", "abc"), ("runtimeStatus", "Completed")]
    await world.put("old", OrchestrationStatus.Completed, version="")
    assert not {"version", "parentInstanceId"} & (await _json(world, "instances/old")).keys()


@pytest.mark.parametrize(
    ("status", "code"),
    [
        (OrchestrationStatus.Running, 202),
        (OrchestrationStatus.Pending, 202),
        (OrchestrationStatus.ContinuedAsNew, 202),
        (OrchestrationStatus.Suspended, 202),
        (OrchestrationStatus.Completed, 200),
        (OrchestrationStatus.Terminated, 200),
        (OrchestrationStatus.Canceled, 200),
        (OrchestrationStatus.Failed, 200),
    ],
)
async def test_status_code_tells_whether_the_instance_has_ended(
    world: World, status: OrchestrationStatus, code: int
) -> None:
    await world.put("abc", status)
    async with world.http.get(f"{world.webhook}/instances/abc?showInput=true") as answer:
        assert answer.status == code
        if code == 202:
            assert answer.headers["Location"] == f"{world.webhook}/instances/abc?showInput=true"
            assert answer.headers["Retry-After"] == "5"
        else:
            assert "Location" not in answer.headers


async def test_failed_is_500_only_on_request(world: World) -> None:
    await world.put("abc", OrchestrationStatus.Failed, output="Orchestrator function 'Orch' failed: boom")
    assert (await _json(world, "instances/abc"))["output"] == "Orchestrator function 'Orch' failed: boom"
    assert await _json(world, "instances/abc?RETURNinternalServerErrorOnFailure=TRUE", 500)


@pytest.mark.parametrize("instance_id", ["nope", "x" * 600, "x" * 2000, "%00", "%2F", "a%20b"])
async def test_unknown_instance_is_404_without_body(world: World, instance_id: str) -> None:
    assert await _json(world, f"instances/{instance_id}", 404) is None


async def test_input_can_be_left_out(world: World) -> None:
    await world.put("abc", OrchestrationStatus.Completed, input="5")
    assert (await _json(world, "instances/abc?showInput=False"))["input"] is None
    assert (await _json(world, "instances/abc?showInput=rubbish"))["input"] == 5


@pytest.mark.parametrize(
    ("stored", "shown"),
    [("12345678901234567890123", 12345678901234567890123), ("NaN", "NaN"), ("[Infinity]", ["Infinity"]),
     ("not json", "not json"), ("", ""), ('"\\ud800"', "\ud800"), ("null", None)],
)  # fmt: skip
async def test_any_stored_output_is_shown(world: World, stored: str, shown: Any) -> None:
    await world.put("abc", OrchestrationStatus.Completed, output=stored)
    assert (await _json(world, "instances/abc"))["output"] == shown


async def test_last_update_held_in_memory_is_shown(world: World) -> None:
    await world.put("abc", OrchestrationStatus.Running)
    world.live.opened("abc", timestamp.parse("2099-01-01T00:00:00.9Z"))
    assert (await _json(world, "instances/abc", 202))["lastUpdatedTime"] == "2099-01-01T00:00:00Z"
    (shown,) = await _json(world, "instances")
    assert shown["lastUpdatedTime"] == "2099-01-01T00:00:00Z"


EVENTS = (
    TaskScheduled(event_id=0, timestamp=NOON, name="Hello", input='["\\"in\\""]'),
    TaskScheduled(event_id=1, timestamp=NOON, name="Open"),
    TimerCreated(event_id=2, timestamp=NOON, fire_at=NOON),
    TimerFired(timestamp=NOON, timer_id=2, fire_at=NOON),
    EventRaised(timestamp=NOON, name="Approval", input="true"),
    TaskCompleted(timestamp=NOON + 10_000_000, task_scheduled_id=0, result='"Hello Tokyo"'),
    ExecutionCompleted(event_id=3, timestamp=NOON, result='{"r": 1}'),
)
TIME = "2026-01-01T12:00:00.1234567Z"


async def test_history_folds_scheduled_events_into_their_completions(world: World) -> None:
    await world.put("abc", OrchestrationStatus.Completed, input='"x"', events=EVENTS)
    path = "instances/abc?showHistory=true&showHistoryOutput=true&showInput=true"
    history = (await _json(world, path))["historyEvents"]
    started = history.pop(0)
    assert list(started) == [
        "EventType", "Input", "Correlation", "ParentTraceContext", "ScheduledStartTime", "Generation",
        "GenerateNewTrace", "Timestamp", "FunctionName",
    ]  # fmt: skip
    assert (started["EventType"], started["FunctionName"], started["Input"]) == ("ExecutionStarted", "Orch", '"x"')
    assert history == [
        {"EventType": "TaskScheduled", "Name": "Open", "Input": None, "Tags": None, "Timestamp": TIME},
        {"EventType": "TimerCreated", "FireAt": TIME, "Timestamp": TIME},
        {"EventType": "TimerFired", "FireAt": TIME, "Timestamp": TIME},
        {
            "EventType": "EventRaised", "Name": "Approval", "Input": "true", "ParentTraceContext": None,
            "Timestamp": TIME,
        },
        {
            "EventType": "TaskCompleted", "Result": "Hello Tokyo", "Timestamp": "2026-01-01T12:00:01.1234567Z",
            "ScheduledTime": TIME.replace("Z", "+00:00"), "FunctionName": "Hello", "Input": '["\\"in\\""]',
        },
        {
            "EventType": "ExecutionCompleted", "OrchestrationStatus": "Completed", "Result": {"r": 1},
            "FailureDetails": None, "Timestamp": TIME,
        },
    ]  # fmt: skip


async def test_history_without_inputs_and_outputs(world: World) -> None:
    await world.put("abc", OrchestrationStatus.Completed, input='"x"', events=EVENTS)
    history = (await _json(world, "instances/abc?showHistory=true&showInput=false"))["historyEvents"]
    assert not any("Input" in event or "Result" in event for event in history)


async def test_pending_instance_has_no_history(world: World) -> None:
    await world.create("abc")
    assert "historyEvents" not in await _json(world, "instances/abc?showHistory=true", 202)
    assert "historyEvents" not in await _json(world, "instances/abc", 202)


async def test_sdk_reads_status_with_history(world: World) -> None:
    await world.put("abc", OrchestrationStatus.Completed, output='"o"', events=EVENTS)
    status = await world.sdk().get_status("abc", show_history=True, show_history_output=True, show_input=True)
    assert status.runtime_status is OrchestrationRuntimeStatus.Completed
    assert status.output == "o"
    assert len(status.historyEvents) == 7
    missing = await world.sdk().get_status("nope")
    assert not missing
    assert missing.created_time is None


async def test_listing_filters_by_time_status_and_prefix(world: World) -> None:
    await world.put("a1", OrchestrationStatus.Completed)
    middle = datetime.now(UTC)
    await world.put("a2", OrchestrationStatus.Running)
    await world.put("b1", OrchestrationStatus.Failed)
    sdk = world.sdk()
    assert [one.instance_id for one in await sdk.get_status_all()] == ["a1", "a2", "b1"]
    found = await sdk.get_status_by(
        runtime_status=[OrchestrationRuntimeStatus.Running, OrchestrationRuntimeStatus.Failed]
    )
    assert [one.instance_id for one in found] == ["a2", "b1"]
    assert [one.instance_id for one in await sdk.get_status_by(instance_id_prefix="a")] == ["a1", "a2"]
    found = await sdk.get_status_by(created_time_from=middle, created_time_to=middle + timedelta(days=1))
    assert [one.instance_id for one in found] == ["a2", "b1"]
    offset = (middle + timedelta(hours=2)).strftime("%Y-%m-%dT%H:%M:%S.%f+02:00")
    assert [one["instanceId"] for one in await _json(world, f"instances?createdTimeFrom={offset}")] == ["a2", "b1"]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("runtimeStatus=Running&runtimeStatus=Failed", ["b", "c"]),
        ("runtimestatus=Running,%20Failed,,", ["b", "c"]),
        ("runtimeStatus=running", ["a", "b", "c"]),
        ("runtimeStatus=Nonsense,Running", ["b"]),
        ("top=2", ["a", "b"]),
        ("createdTimeFrom=&instanceIdPrefix=", ["a", "b", "c"]),
        ("createdTimeTo=2001-01-01", []),
        ("createdTimeTo=1500-01-01", []),
        ("createdTimeTo=0001-01-01", []),
        ("createdTimeFrom=0001-01-01", ["a", "b", "c"]),
        ("createdTimeFrom=1-01-01T00:00:00.000000Z", ["a", "b", "c"]),
        ("createdTimeFrom=1600-12-31T23:59:59Z", ["a", "b", "c"]),
        ("createdTimeFrom=0001-01-01T00:00:00%2B14:00", ["a", "b", "c"]),
        ("createdTimeFrom=9999-12-31T23:59:59-05:00", []),
        ("createdTimeTo=01/02/2006", []),
        ("createdTimeTo=Jan%202,%202006", []),
        ("createdTimeTo=2006-01", []),
        ("createdTimeTo=Mon,%2002%20Jan%202006%2010:00:00%20GMT", []),
        ("createdTimeFrom=yesterday", ["a", "b", "c"]),
        ("createdTimeTo=2026-13-01", ["a", "b", "c"]),
        ("top=0", []),
        ("top=x", ["a", "b", "c"]),
        ("top=99999999999", ["a", "b", "c"]),
        ("top=1&top=2", ["a", "b", "c"]),
    ],
)
async def test_listing_reads_its_filters_as_the_reference_does(world: World, query: str, expected: list[str]) -> None:
    await world.put("a", OrchestrationStatus.Completed)
    await world.put("b", OrchestrationStatus.Running)
    await world.put("c", OrchestrationStatus.Failed)
    assert [one["instanceId"] for one in await _json(world, f"instances?{query}")] == expected


async def test_listing_refuses_a_negative_page_size(world: World) -> None:
    body = await _json(world, "instances?top=-1", 400)
    assert body["Message"] == "One or more of the arguments submitted is incorrect"
    assert "'-1'" in body["ExceptionMessage"]


async def test_a_filter_that_cannot_be_read_is_told_in_the_log(world: World, caplog: pytest.LogCaptureFixture) -> None:
    await _json(world, "instances?createdTimeFrom=yesterday")
    assert [record.getMessage() for record in caplog.records] == [
        "DH6401: The query parameter createdTimeFrom cannot be parsed and is ignored, as in Azure: 'yesterday'"
    ]


async def test_listing_pages_by_token(world: World) -> None:
    for name in "abcde":
        await world.put(name, OrchestrationStatus.Completed)
    seen: list[str] = []
    token = ""
    while True:
        headers = {"x-ms-continuation-token": token} if token else {}
        async with world.http.get(f"{world.rpc}/instances/?top=2", headers=headers) as answer:
            seen += [one["instanceId"] for one in await answer.json()]
            token = answer.headers.get("x-ms-continuation-token", "")
        if not token:
            break
    assert seen == list("abcde")


async def test_foreign_continuation_token_is_refused(world: World) -> None:
    body = await _json(world, "instances", 400, **{"x-ms-continuation-token": "!!!"})
    assert "continuation" in body["ExceptionMessage"]


async def test_purge_of_one_instance(world: World) -> None:
    await world.put("a", OrchestrationStatus.Completed)
    sdk = world.sdk()
    assert (await sdk.purge_instance_history("a")).instances_deleted == 1
    assert (await sdk.purge_instance_history("a")).instances_deleted == 0
    assert await world.client.get("a") is None


async def test_running_instances_are_not_purged(world: World) -> None:
    await world.put("a", OrchestrationStatus.Running)
    async with world.http.delete(f"{world.rpc}/instances/a") as answer:
        assert answer.status == 412
        assert await answer.json() == (
            "Only orchestrations in a terminal state can be purged, but the orchestration with instance ID a has "
            "status Running"
        )
    await world.put("@counter@k", OrchestrationStatus.Running)
    assert (await world.sdk().purge_instance_history("@counter@k")).instances_deleted == 1


async def test_purge_by_filter_takes_ended_instances_only(world: World) -> None:
    for name, status in (("a", OrchestrationStatus.Completed), ("b", OrchestrationStatus.Failed),
                         ("c", OrchestrationStatus.Running), ("d", OrchestrationStatus.Terminated)):  # fmt: skip
        await world.put(name, status)
    sdk = world.sdk()
    long_ago = datetime(2020, 1, 1)
    failed = [OrchestrationRuntimeStatus.Failed, OrchestrationRuntimeStatus.Running]
    assert (await sdk.purge_instance_history_by(long_ago, None, failed)).instances_deleted == 1
    assert (await sdk.purge_instance_history_by(long_ago, long_ago)).instances_deleted == 0
    only_running = [OrchestrationRuntimeStatus.Running]
    assert (await sdk.purge_instance_history_by(long_ago, None, only_running)).instances_deleted == 0
    assert (await sdk.purge_instance_history_by(long_ago)).instances_deleted == 2
    assert [one.instance_id for one in await sdk.get_status_all()] == ["c"]


async def test_listing_and_purge_take_the_earliest_time_of_python(world: World) -> None:
    await world.put("a", OrchestrationStatus.Completed)
    sdk = world.sdk()
    assert [one.instance_id for one in await sdk.get_status_by(datetime.min)] == ["a"]
    assert (await sdk.purge_instance_history_by(datetime.min, datetime(1600, 1, 1))).instances_deleted == 0
    assert (await sdk.purge_instance_history_by(datetime.min)).instances_deleted == 1


@pytest.mark.parametrize(
    "query",
    [
        "createdTimeFrom=0001-01-01",
        "createdTimeFrom=0001-01-01T00:00:00Z&createdTimeTo=1600-12-31",
        "createdTimeFrom=2020-01-01&runtimeStatus=Pending",
    ],
)
async def test_purge_by_filter_says_when_nothing_matches(world: World, query: str) -> None:
    await world.put("a", OrchestrationStatus.Running)
    async with world.http.delete(f"{world.rpc}/instances?{query}") as answer:
        assert answer.status == 404
        assert await answer.json() == {"Message": "No instance that has ended matches the filter of this purge."}


async def test_purge_by_filter_deletes_nothing_when_its_end_cannot_be_read(world: World) -> None:
    await world.put("a", OrchestrationStatus.Completed)
    url = f"{world.rpc}/instances?createdTimeFrom=2020-01-01&createdTimeTo=soon"
    async with world.http.delete(url) as answer:
        assert answer.status == 400
        assert "'soon' is not a valid date and time" in (await answer.json())["ExceptionMessage"]
    assert await world.client.get("a") is not None


@pytest.mark.parametrize("query", ["", "?createdTimeFrom=", "?createdTimeFrom=soon"])
async def test_purge_by_filter_needs_a_beginning(world: World, query: str) -> None:
    async with world.http.delete(f"{world.rpc}/instances{query}") as answer:
        assert answer.status == 400
        assert await answer.json() == "Please provide value for 'createdTimeFrom' parameter."


def _away(world: World, monkeypatch: pytest.MonkeyPatch, method: str, times: int) -> None:
    """The storage behind the hub is not there for the next calls of a method."""
    errors = [TaskHubUnavailable("nobody listens", is_unreachable=True) for _ in range(times)]
    real = getattr(world.hub, method)

    async def call(*arguments: Any, **options: Any) -> Any:
        if errors:
            raise errors.pop()
        return await real(*arguments, **options)

    monkeypatch.setattr(world.hub, method, call)


@pytest.mark.parametrize(
    ("path", "method"),
    [
        ("instances/abc", "get_instance"),
        ("instances/abc?showHistory=true", "get_history"),
        ("instances", "query_instances"),
        ("entities", "query_instances"),
    ],
)
async def test_a_query_waits_for_storage_that_is_away_for_a_moment(
    world: World, monkeypatch: pytest.MonkeyPatch, path: str, method: str
) -> None:
    monkeypatch.setattr(patience, "_RETRY_SECONDS", 0.01)
    await world.put("abc", OrchestrationStatus.Completed)
    _away(world, monkeypatch, method, 3)
    async with world.http.get(f"{world.webhook}/{path}") as answer:
        assert answer.status == 200


async def test_a_query_answers_503_when_storage_stays_away(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(patience, "_RETRY_SECONDS", 0.01)
    monkeypatch.setattr(patience, "ANSWER_TIMEOUT", 0.1)
    _away(world, monkeypatch, "get_instance", 10_000)
    assert (await _json(world, "instances/abc", 503))["ExceptionMessage"] == "nobody listens"
