"""Hosts of .NET isolated apps whose worker is the scripted one: no .NET is needed."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from host_process import HostProcess, hub_settings
from scripted_apps import write_scripted_app

StartScriptedHost = Callable[..., HostProcess]


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


def dotnet_settings(connection_string: str) -> dict[str, str]:
    """Settings of a .NET isolated app on the session's storage, with a task hub of its own."""
    return {**hub_settings(connection_string), "FUNCTIONS_WORKER_RUNTIME": "dotnet-isolated"}
