"""`func init`.

Source: docs/protocol/functions-host-cli.md#initialize-an-app
"""

import ast
import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from cli_runs import Func


def test_new_app_has_the_files_and_texts_of_the_reference(func: Func, folder: Path):
    outcome = func("init", "--python")
    assert outcome.code == 0
    assert outcome.out == (
        "The new Python programming model is generally available. Learn more at "
        "https://aka.ms/pythonprogrammingmodel\n"
        "Writing requirements.txt\nWriting function_app.py\nWriting .gitignore\nWriting host.json\n"
        f"Writing local.settings.json\nWriting {folder}/.vscode/extensions.json\n"
    )
    tree = ast.parse((folder / "function_app.py").read_text())
    assert ast.unparse(tree.body[-1]) == "app = func.FunctionApp()"
    assert "\nazure-functions\n" in (folder / "requirements.txt").read_text()
    assert json.loads((folder / "host.json").read_text()) == {
        "version": "2.0",
        "logging": {"applicationInsights": {"samplingSettings": {"isEnabled": True, "excludedTypes": "Request"}}},
        "extensionBundle": {"id": "Microsoft.Azure.Functions.ExtensionBundle", "version": "[4.*, 5.0.0)"},
    }
    assert json.loads((folder / "local.settings.json").read_text()) == {
        "IsEncrypted": False,
        "Values": {"FUNCTIONS_WORKER_RUNTIME": "python", "AzureWebJobsStorage": "UseDevelopmentStorage=true"},
    }
    assert "local.settings.json" in (folder / ".gitignore").read_text().splitlines()


def test_v1_app_has_getting_started_and_no_function_app(func: Func, folder: Path):
    assert func("init", "--worker-runtime", "python", "--model", "v1").code == 0
    assert (folder / "getting_started.md").exists()
    assert not (folder / "function_app.py").exists()


def test_v1_app_without_docs(func: Func, folder: Path):
    assert func("init", "--python", "-m", "V1", "--no-docs").code == 0
    assert not (folder / "getting_started.md").exists()


def test_folder_is_created(func: Func, folder: Path):
    assert func("init", "apps/mine", "--python").code == 0
    assert (folder / "apps" / "mine" / "host.json").exists()


@pytest.mark.parametrize("extra", [[], ["--force"]])
def test_existing_files_are_kept(func: Func, folder: Path, extra: list[str]):
    (folder / "host.json").write_text('{"version": "2.0", "mine": 1}')
    outcome = func("init", "--python", *extra)
    assert "host.json already exists. Skipped!" in outcome.out
    assert "mine" in (folder / "host.json").read_text()
    assert (folder / "function_app.py").exists()


@pytest.mark.parametrize(
    ("arguments", "bundle"),
    [
        (["--no-bundle"], None),
        (["--bundles-channel", "preview"], "Microsoft.Azure.Functions.ExtensionBundle.Preview"),
        (["-c", "Experimental"], "Microsoft.Azure.Functions.ExtensionBundle.Experimental"),
    ],
)
def test_bundle_of_the_channel(func: Func, folder: Path, arguments: list[str], bundle: str | None):
    assert func("init", "--python", *arguments).code == 0
    document = json.loads((folder / "host.json").read_text())
    assert document.get("extensionBundle", {}).get("id") == bundle


def test_docker_files_beside_the_app(func: Func, folder: Path):
    assert func("init", "--python", "--docker").code == 0
    assert "FROM mcr.microsoft.com/azure-functions/python:4-python3." in (folder / "Dockerfile").read_text()
    assert "local.settings.json" in (folder / ".dockerignore").read_text()


def test_docker_only_writes_into_an_existing_app(func: Func, folder: Path):
    assert func("init", "--docker-only").code == 3
    (folder / "host.json").write_text('{"version": "2.0"}')
    assert func("init", "--docker-only").code == 0
    assert sorted(path.name for path in folder.iterdir()) == [".dockerignore", "Dockerfile", "host.json"]


@pytest.mark.process
def test_source_control_makes_a_repository_once(func: Func, folder: Path):
    assert func("init", "--python", "--source-control").code == 0
    status = subprocess.run(["git", "status"], cwd=folder, capture_output=True, check=False)
    assert status.returncode == 0
    assert "already a git repository" in func("init", "--python", "--source-control").out


def test_wizard_asks_when_nothing_is_said(func: Func, folder: Path, terminal: Callable[..., None]):
    terminal("2", "y", "n")
    assert func("init").code == 0
    assert (folder / "getting_started.md").exists()
    assert (folder / "Dockerfile").exists()


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ([], "Command must specify --worker-runtime, or --python, explicitly."),
        (["--worker-runtime", "java"], "Worker runtime 'java' is not supported"),
        (
            ["--python", "-m", "V3"],
            "The V3 programming model is not supported for worker runtime python. Supported programming models for "
            "worker runtime python are:\nV1\nV2",
        ),
        (["--python", "-c", "beta"], "'beta' is not one of"),
    ],
)
def test_mistakes_end_with_code_2_and_write_nothing(func: Func, folder: Path, arguments: list[str], text: str):
    outcome = func("init", *arguments)
    assert outcome.code == 2
    assert text in outcome.err
    assert list(folder.iterdir()) == []
