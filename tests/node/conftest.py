"""Hosts of Node.js apps: real `func start` processes on the session's Azurite, with real npm packages."""

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from host_process import HostProcess
from node_apps import node_settings, write_node_app
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
