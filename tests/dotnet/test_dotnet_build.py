"""`dotnet build` of a project, by a stand-in for the SDK."""

import asyncio
import os
from pathlib import Path

import pytest
from host_process import ends_of
from scripted_apps import http_function, write_scripted_app
from stand_in_sdk import OUTPUT, StandInSdk, write_project

from durable_host.config.dotnet_project import InProcessModel
from durable_host.invocation.dotnet_build import (
    BuildFailed,
    DotnetBuild,
    DotnetMissing,
    DotnetTooOld,
    NothingBuilt,
    ProjectUnclear,
    find_dotnet,
)

pytestmark = pytest.mark.process
NO_SDK = """The command could not be loaded, possibly because:
  * You intended to execute a .NET SDK command:
      No .NET SDKs were found."""
TOO_OLD = (
    "/usr/share/dotnet/sdk/8.0.100/Microsoft.NET.TargetFrameworkInference.targets(166,5): "
    "error NETSDK1045: The current .NET SDK does not support targeting .NET 10.0. [%ROOT%/App.csproj]"
)
ERROR = "%ROOT%/Functions.cs(3,9): error CS1002: ; expected [%ROOT%/App.csproj]"


@pytest.fixture
def sdk(tmp_path: Path) -> StandInSdk:
    return StandInSdk(tmp_path / "sdk")


@pytest.fixture
def project(tmp_path: Path) -> Path:
    return write_project(tmp_path / "app")


@pytest.fixture
def built(tmp_path: Path) -> Path:
    return write_scripted_app(tmp_path / "built", [http_function("Hello")])


def build(project: Path, sdk: StandInSdk) -> DotnetBuild:
    return DotnetBuild(project, {**os.environ, **sdk.settings})


async def test_a_build_ends_with_its_output_folder(project: Path, sdk: StandInSdk, built: Path) -> None:
    sdk.plan(built)
    assert await build(project, sdk).run(print) == project / OUTPUT
    assert sdk.calls == [["build", "App.csproj", "-c", "Debug", "--nologo"]]


async def test_the_output_is_where_the_build_says(project: Path, sdk: StandInSdk, built: Path) -> None:
    elsewhere = project / "artifacts" / "bin" / "App" / "debug"
    sdk.plan(built, output=str(elsewhere), prints=[f"  App -> {elsewhere}/Scripted.dll"])
    assert await build(project, sdk).run(print) == elsewhere


async def test_a_newer_output_of_another_configuration_is_not_taken(
    project: Path, sdk: StandInSdk, built: Path
) -> None:
    sdk.plan(built)
    await build(project, sdk).run(print)
    release = write_scripted_app(project / "bin" / "Release" / "net10.0", [])
    os.utime(release / "Scripted.dll", (2e9, 2e9))
    assert await build(project, sdk).run(print) == project / OUTPUT


async def test_each_line_of_a_build_is_reported(project: Path, sdk: StandInSdk, built: Path) -> None:
    sdk.plan(built, prints=["  Determining projects to restore...", "", "  Restored App.csproj"])
    lines: list[str] = []
    await build(project, sdk).run(lines.append)
    assert lines == ["  Determining projects to restore...", "  Restored App.csproj"]


async def test_errors_of_the_compiler_are_the_cause_once_and_with_short_paths(project: Path, sdk: StandInSdk) -> None:
    sdk.plan(prints=["MSBuild version 17", ERROR, "Build FAILED.", ERROR, "    1 Error(s)"], exits=1)
    with pytest.raises(BuildFailed) as caught:
        await build(project, sdk).run(print)
    error = caught.value
    assert (error.code, error.cause) == ("DH4033", "Functions.cs(3,9): error CS1002: ; expected")
    assert error.message == "App.csproj does not build: 'dotnet build' exited with code 1."


async def test_a_failure_without_errors_shows_the_last_lines(project: Path, sdk: StandInSdk) -> None:
    sdk.plan(prints=[f"line {number}" for number in range(100)], exits=134)
    with pytest.raises(BuildFailed) as caught:
        await build(project, sdk).run(print)
    assert (caught.value.cause or "").splitlines() == [f"line {number}" for number in range(88, 100)]


async def test_of_many_errors_the_first_are_shown(project: Path, sdk: StandInSdk) -> None:
    sdk.plan(prints=[ERROR.replace("(3", f"({number}") for number in range(1, 41)], exits=1)
    with pytest.raises(BuildFailed) as caught:
        await build(project, sdk).run(print)
    lines = (caught.value.cause or "").splitlines()
    assert len(lines) == 13
    assert lines[-1] == "... and 28 more"


@pytest.mark.parametrize(("printed", "message"), [(NO_SDK, "has no SDK"), (TOO_OLD, "is too old")])
async def test_a_dotnet_without_a_suitable_sdk_is_too_old(
    project: Path, sdk: StandInSdk, printed: str, message: str
) -> None:
    sdk.plan(prints=printed.splitlines(), exits=155)
    with pytest.raises(DotnetTooOld) as caught:
        await build(project, sdk).run(print)
    assert caught.value.code == "DH4031"
    assert message in caught.value.message
    assert "net10.0" in (caught.value.remedy or "")


async def test_a_project_without_the_worker_packages_builds_nothing(project: Path, sdk: StandInSdk) -> None:
    (project / "App.csproj").write_text("<Project/>", "utf-8")
    with pytest.raises(NothingBuilt) as caught:
        await build(project, sdk).run(print)
    assert caught.value.code == "DH4034"
    assert "Microsoft.Azure.Functions.Worker" in (caught.value.cause or "")


async def test_several_project_files_are_refused(project: Path, sdk: StandInSdk) -> None:
    write_project(project, name="Other.fsproj")
    with pytest.raises(ProjectUnclear) as caught:
        await build(project, sdk).run(print)
    assert caught.value.code == "DH4032"
    assert "App.csproj, Other.fsproj" in (caught.value.cause or "")
    assert sdk.calls == []


async def test_a_project_of_the_in_process_model_is_refused(project: Path, sdk: StandInSdk) -> None:
    text = (project / "App.csproj").read_text("utf-8")
    (project / "App.csproj").write_text(text.replace("Azure.Functions.Worker", "NET.Sdk.Functions"), "utf-8")
    with pytest.raises(InProcessModel):
        await build(project, sdk).run(print)


async def test_a_cancelled_build_is_ended(project: Path, sdk: StandInSdk, tmp_path: Path) -> None:
    sdk.plan(prints=["begins"], waits_for=tmp_path / "never")
    began = asyncio.Event()
    running = asyncio.ensure_future(build(project, sdk).run(lambda line: began.set()))
    await began.wait()
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert ends_of([sdk.pid])


def test_without_a_build_the_newest_output_is_taken(project: Path, sdk: StandInSdk) -> None:
    write_scripted_app(project / OUTPUT, [])
    assert build(project, sdk).existing() == project / OUTPUT
    assert sdk.calls == []


def test_without_a_build_and_without_an_output_nothing_is_built(project: Path, sdk: StandInSdk) -> None:
    with pytest.raises(NothingBuilt) as caught:
        build(project, sdk).existing()
    assert "without --no-build" in (caught.value.remedy or "")


def test_dotnet_is_found_by_its_folder(sdk: StandInSdk) -> None:
    assert find_dotnet({"DURABLE_HOST_DOTNET": str(sdk.folder)}) == sdk.program


def test_dotnet_is_found_on_path(sdk: StandInSdk) -> None:
    assert find_dotnet({"PATH": str(sdk.folder)}) == sdk.program


@pytest.mark.parametrize("environ", [{"PATH": "/nowhere"}, {"DURABLE_HOST_DOTNET": "/nowhere/dotnet", "PATH": ""}])
def test_a_missing_dotnet_has_a_remedy(environ: dict[str, str]) -> None:
    with pytest.raises(DotnetMissing) as caught:
        find_dotnet(environ)
    assert caught.value.code == "DH4030"
    assert "DURABLE_HOST_DOTNET" in (caught.value.remedy or "")


async def test_a_dotnet_that_is_not_a_program_has_a_remedy(project: Path, sdk: StandInSdk) -> None:
    sdk.program.write_bytes(b"\x00")
    with pytest.raises(DotnetMissing):
        await build(project, sdk).run(print)
