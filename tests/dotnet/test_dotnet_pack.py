"""`func pack` for .NET apps."""

import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from scripted_apps import http_function, write_scripted_app
from stand_in_sdk import OUTPUT, StandInSdk, write_project

from durable_host.cli import main

pytestmark = pytest.mark.process


@pytest.fixture
def pack(tmp_path: Path) -> Callable[..., tuple[int, list[str]]]:
    """Packs a folder; returns the exit code and the names in the archive."""

    def run(folder: Path, *options: str) -> tuple[int, list[str]]:
        archive = tmp_path / "app.zip"
        code = main(["pack", str(folder), "-o", str(archive), *options])
        return code, sorted(zipfile.ZipFile(archive).namelist()) if archive.exists() else []

    return run


@pytest.fixture
def sdk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> StandInSdk:
    found = StandInSdk(tmp_path / "sdk")
    monkeypatch.setenv("DURABLE_HOST_DOTNET", str(found.program))
    return found


@pytest.fixture
def project(tmp_path: Path) -> Path:
    return write_project(tmp_path / "app")


def test_a_project_is_published_and_its_output_packed(
    pack: Callable[..., tuple[int, list[str]]], sdk: StandInSdk, project: Path, tmp_path: Path
) -> None:
    sdk.plan(write_scripted_app(tmp_path / "built", [http_function("Hello")]))
    code, names = pack(project)
    assert code == 0
    assert {"Scripted.dll", "worker.config.json", "host.json"} <= set(names)
    assert not {"local.settings.json", "App.csproj", "Functions.cs"} & set(names)
    assert sdk.calls[0][:4] == ["publish", "App.csproj", "-c", "Release"]


def test_with_no_build_the_newest_output_is_packed(
    pack: Callable[..., tuple[int, list[str]]], sdk: StandInSdk, project: Path
) -> None:
    write_scripted_app(project / OUTPUT, [])
    code, names = pack(project, "--no-build")
    assert (code, "Scripted.dll" in names, sdk.calls) == (0, True, [])


def test_the_output_of_a_build_is_packed_as_it_is(
    pack: Callable[..., tuple[int, list[str]]], sdk: StandInSdk, tmp_path: Path
) -> None:
    code, names = pack(write_scripted_app(tmp_path / "built", []))
    assert (code, "Scripted.dll" in names, sdk.calls) == (0, True, [])


def test_a_project_that_does_not_publish_leaves_no_archive(
    pack: Callable[..., tuple[int, list[str]]], sdk: StandInSdk, project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sdk.plan(prints=["Functions.cs(1,1): error CS0001: bad [App.csproj]"], exits=1)
    assert pack(project) == (6, [])
    assert "'dotnet publish' exited with code 1" in capsys.readouterr().err
