"""Hubs that this host and the official backend use in turn. Without that backend the tests are skipped."""

import json
import os
import shutil
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from host_process import HostProcess, hub_settings
from scenario_run import ScenarioRun
from scripted_apps import durable_function, write_scripted_app
from sides import Ours, Theirs, launcher
from storage_view import StorageView

APP = Path(__file__).parent / "app"
DOTNET_APP = Path(__file__).parent / "dotnet_app"
DOTNET_FUNCTIONS = [
    *(
        durable_function(name, "orchestration")
        for name in (
            "HelloSequence", "WaitForApproval", "ApprovalOrTimeout", "TwoEvents", "FanOut", "Parent", "Child", "Retry",
            "Tally", "Countdown", "EntityCaller", "Large", "FailOnce", "Stages", "AllFails",
        )
    ),
    *(durable_function(name, "activity") for name in ("Hello", "Echo", "Gate", "FailUntil")),
    durable_function("counter", "entity"),
]  # fmt: skip
VARIABLE = "DURABLE_HOST_ORACLE"


@pytest.fixture(scope="session")
def oracle() -> Path:
    """The folder of the official backend."""
    named = os.environ.get(VARIABLE)
    if not named:
        pytest.skip(f"{VARIABLE} is not set: it names the folder with the official backend")
    if not sys.platform.startswith("linux"):
        pytest.skip("the official backend is built for Linux")
    folder = Path(named).absolute()
    for part in ("dotnet/dotnet", "hub/hub.dll"):
        if not (folder / part).is_file():
            pytest.fail(f"{VARIABLE} is {named}, and there is no {part} in it")
    return folder


@pytest.fixture(scope="module")
def run(oracle: Path, connection_string: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ScenarioRun]:
    """Both sides on a new hub that no host serves yet. Ours has an app in Python."""
    root = tmp_path_factory.mktemp("oracle")
    yield from _run(oracle, connection_string, root, Path(shutil.copytree(APP, root / "app")))


@pytest.fixture(scope="module")
def dotnet_run(oracle: Path, connection_string: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ScenarioRun]:
    """Like `run`, with a .NET app whose worker is the scripted one."""
    root = tmp_path_factory.mktemp("oracle")
    host = json.loads((APP / "host.json").read_text("utf-8"))
    app = write_scripted_app(
        root / "app", DOTNET_FUNCTIONS, code=(DOTNET_APP / "code.py").read_text("utf-8"), host_json=host
    )
    yield from _run(oracle, connection_string, root, app, FUNCTIONS_WORKER_RUNTIME="dotnet-isolated")


def _run(oracle: Path, connection_string: str, root: Path, app: Path, **settings: str) -> Iterator[ScenarioRun]:
    gates = root / "gates"
    gates.mkdir()
    hub = f"T{uuid.uuid4().hex[:16]}"
    ours = Ours(HostProcess(app, {**hub_settings(connection_string, hub), "GATES": str(gates), **settings}))
    theirs = Theirs(launcher(oracle, connection_string, hub, gates))
    view = StorageView(connection_string, hub)
    yield ScenarioRun(ours, theirs, view, gates)
    ours.host.end()
    theirs.close()
    view.close()
