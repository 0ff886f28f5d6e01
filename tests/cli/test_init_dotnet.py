"""`func init` for .NET isolated apps.

Source: docs/protocol/functions-host-cli.md#initialize-an-app
"""

import json
from pathlib import Path

import pytest
from cli_runs import Func

from durable_host.config import dotnet_project


@pytest.mark.parametrize(
    "arguments",
    [
        ["--worker-runtime", "dotnet-isolated"],
        ["--worker-runtime", "dotnetIsolated"],
        ["--worker-runtime", "DOTNET-ISOLATED", "--language", "C#"],
        ["--worker-runtime", "csharp-isolated"],
        ["--csharp"],
        ["--language", "csharp"],
    ],
    ids=" ".join,
)
def test_dotnet_app_has_a_project_and_a_program(func: Func, folder: Path, arguments: list[str]) -> None:
    outcome = func("init", "my-app", *arguments)
    app = folder / "my-app"
    assert outcome.code == 0, outcome.err
    assert outcome.out == (
        f"Writing my_app.csproj\nWriting Program.cs\nWriting {app}/Properties/launchSettings.json\nWriting .gitignore\n"
        f"Writing host.json\nWriting local.settings.json\nWriting {app}/.vscode/extensions.json\n"
    )
    project = dotnet_project.read_project(app / "my_app.csproj")
    assert project.is_isolated
    assert project.target == "net10.0"
    settings = json.loads((app / "local.settings.json").read_text("utf-8"))
    assert settings["Values"]["FUNCTIONS_WORKER_RUNTIME"] == "dotnet-isolated"
    assert "extensionBundle" not in json.loads((app / "host.json").read_text("utf-8"))
    assert "%%" not in "".join(path.read_text("utf-8") for path in app.rglob("*") if path.is_file())


def test_the_target_framework_is_given_by_an_option(func: Func, folder: Path) -> None:
    assert func("init", "app", "--csharp", "--target-framework", "net8.0", "--docker").code == 0
    assert dotnet_project.read_project(folder / "app" / "app.csproj").target == "net8.0"
    dockerfile = (folder / "app" / "Dockerfile").read_text("utf-8")
    assert "dotnet-isolated:4-dotnet-isolated8.0" in dockerfile
    assert "/src/app.csproj" in dockerfile


def test_an_existing_project_is_kept(func: Func, folder: Path) -> None:
    (folder / "Orders.csproj").write_text("<Project/>", "utf-8")
    outcome = func("init", "--csharp")
    assert "Orders.csproj already exists. Skipped!" in outcome.out
    assert [path.name for path in dotnet_project.project_files(folder)] == ["Orders.csproj"]


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["--worker-runtime", "dotnet"], "it is the in-process model of .NET"),
        (["--csharp", "--target-framework", "net48"], "The target framework 'net48' is not supported."),
        (["--csharp", "--target-framework", "ten"], "The target framework 'ten' is not supported."),
        (["--python", "--target-framework", "net8.0"], "--target-framework is for .NET apps."),
        (["--csharp", "--python"], "The options name both Python and .NET."),
        (
            ["--worker-runtime", "dotnet-isolated", "--language", "javascript"],
            "The options name both Node.js and .NET.",
        ),
        (
            ["--csharp", "--model", "V2"],
            "The V2 programming model is not supported for worker runtime dotnet-isolated.",
        ),
    ],
)
def test_mistakes_with_dotnet_end_with_code_2_and_write_nothing(
    func: Func, folder: Path, arguments: list[str], text: str
) -> None:
    outcome = func("init", *arguments)
    assert outcome.code == 2
    assert text in outcome.err
    assert list(folder.iterdir()) == []
