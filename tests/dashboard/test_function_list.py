"""The functions of the app, their latest invocations, and running them by hand."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from dashboard_app import FUNCTIONS, DashboardApp
from dashboard_world import DashboardWorld, dashboard_world

from durable_host.invocation.attempt import Attempt
from durable_host.invocation.datum import NONE
from durable_host.invocation.errors import FunctionFailed
from durable_host.invocation.recent_invocations import KEPT


@pytest.fixture
def app(tmp_path: Path) -> DashboardApp:
    return DashboardApp(tmp_path)


@pytest.fixture
async def world(app: DashboardApp) -> AsyncIterator[DashboardWorld]:
    async with dashboard_world(":memory:", app=app.source) as opened:
        yield opened


async def listed(world: DashboardWorld) -> dict[str, Any]:
    return {one["name"]: one for one in (await world.get("/functions")).json["functions"]}


def attempted(app: DashboardApp, name: str, error: Exception | None = None) -> None:
    """An attempt at a function that has just ended."""
    metadata = next(one for one in FUNCTIONS if one.name == name)
    attempt = Attempt(
        function=metadata, invocation_id="id", trigger_value=NONE, trigger_metadata={"instanceId": "i"}, binding_data={}
    )
    app.invoker.recent.add(attempt, "a reason", 0.001, error=error)


async def test_a_function_has_what_its_trigger_has(world: DashboardWorld) -> None:
    found = await listed(world)
    assert list(found) == [one.name for one in FUNCTIONS]
    items = found["Items"]
    assert (items["route"], items["authLevel"]) == ("/api/items/{id:int}", "anonymous")
    assert items["methods"] == ["GET", "POST"]
    assert items["url"] == f"{world.origin}/api/items/{{id:int}}"
    nightly = found["Nightly"]
    assert nightly["schedule"] == "0 0 3 * * *"
    assert "T03:00:00Z" in nightly["next"]
    assert found["OnQueue"]["queue"] == "approval-queue"
    assert (found["OnQueue"]["file"], found["OnQueue"]["line"]) == ("function_app.py", 7)
    assert found["Approval"]["durableKind"] == "orchestration"
    assert found["Pay"]["bindings"] == [{"name": "trigger", "type": "activityTrigger", "direction": "in"}]
    assert {name for name, one in found.items() if one["canRun"]} == {"OnQueue", "Nightly", "Items"}


async def test_the_latest_invocations_are_kept_and_counted(world: DashboardWorld, app: DashboardApp) -> None:
    attempted(app, "Pay")
    attempted(app, "Pay", FunctionFailed("ValueError", "AccountKey=secret;"))
    recent = (await listed(world))["Pay"]["recent"]
    assert (recent["count"], recent["failures"]) == (2, 1)
    assert recent["averageMs"] >= 0
    latest, first = (await world.get("/functions/pay/invocations")).json["invocations"]
    assert (latest["ok"], first["ok"], first["error"], first["reason"], first["instanceId"]) == (
        False, True, None, "a reason", "i",
    )  # fmt: skip
    assert "secret" not in latest["error"]
    assert "ValueError" in latest["error"]


async def test_no_more_invocations_are_kept_than_the_limit(world: DashboardWorld, app: DashboardApp) -> None:
    for _ in range(KEPT + 5):
        attempted(app, "Pay")
    assert len((await world.get("/functions/Pay/invocations")).json["invocations"]) == KEPT


async def test_a_function_is_run_now(world: DashboardWorld, app: DashboardApp) -> None:
    answer = (await world.do("POST", "/functions/OnQueue/run", {"input": "hello"})).json
    assert (answer["ok"], answer["result"], answer["error"]) == (True, '{"ü": 1}', None)
    assert (await world.do("POST", "/functions/nightly/run")).json["ok"]
    assert app.runs == [("OnQueue", "hello"), ("Nightly", "")]


async def test_a_run_that_fails_has_the_error_without_secrets(world: DashboardWorld) -> None:
    answer = await world.do("POST", "/functions/OnQueue/run", {"input": "fail"})
    assert (answer.status, answer.json["ok"]) == (200, False)
    assert "It failed" in answer.json["error"]
    assert "secret" not in answer.json["error"]


async def test_orchestrations_are_not_run_by_hand(world: DashboardWorld) -> None:
    answer = await world.do("POST", "/functions/Approval/run")
    assert (answer.status, answer.code) == (409, "DH3055")


async def test_an_unknown_function_is_404(world: DashboardWorld) -> None:
    assert (await world.get("/functions/None/invocations")).status == 404
    assert (await world.do("POST", "/functions/None/run")).status == 404


async def test_a_hub_without_an_app_has_no_functions(small: DashboardWorld) -> None:
    answer = await small.get("/functions")
    assert (answer.status, answer.code) == (409, "DH3055")
