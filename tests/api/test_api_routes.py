"""Paths, methods, callers, other hubs. Source: docs/protocol/durable-http-api.md#paths-and-query-parameters"""

import pytest
from api_world import World, api_options, running_world

from durable_host.clock import SystemClock
from durable_host.durable.api import DurableClient
from durable_host.durable.model.instance import InstanceState
from durable_host.durable.model.status import OrchestrationStatus
from durable_host.durable.taskhub.port import TaskHubRefused, TaskHubUnavailable, UnreadableHistory
from durable_host.durable.taskhub.sqlite import SqliteTaskHub
from durable_host.errors import ConfigurationError


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", ""), ("GET", "/"), ("GET", "/nope"), ("GET", "/orchestrators/Orch"), ("PUT", "/instances/a"),
        ("POST", "/instances"), ("GET", "/instances/a/terminate"), ("POST", "/instances/a/explode"),
        ("POST", "/instances/a/raiseEvent"), ("POST", "/instances/a/raiseEvent/"), ("POST", "/orchestrators"),
        ("POST", "/orchestrators/Orch/a/b"), ("PATCH", "/entities/Counter/k"),
        ("HEAD", "/instances/a"), ("OPTIONS", "/instances"),
    ],
)  # fmt: skip
async def test_unknown_path_or_method_is_404_without_body(world: World, method: str, path: str) -> None:
    await world.put("a", OrchestrationStatus.Completed)
    for base in (world.webhook, world.rpc):
        async with world.http.request(method, base + path) as answer:
            assert answer.status == 404
            assert await answer.read() == b""


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_make_primary_does_nothing(world: World, method: str) -> None:
    async with world.http.request(method, f"{world.rpc}/makeprimary") as answer:
        assert answer.status == 200
        assert await answer.read() == b""


@pytest.mark.parametrize("path", ["instances/a/", "INSTANCES/a", "Instances/%61"])
async def test_case_trailing_slash_and_escapes_do_not_matter(world: World, path: str) -> None:
    await world.put("a", OrchestrationStatus.Completed)
    async with world.http.get(f"{world.rpc}/{path}") as answer:
        assert answer.status == 200


@pytest.mark.parametrize(
    "headers",
    [{"Origin": "https://evil.example"}, {"Origin": "null"}, {"Host": "evil.example:7071"}, {"Origin": "http://[::"},
     {"Host": "192.168.1.5:7071"}, {"Sec-Fetch-Site": "cross-site"},
     {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors", "Sec-Fetch-Dest": "image"},
     {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-User": "?1"},
     {"Sec-Fetch-Site": "something else"}, {"Origin": "http://localhost:3000", "Sec-Fetch-Site": "cross-site"}],
)  # fmt: skip
async def test_callers_from_elsewhere_are_refused(world: World, headers: dict[str, str]) -> None:
    for base in (world.webhook, world.rpc):
        async with world.http.get(f"{base}/instances", headers=headers) as answer:
            assert answer.status == 403
            assert "Message" in await answer.json()


@pytest.mark.parametrize(
    "headers", [{"Origin": "http://localhost:3000"}, {"Host": "localhost:7071"}, {"Host": "[::1]:7071"},
                {"Origin": "http://127.0.0.1"}, {"Sec-Fetch-Site": "none", "Sec-Fetch-Mode": "navigate"},
                {"Sec-Fetch-Site": "same-origin"}, {"Sec-Fetch-Site": "same-site", "Origin": "http://localhost:3000"}],
)  # fmt: skip
async def test_local_pages_are_served(world: World, headers: dict[str, str]) -> None:
    async with world.http.get(f"{world.webhook}/instances", headers=headers) as answer:
        assert answer.status == 200


async def test_own_hub_may_be_named_in_any_case_and_by_both_connection_names(world: World) -> None:
    await world.put("a", OrchestrationStatus.Completed)
    for query in ("taskHub=testhub&connection=AzureWebJobsStorage", "TASKHUB=TestHub&Connection=storage", "taskHub="):
        async with world.http.get(f"{world.rpc}/instances/a?{query}") as answer:
            assert answer.status == 200


async def test_another_hub_is_served_through_its_own_client() -> None:
    clock = SystemClock()
    other = SqliteTaskHub(":memory:", "Other", clock)
    await other.create()
    asked: list[tuple[str, str]] = []

    def hub_for(hub: str, connection: str) -> DurableClient:
        asked.append((hub, connection))
        if connection == "Nowhere":
            raise ConfigurationError("The connection 'Nowhere' is not configured.")
        return DurableClient(other, None, api_options(), clock)

    async with running_world(hub_for=hub_for) as world:
        for instance_id in ("a", "b"):
            async with world.http.post(f"{world.rpc}/orchestrators/Unknown/{instance_id}?taskHub=Other") as answer:
                assert answer.status == 202
                assert "taskHub=Other&connection=Storage" in (await answer.json())["statusQueryGetUri"]
        async with world.http.get(f"{world.rpc}/instances/a") as answer:
            assert answer.status == 404
        async with world.http.get(f"{world.rpc}/instances/a?taskHub=Other") as answer:
            assert answer.status == 202
        async with world.http.get(f"{world.rpc}/instances/a?connection=Nowhere") as answer:
            assert answer.status == 500
            assert "'Nowhere' is not configured" in (await answer.json())["ExceptionMessage"]
    assert asked == [("Other", "Storage"), ("TestHub", "Nowhere")]
    await other.close()


async def test_without_a_factory_other_hubs_are_an_error(world: World) -> None:
    async with world.http.get(f"{world.rpc}/instances?taskHub=Other") as answer:
        assert answer.status == 500


class _BrokenHub(SqliteTaskHub):
    error: Exception = TaskHubUnavailable("The table service does not answer.")

    async def get_instance(
        self, instance_id: str, *, fetch_input: bool = True, fetch_output: bool = True
    ) -> InstanceState | None:
        raise self.error


@pytest.mark.parametrize(
    ("error", "code", "is_logged"),
    [
        (TaskHubUnavailable("The table service is down."), 503, False),
        (TaskHubRefused("The table service refuses access."), 500, True),
        (UnreadableHistory("Row 7 is no event."), 500, False),
        (ZeroDivisionError("oops"), 500, True),
    ],
)
async def test_failures_of_the_host_are_json_without_traceback(
    world: World, error: Exception, code: int, is_logged: bool, caplog: pytest.LogCaptureFixture
) -> None:
    hub = _BrokenHub(":memory:", "Broken")
    hub.error = error
    world.client.hub = hub
    async with world.http.get(f"{world.rpc}/instances/a") as answer:
        body = await answer.json()
        assert answer.status == code
    assert body["Message"] == "Something went wrong while processing your request"
    assert body["ExceptionMessage"] == str(error)
    assert body["StackTrace"] == ""
    assert is_logged == bool(caplog.records)


async def test_forwarded_host_is_used_when_host_json_says_so() -> None:
    async with running_world(options=api_options(use_forwarded_host=True)) as world:
        headers = {"X-Forwarded-Host": "app.example", "X-Forwarded-Proto": "https"}
        async with world.http.post(f"{world.webhook}/orchestrators/Orch", headers=headers) as answer:
            url = (await answer.json())["statusQueryGetUri"]
        port = world.origin.rpartition(":")[2]
        assert url.startswith(f"https://app.example:{port}/runtime/webhooks/durabletask/instances/")


async def test_a_path_that_does_not_exist_is_named_in_the_log_once(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    for _ in range(2):
        async with world.http.post(f"{world.rpc}/orchestrators/Approval/a/b") as answer:
            assert answer.status == 404
    told = [record.getMessage() for record in caplog.records]
    assert len(told) == 1
    assert told[0].startswith("DH6404: The management API has no POST 'orchestrators/Approval/a/b'")
    assert told[0].endswith(SLASH)


SLASH = "Instance IDs, names of events and keys of entities must not contain a slash."


@pytest.mark.parametrize(
    ("method", "path", "has_slash"),
    [
        ("GET", "instances/a/b", True),
        ("GET", "Instances/a/b", True),
        ("POST", "instances/a/b/terminate", True),
        ("POST", "instances/a/b/raiseEvent/go", True),
        ("POST", "instances/a/raiseEvent/go/on", True),
        ("POST", "entities/Counter/a/b", True),
        ("GET", "instances/a/raiseEvent/go", False),
        ("GET", "instances/a/suspend", False),
        ("PUT", "instances/a", False),
        ("PUT", "instances/a/b", False),
        ("POST", "instances/a/explode", False),
        ("POST", "orchestrators", False),
        ("GET", "nope/a/b", False),
    ],
)
async def test_a_slash_is_named_as_the_cause_only_where_it_may_be(
    world: World, caplog: pytest.LogCaptureFixture, method: str, path: str, has_slash: bool
) -> None:
    async with world.http.request(method, f"{world.rpc}/{path}") as answer:
        assert answer.status == 404
    (told,) = (record.getMessage() for record in caplog.records)
    assert told.startswith(f"DH6404: The management API has no {method} '{path}', so the answer is 404, as in Azure")
    assert told.endswith(SLASH) is has_slash


@pytest.mark.parametrize("method", ["HEAD", "OPTIONS"])
async def test_a_client_that_asks_what_exists_gets_no_warning(
    world: World, caplog: pytest.LogCaptureFixture, method: str
) -> None:
    for path in ("instances/a", "instances/a/b", "nope"):
        async with world.http.request(method, f"{world.rpc}/{path}") as answer:
            assert answer.status == 404
    assert not caplog.records


async def test_many_unknown_paths_end_their_warnings_and_no_others(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    async def ask(path: str) -> None:
        async with world.http.get(f"{world.rpc}/{path}") as answer:
            await answer.read()

    await ask("instances?top=many")
    for number in range(1100):
        await ask(f"instances/{number}/b")
    await ask("instances?top=many")
    told = [record.getMessage() for record in caplog.records]
    assert [text.partition(":")[0] for text in told] == ["DH6401"] + ["DH6404"] * 100
    assert [text for text in told if "Further paths are not reported." in text] == told[-1:]
