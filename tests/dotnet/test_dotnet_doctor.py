"""`func doctor` for .NET apps."""

import os
from pathlib import Path

import pytest
from scripted_apps import http_function, write_scripted_app
from stand_in_sdk import OUTPUT, StandInSdk, write_project

from durable_host.cli.doctor import command, dotnet_check
from durable_host.cli.doctor.findings import Finding

pytestmark = pytest.mark.process
RUNTIMES = "Microsoft.NETCore.App 10.0.12 [/usr/share/dotnet/shared/Microsoft.NETCore.App]"


@pytest.fixture
def sdk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> StandInSdk:
    found = StandInSdk(tmp_path / "sdk")
    found.has(runtimes=[RUNTIMES], sdks=["10.0.401 [/usr/share/dotnet/sdk]"])
    for name, value in found.settings.items():
        monkeypatch.setenv(name, value)
    return found


@pytest.fixture
def project(tmp_path: Path) -> Path:
    return write_project(tmp_path / "app")


def shown(found: list[Finding]) -> list[str]:
    return [f"{one.level} {one.area}: {one.message}" for one in found]


def test_a_project_that_is_not_built_is_a_warning(project: Path, sdk: StandInSdk) -> None:
    assert shown(dotnet_check.check(project)) == [
        f"ok .NET: .NET 10.0.12 at {sdk.program}",
        "ok .NET: SDK 10.0.401",
        "ok Project: App.csproj for net10.0",
        "warning Packages: App.csproj does not reference Microsoft.Azure.Functions.Worker.Sdk.",
        "warning Build: The project is not built yet.",
    ]


def test_a_build_is_compared_with_the_sources(project: Path, sdk: StandInSdk) -> None:
    output = write_scripted_app(project / OUTPUT, [])
    assert shown(dotnet_check.check(project))[-1] == f"ok Build: {OUTPUT} is as new as the sources"
    os.utime(output / "Scripted.dll", (100, 100))
    assert shown(dotnet_check.check(project))[-1] == f"warning Build: 'App.csproj' is newer than the build in {OUTPUT}."


def test_a_missing_sdk_is_an_error_for_projects_only(project: Path, sdk: StandInSdk, tmp_path: Path) -> None:
    sdk.has(runtimes=[RUNTIMES], sdks=[])
    assert "error .NET: There is no SDK, so App.csproj cannot be built." in shown(dotnet_check.check(project))
    built = write_scripted_app(tmp_path / "built", [])
    assert all(one.level == "ok" for one in dotnet_check.check(built))


def test_an_old_sdk_is_an_error(project: Path, sdk: StandInSdk) -> None:
    sdk.has(runtimes=[RUNTIMES], sdks=["8.0.100 [/usr/share/dotnet/sdk]"])
    (error,) = (one for one in dotnet_check.check(project) if one.level == "error")
    assert error.message == "There is only SDK 8.0.100, so App.csproj cannot be built."
    assert error.remedy == "Install a .NET SDK for net10.0: https://dotnet.microsoft.com/download"


def test_a_missing_runtime_is_an_error(project: Path, sdk: StandInSdk) -> None:
    sdk.has(runtimes=[RUNTIMES.replace("10.0.12", "8.0.1")], sdks=["10.0.401 [/usr/share/dotnet/sdk]"])
    (error,) = (one for one in dotnet_check.check(project) if one.level == "error")
    assert "does not have the runtime 10.0, which the app needs." in error.message


def test_a_missing_dotnet_is_an_error(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DURABLE_HOST_DOTNET", "/nowhere")
    assert shown(dotnet_check.check(project))[0] == "error .NET: DH4030: .NET '/nowhere' cannot be started." + (
        " (The value of DURABLE_HOST_DOTNET is neither the file 'dotnet' nor its folder.)"
    )


def test_several_projects_are_an_error(project: Path, sdk: StandInSdk) -> None:
    write_project(project, name="Other.csproj")
    assert any("DH4032" in text for text in shown(dotnet_check.check(project)))


async def test_the_functions_of_a_built_app_are_listed(tmp_path: Path, sdk: StandInSdk) -> None:
    app = write_scripted_app(tmp_path / "built", [http_function("Hello")])
    assert "ok Functions: 1 loaded: Hello" in shown(await command.examine(app))


async def test_the_functions_of_an_unbuilt_project_are_not_asked_for(project: Path, sdk: StandInSdk) -> None:
    found = await command.examine(project)
    assert not any(one.area == "Functions" for one in found)
    assert not any(one.level == "error" for one in found)
