"""Hubs that this host and the official backend use in turn. Without that backend the tests are skipped."""

import os
import shutil
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from host_process import HostProcess, hub_settings
from play import Play
from sides import Ours, Theirs, launcher
from storage_view import StorageView

APP = Path(__file__).parent / "app"
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
def play(oracle: Path, connection_string: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Play]:
    """Both sides on a new hub that nobody serves yet."""
    root = tmp_path_factory.mktemp("oracle")
    gates = root / "gates"
    gates.mkdir()
    app = Path(shutil.copytree(APP, root / "app"))
    hub = f"T{uuid.uuid4().hex[:16]}"
    ours = Ours(HostProcess(app, {**hub_settings(connection_string, hub), "GATES": str(gates)}))
    theirs = Theirs(launcher(oracle, connection_string, hub, gates))
    view = StorageView(connection_string, hub)
    yield Play(ours, theirs, view, gates)
    ours.host.end()
    theirs.close()
    view.close()
