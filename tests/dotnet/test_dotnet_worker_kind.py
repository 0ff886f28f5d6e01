"""How the program of a .NET app is found and started, and what its errors say."""

import json
from pathlib import Path
from typing import Any

import pytest

from durable_host.errors import ConfigurationError
from durable_host.function_rpc.dotnet_worker import DOTNET_WORKER
from durable_host.function_rpc.worker_config import read_worker_config
from durable_host.invocation.dotnet_build import DotnetMissing, DotnetTooOld
from durable_host.invocation.errors import InterpreterUnusable, WorkerStartFailed

DESCRIPTION: dict[str, Any] = {
    "language": "dotnet-isolated", "defaultExecutablePath": "dotnet", "defaultWorkerPath": "App.dll",
}  # fmt: skip


def write(root: Path, text: str | None = None, **description: Any) -> Path:
    content = json.dumps({"description": {**DESCRIPTION, **description}}) if text is None else text
    (root / "worker.config.json").write_text("\ufeff" + content, "utf-8")
    return root


def program(path: Path) -> Path:
    path.parent.mkdir(exist_ok=True)
    path.write_text("#!/bin/sh\n")
    path.chmod(0o700)
    return path


@pytest.mark.parametrize("named", ["dotnet", "."])
def test_dotnet_is_the_named_one_or_in_the_named_folder(tmp_path: Path, named: str) -> None:
    dotnet = program(tmp_path / "sdk" / "dotnet")
    environ = {"DURABLE_HOST_DOTNET": str(dotnet.parent / named), "PATH": ""}
    assert DOTNET_WORKER.find(write(tmp_path), explicit=None, environ=environ).path == dotnet


def test_dotnet_is_on_the_path(tmp_path: Path) -> None:
    dotnet = program(tmp_path / "sdk" / "dotnet")
    assert DOTNET_WORKER.find(write(tmp_path), explicit=None, environ={"PATH": str(dotnet.parent)}).path == dotnet


def test_without_dotnet_the_error_says_how_to_get_it(tmp_path: Path) -> None:
    with pytest.raises(DotnetMissing) as caught:
        DOTNET_WORKER.find(write(tmp_path), explicit=None, environ={"PATH": str(tmp_path)})
    assert "DURABLE_HOST_DOTNET" in (caught.value.remedy or "")


def test_a_self_contained_app_needs_no_dotnet(tmp_path: Path) -> None:
    write(tmp_path, defaultExecutablePath="{WorkerRoot}App", arguments=["-x", "%STAGE%", "{workerDirectoryPath}"])
    environ = {"PATH": "", "STAGE": "dev", "FUNCTIONS_APPLICATION_DIRECTORY": str(tmp_path)}
    found = DOTNET_WORKER.find(tmp_path, explicit=None, environ=environ)
    assert found.path == tmp_path / "App"
    assert DOTNET_WORKER.command(found.path, ("--own",), environ) == [
        str(tmp_path / "App"), "-x", "dev", str(tmp_path), "--own", str(tmp_path / "App.dll"),
    ]  # fmt: skip


def test_a_setting_overrides_the_program(tmp_path: Path) -> None:
    other = program(tmp_path / "other")
    environ = {"languageWorkers__dotnet-isolated__defaultExecutablePath": str(other), "PATH": ""}
    assert DOTNET_WORKER.find(write(tmp_path), explicit=None, environ=environ).path == other


def test_placeholders_name_the_machine_and_unknown_ones_stay(tmp_path: Path) -> None:
    write(tmp_path, defaultWorkerPath="bin/{os}/{architecture}/%VERSION%/App.dll")
    system, architecture, version = read_worker_config(tmp_path, {}).assembly.split("/")[1:4]
    assert system in ("LINUX", "OSX", "WINDOWS")
    assert architecture in ("X64", "Arm64", "X86")
    assert version == "%VERSION%"


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"description": {}}', '{"description": {"defaultWorkerPath": ""}}'])
def test_an_unreadable_configuration_says_to_build_again(tmp_path: Path, text: str) -> None:
    with pytest.raises(WorkerStartFailed) as caught:
        read_worker_config(write(tmp_path, text), {})
    assert "dotnet build" in (caught.value.remedy or "")


def test_a_folder_without_configuration_is_not_a_built_app(tmp_path: Path) -> None:
    with pytest.raises(WorkerStartFailed, match=r"has no worker\.config\.json"):
        read_worker_config(tmp_path, {})


def test_a_runtime_that_is_too_old_is_named(tmp_path: Path) -> None:
    printed = "You must install or update .NET to run this application.\nFramework: 'Microsoft.NETCore.App', '11.0.0'"
    assert isinstance(DOTNET_WORKER.refused(tmp_path, 150, printed), DotnetTooOld)
    assert DOTNET_WORKER.refused(tmp_path, 1, printed) is None


def test_missing_libraries_are_named(tmp_path: Path) -> None:
    error = DOTNET_WORKER.refused(tmp_path, 134, "Process terminated. Couldn't find a valid ICU package installed")
    assert isinstance(error, InterpreterUnusable)
    assert "DOTNET_SYSTEM_GLOBALIZATION_INVARIANT" in (error.remedy or "")


def test_a_debugger_does_not_get_a_port() -> None:
    with pytest.raises(ConfigurationError):
        DOTNET_WORKER.debugged(())


def test_the_files_that_reload_an_app_are_its_assemblies_or_its_sources(tmp_path: Path) -> None:
    assert DOTNET_WORKER.sources(write(tmp_path)).suffixes == {".dll"}
    project = tmp_path / "project"
    project.mkdir()
    (project / "App.csproj").write_text("<Project/>")
    sources = DOTNET_WORKER.sources(project)
    assert {".cs", ".fs", ".csproj"} <= sources.suffixes
    assert (sources.built, sources.outputs) == ({"bin", "obj"}, {".dll"})
    assert DOTNET_WORKER.script_root(project) == project
    (project / "bin").mkdir()
    write(project / "bin")
    assert DOTNET_WORKER.script_root(project) == project / "bin"
