"""Detecting .NET apps, their projects and the outputs of their builds."""

import os
from pathlib import Path

import pytest

from durable_host.config import AppSettings, dotnet_project
from durable_host.config.dotnet_project import InProcessModel
from durable_host.config.worker_runtime import DOTNET, NODE, PYTHON, runtime_of

ISOLATED = """<Project Sdk="Microsoft.NET.Sdk">
  <PropertyGroup><TargetFramework>net10.0</TargetFramework></PropertyGroup>
  <ItemGroup><PackageReference Include="Microsoft.Azure.Functions.Worker" Version="2.52.0" /></ItemGroup>
</Project>
"""
IN_PROCESS = ISOLATED.replace("Microsoft.Azure.Functions.Worker", "Microsoft.NET.Sdk.Functions")


def runtime(root: Path, named: str = "") -> tuple[str, list[str]]:
    warnings: list[str] = []
    settings = AppSettings({"FUNCTIONS_WORKER_RUNTIME": named} if named else {})
    return runtime_of(root, settings, warnings), warnings


@pytest.mark.parametrize("name", ["dotnet-isolated", "dotnetIsolated", "DOTNET-ISOLATED", "c#-isolated"])
def test_each_spelling_of_the_runtime_names_dotnet(tmp_path: Path, name: str) -> None:
    assert runtime(tmp_path, name) == (DOTNET, [])


@pytest.mark.parametrize(
    ("files", "found"),
    [
        (["app.csproj"], DOTNET),
        (["App.fsproj"], DOTNET),
        (["worker.config.json"], DOTNET),
        (["package.json", "app.csproj"], DOTNET),
        (["package.json", "extensions.csproj"], NODE),
        (["extensions.csproj"], PYTHON),
        (["function_app.py", "app.csproj"], PYTHON),
        ([], PYTHON),
    ],
    ids=str,
)
def test_the_files_tell_the_language_without_the_setting(tmp_path: Path, files: list[str], found: str) -> None:
    for name in files:
        (tmp_path / name).touch()
    assert runtime(tmp_path)[0] == found


def test_a_dotnet_app_without_the_setting_is_warned_about(tmp_path: Path) -> None:
    (tmp_path / "app.csproj").touch()
    assert runtime(tmp_path)[1] == [
        "FUNCTIONS_WORKER_RUNTIME is not set. The folder has the files of a .NET app, so this runs as one; set it to "
        "'dotnet-isolated'."
    ]


def test_an_app_of_the_in_process_model_is_refused(tmp_path: Path) -> None:
    (tmp_path / "app.csproj").write_text(IN_PROCESS, "utf-8")
    with pytest.raises(InProcessModel) as caught:
        runtime(tmp_path, "dotnet")
    assert caught.value.code == "DH4035"
    assert "isolated worker model" in (caught.value.remedy or "")


def test_an_isolated_app_with_the_in_process_setting_runs_with_a_warning(tmp_path: Path) -> None:
    (tmp_path / "app.csproj").write_text(ISOLATED, "utf-8")
    found, warnings = runtime(tmp_path, "dotnet")
    assert found == DOTNET
    assert "set it to 'dotnet-isolated'" in warnings[0]


def test_a_project_file_names_packages_and_framework(tmp_path: Path) -> None:
    (tmp_path / "app.csproj").write_text("\ufeff" + ISOLATED, "utf-8")
    project = dotnet_project.read_project(tmp_path / "app.csproj")
    assert project.is_isolated
    assert not project.is_in_process
    assert project.target == "net10.0"


def test_a_broken_project_file_gives_nothing(tmp_path: Path) -> None:
    (tmp_path / "app.csproj").write_text("<Project>", "utf-8")
    project = dotnet_project.read_project(tmp_path / "app.csproj")
    assert (project.packages, project.target) == (frozenset(), None)


def output(root: Path, folder: str, written: float) -> Path:
    path = root / "bin" / folder
    path.mkdir(parents=True)
    for name in ("worker.config.json", "App.dll"):
        (path / name).touch()
        os.utime(path / name, (written, written))
    return path


def test_the_newest_output_is_the_one_whose_assemblies_are_newest(tmp_path: Path) -> None:
    output(tmp_path, "Debug/net8.0", 100)
    newest = output(tmp_path, "Release/net10.0/publish", 200)
    assert dotnet_project.newest_output(tmp_path) == newest


def test_the_newest_output_of_a_configuration_is_preferred(tmp_path: Path) -> None:
    debug = output(tmp_path, "Debug/net8.0", 100)
    output(tmp_path, "Release/net10.0", 200)
    assert dotnet_project.newest_output(tmp_path, "Debug") == debug


def test_a_project_that_was_never_built_has_no_output(tmp_path: Path) -> None:
    assert dotnet_project.newest_output(tmp_path) is None


def test_an_output_folder_is_not_a_project_folder(tmp_path: Path) -> None:
    (tmp_path / "app.csproj").touch()
    assert dotnet_project.is_project_folder(tmp_path)
    (tmp_path / "worker.config.json").touch()
    assert not dotnet_project.is_project_folder(tmp_path)
