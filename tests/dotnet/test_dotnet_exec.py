"""`func exec` in the folder of a .NET project."""

import sys
from pathlib import Path

import pytest
from host_process import hub_settings
from scripted_apps import http_function, write_scripted_app
from stand_in_sdk import StandInSdk, write_project

from durable_host.cli import main

pytestmark = pytest.mark.process
ASK = "import os, urllib.request as u; print(u.urlopen(os.environ['FUNC_BASE_URL'] + '/api/Hello').status)"


def test_the_project_is_built_before_the_command_runs(
    tmp_path: Path, connection_string: str, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    sdk = StandInSdk(tmp_path / "sdk")
    sdk.plan(write_scripted_app(tmp_path / "built", [http_function("Hello")]))
    project = write_project(tmp_path / "app")
    settings = {**hub_settings(connection_string), "FUNCTIONS_WORKER_RUNTIME": "dotnet-isolated", **sdk.settings}
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    code = main(["exec", "--no-azurite", "--script-root", str(project), "--", sys.executable, "-c", ASK])
    assert (code, capfd.readouterr().out.strip()) == (0, "200")
    assert len(sdk.calls) == 1
