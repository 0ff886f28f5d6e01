"""`func start` in the folder of a .NET project: builds it, runs it, and builds it again when its sources change."""

import os
import shutil
import signal
from pathlib import Path

import pytest
import requests
from host_process import HostProcess, ends_of, until
from scripted_apps import http_function, write_scripted_app
from scripted_hosts import StartScriptedHost
from stand_in_sdk import OUTPUT, StandInSdk, write_project

pytestmark = pytest.mark.process
PATIENCE = 30
ERROR = "%ROOT%/Functions.cs(3,9): error CS1002: ; expected [%ROOT%/App.csproj]"


@pytest.fixture
def sdk(tmp_path: Path) -> StandInSdk:
    return StandInSdk(tmp_path / "sdk")


@pytest.fixture
def project(tmp_path: Path) -> Path:
    return write_project(tmp_path / "app")


@pytest.fixture
def built(tmp_path: Path) -> Path:
    """A built app, from which the stand-in for the SDK copies."""
    return write_scripted_app(tmp_path / "built", [http_function("Hello")])


def status(host: HostProcess, name: str) -> int:
    return requests.get(f"{host.base_url}/api/{name}", timeout=PATIENCE).status_code


@pytest.mark.differs("dotnet-builds")
def test_a_project_is_built_once_and_again_when_a_source_changes(
    start_scripted_host: StartScriptedHost, sdk: StandInSdk, project: Path, built: Path, tmp_path: Path
) -> None:
    sdk.plan(built, prints=["  Determining projects to restore..."])
    host = start_scripted_host(project, settings=sdk.settings)
    assert status(host, "Hello") == 200
    host.wait_for(r"Building App\.csproj \.\.\.")
    host.wait_for(r"Built App\.csproj in \d+\.\d s\.")
    assert len(sdk.calls) == 1

    sdk.plan(write_scripted_app(tmp_path / "second", [http_function("Hello"), http_function("Bye")]))
    (project / "Functions.cs").write_text("namespace App; // changed\n", "utf-8")
    host.wait_for(r"Functions\.cs changed, reloading")
    host.wait_for(r"Reloaded in .*2 functions, new Bye")
    assert status(host, "Bye") == 200
    assert len(sdk.calls) == 2

    sdk.plan(prints=[ERROR], exits=1)
    (project / "Functions.cs").write_text("namespace App\n", "utf-8")
    host.wait_for(r"Functions\.cs\(3,9\): error CS1002: ; expected")
    host.wait_for(r"The app continues without the change\.")
    assert status(host, "Bye") == 200
    assert len(sdk.calls) == 3

    third = write_scripted_app(tmp_path / "third", [http_function("Third")])
    shutil.copyfile(third / "scripted.json", project / OUTPUT / "scripted.json")
    os.utime(project / OUTPUT / "Scripted.dll")
    host.wait_for(r"Scripted\.dll changed, reloading")
    host.wait_for(r"Reloaded in .*1 function, gone Bye, Hello, new Third|Reloaded in .*new Third")
    assert status(host, "Third") == 200
    assert len(sdk.calls) == 3


def test_with_no_build_the_newest_output_runs(
    start_scripted_host: StartScriptedHost, sdk: StandInSdk, project: Path
) -> None:
    write_scripted_app(project / OUTPUT, [http_function("Hello")])
    host = start_scripted_host(project, "--no-build", settings=sdk.settings)
    assert status(host, "Hello") == 200
    assert sdk.calls == []
    assert "Building" not in host.output


def test_the_output_of_a_build_runs_without_a_build(
    start_scripted_host: StartScriptedHost, sdk: StandInSdk, built: Path
) -> None:
    host = start_scripted_host(built, settings=sdk.settings)
    assert status(host, "Hello") == 200
    assert sdk.calls == []


@pytest.mark.parametrize(
    ("prints", "code", "shown"),
    [
        ([ERROR], "DH4033", r"cause: +Functions\.cs\(3,9\): error CS1002: ; expected"),
        (["No .NET SDKs were found."], "DH4031", "Install a .NET SDK for net10.0"),
    ],
)
def test_a_project_that_does_not_build_ends_the_host_with_the_reason(
    start_scripted_host: StartScriptedHost, sdk: StandInSdk, project: Path, prints: list[str], code: str, shown: str
) -> None:
    sdk.plan(prints=prints, exits=1)
    host = start_scripted_host(project, settings=sdk.settings, wait=False)
    host.wait_for(f"error {code}: ")
    host.wait_for(shown)
    assert host.wait_exit() == 6


def test_without_dotnet_the_host_ends_with_the_remedy(start_scripted_host: StartScriptedHost, project: Path) -> None:
    host = start_scripted_host(project, settings={"DURABLE_HOST_DOTNET": "", "PATH": "/nowhere"}, wait=False)
    host.wait_for("error DH4030: .NET was not found.")
    assert host.wait_exit() == 6


def test_a_signal_ends_a_build(
    start_scripted_host: StartScriptedHost, sdk: StandInSdk, project: Path, tmp_path: Path
) -> None:
    sdk.plan(prints=["begins"], waits_for=tmp_path / "never")
    host = start_scripted_host(project, settings=sdk.settings, wait=False)
    host.wait_for(r"Building App\.csproj")
    until(lambda: sdk.calls, host=host)
    pid = until(lambda: sdk.pid, host=host)
    host.send_signal(signal.SIGTERM)
    assert host.wait_exit() == 0
    assert ends_of([pid])


@pytest.mark.differs("dotnet-runtime")
@pytest.mark.parametrize("named", ["", "dotnet"])
def test_an_isolated_app_starts_with_a_warning_without_its_runtime(
    start_scripted_host: StartScriptedHost, built: Path, named: str
) -> None:
    (built / "local.settings.json").write_text('{"IsEncrypted": false, "Values": {}}', "utf-8")
    host = start_scripted_host(built, settings={"FUNCTIONS_WORKER_RUNTIME": named})
    host.wait_for("FUNCTIONS_WORKER_RUNTIME is .*set it to 'dotnet-isolated'")
    assert status(host, "Hello") == 200


def test_an_app_without_functions_says_what_one_is(start_scripted_host: StartScriptedHost) -> None:
    host = start_scripted_host([])
    host.wait_for(r"DH4006: No functions were found in .*\. .+")


def test_an_app_of_the_in_process_model_ends_the_host_with_a_guide(
    start_scripted_host: StartScriptedHost, project: Path
) -> None:
    text = (project / "App.csproj").read_text("utf-8")
    (project / "App.csproj").write_text(text.replace("Azure.Functions.Worker", "NET.Sdk.Functions"), "utf-8")
    host = start_scripted_host(project, settings={"FUNCTIONS_WORKER_RUNTIME": "dotnet"}, wait=False)
    host.wait_for("error DH4035: The app uses the in-process model of .NET")
    assert host.wait_exit() == 6
