"""Rows of the table of differences that hold for the 1.x SDK and for the 2.x SDK."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from durable_world import MANAGEMENT, finished, start_instance
from host_process import HostProcess, hub_settings, until, write_app
from v2_environment import v2_interpreter

pytestmark = pytest.mark.timeout(300)

APP = """
import os, time

import azure.durable_functions as df

app = df.DFApp()


@app.activity_trigger(input_name="number")
def behind(number: int) -> int:
    while not os.path.exists("open"):
        time.sleep(0.05)
    return number


@app.orchestration_trigger(context_name="context")
def many(context):
    results = yield context.task_all([context.call_activity("behind", number) for number in range(150)])
    return sum(results)


@app.orchestration_trigger(context_name="context")
def parent(context):
    result = yield context.call_sub_orchestrator("later", 3)
    return result
"""
CHILD = """

@app.orchestration_trigger(context_name="context")
def later(context):
    return context.get_input()
"""
MOST_ACTIVITIES = 128


class App:
    """An app of one generation of the SDK; `started` (re)starts its host."""

    def __init__(self, host: HostProcess, arguments: tuple[str, ...]) -> None:
        self.host = host
        self._arguments = arguments

    def started(self) -> HostProcess:
        return self.host.start(*self._arguments)

    def history(self, instance_id: str) -> list[dict[str, Any]]:
        return self.host.status(instance_id).get("historyEvents") or []


@pytest.fixture(params=["1.x", "2.x"])
def arguments(request: pytest.FixtureRequest) -> tuple[str, ...]:
    """Those of `func start` for the SDK."""
    return ("--python", str(v2_interpreter())) if request.param == "2.x" else ()


@pytest.fixture(params=["AzureStorage", "sqlite"])
def app(
    request: pytest.FixtureRequest, tmp_path: Path, connection_string: str, arguments: tuple[str, ...]
) -> Iterator[App]:
    durable = {"durableTask": {"storageProvider": {"type": request.param}}}
    files = {"function_app.py": APP, "host.json": json.dumps({"version": "2.0", "extensions": durable})}
    host = HostProcess(write_app(tmp_path / "app", files), hub_settings(connection_string))
    yield App(host, arguments)
    host.end()


def test_rewind_calls_a_child_again_that_never_began(app: App) -> None:
    host = app.started()
    id = start_instance(host, "parent")
    finished(host, id, "Failed")
    host.stop()
    (host.root / "function_app.py").write_text(APP + CHILD)
    app.started()
    assert host.post(f"{MANAGEMENT}/instances/{id}/rewind?reason=it+is+there").status_code == 202
    until(lambda: host.status(id)["runtimeStatus"] == "Completed", host=host)
    assert host.status(id)["output"] == 3


def test_outstanding_activities_are_limited_on_the_development_account(
    app: App, request: pytest.FixtureRequest
) -> None:
    host = app.started()
    id = start_instance(host, "many")
    limit = MOST_ACTIVITIES if "AzureStorage" in request.node.name else 150

    def outstanding() -> int:
        return sum(event["EventType"] == "TaskScheduled" for event in app.history(id))

    until(lambda: outstanding() == limit, host=host)
    (host.root / "open").touch()
    assert finished(host, id, limit=120)["output"] == sum(range(150))
