"""Hosts of .NET isolated apps whose worker is the scripted one: no .NET is needed."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from host_process import HostProcess
from scripted_apps import write_scripted_app
from scripted_hosts import StartScriptedHost, dotnet_settings


@pytest.fixture(scope="module")
def start_scripted_host(
    tmp_path_factory: pytest.TempPathFactory, connection_string: str
) -> Iterator[StartScriptedHost]:
    """Starts a host on an app of these functions, or on an app folder; ends all of them after the file's last test.

    `options` are those of `write_scripted_app`.
    """
    started: list[HostProcess] = []

    def start(
        app: Sequence[Mapping[str, Any]] | Path,
        *arguments: str,
        settings: Mapping[str, str] | None = None,
        wait: bool = True,
        **options: Any,
    ) -> HostProcess:
        root = app if isinstance(app, Path) else write_scripted_app(tmp_path_factory.mktemp("app"), app, **options)
        host = HostProcess(root, {**dotnet_settings(connection_string), **(settings or {})})
        started.append(host)
        return host.start(*arguments, wait=wait)

    yield start
    for host in started:
        host.end()
