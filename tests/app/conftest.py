"""Hosts for the tests in this folder: real `func start` processes on the session's Azurite."""

import shutil
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest
from approvals_world import QUEUE, empty_queue
from azure.storage.queue import QueueClient
from host_process import HostProcess, hub_settings, write_app
from npm_packages import NpmPackages

StartHost = Callable[..., HostProcess]


@pytest.fixture
def start_host(tmp_path: Path, connection_string: str) -> Iterator[StartHost]:
    """Starts a host on an app given as files or folder; ends all of them afterwards."""
    started: list[HostProcess] = []

    def start(
        app: Mapping[str, str] | Path,
        *arguments: str,
        settings: Mapping[str, str] | None = None,
        **options: bool,
    ) -> HostProcess:
        root = app if isinstance(app, Path) else write_app(tmp_path / f"app{len(started)}", app)
        host = HostProcess(root, {**hub_settings(connection_string), **(settings or {})})
        started.append(host)
        return host.start(*arguments, **options)

    yield start
    for host in started:
        host.end()


@pytest.fixture
def approval_queue(connection_string: str) -> Iterator[QueueClient]:
    """The empty queue of the sample app; its poison queue is empty too."""
    with empty_queue(connection_string, QUEUE) as queue, empty_queue(connection_string, f"{QUEUE}-poison"):
        yield queue


@pytest.fixture(scope="session")
def javascript(npm_packages: NpmPackages, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the JavaScript SDK. Skips the test without Node.js."""
    if shutil.which("node") is None:
        pytest.skip("node is not on PATH: it runs the programs in JavaScript")
    folder = npm_packages.link(tmp_path_factory.mktemp("javascript"), "durabletask")
    (folder / "package.json").write_text('{"name": "hello", "private": true, "type": "module"}', "utf-8")
    return folder
