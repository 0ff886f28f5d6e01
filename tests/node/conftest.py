"""Hosts of Node.js apps: real `func start` processes on the session's Azurite, with real npm packages."""

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from host_process import HostProcess
from node_apps import compile_typescript, copy_node_app, node_settings, write_node_app
from npm_packages import NpmPackages

StartNodeHost = Callable[..., HostProcess]


@pytest.fixture
def start_node_host(tmp_path: Path, connection_string: str, npm_packages: NpmPackages) -> Iterator[StartNodeHost]:
    """Starts a host on a Node.js app given as files or folder; ends all of them afterwards.

    Files become an app with linked packages; `kind` is their set, `package` more members of package.json.
    """
    started: list[HostProcess] = []

    def start(
        app: Mapping[str, str] | Path,
        *arguments: str,
        settings: Mapping[str, str] | None = None,
        kind: str = "newest",
        package: Mapping[str, Any] | None = None,
        wait: bool = True,
    ) -> HostProcess:
        folder = tmp_path / f"app{len(started)}"
        root = app if isinstance(app, Path) else write_node_app(folder, app, npm_packages, kind=kind, **(package or {}))
        host = HostProcess(root, {**node_settings(connection_string), **(settings or {})})
        started.append(host)
        return host.start(*arguments, wait=wait)

    yield start
    for host in started:
        host.end()


@pytest.fixture(scope="module")
def start_node_app(
    tmp_path_factory: pytest.TempPathFactory, connection_string: str, npm_packages: NpmPackages
) -> Iterator[StartNodeHost]:
    """Starts a host on a copy of an app of the folder `apps`, for all tests of a file; `build` compiles it first."""
    started: list[HostProcess] = []

    def start(
        name: str,
        *arguments: str,
        settings: Mapping[str, str] | None = None,
        kind: str = "newest",
        build: bool = False,
        wait: bool = True,
    ) -> HostProcess:
        root = copy_node_app(name, tmp_path_factory.mktemp(name) / "app", npm_packages, kind)
        if build:
            compile_typescript(root)
        host = HostProcess(root, {**node_settings(connection_string), **(settings or {})})
        started.append(host)
        return host.start(*arguments, wait=wait)

    yield start
    for host in started:
        host.end()
