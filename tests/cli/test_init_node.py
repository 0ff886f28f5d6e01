"""`func init` for Node.js apps, in JavaScript and TypeScript.

Source: docs/protocol/functions-host-cli.md#initialize-an-app
"""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cli_runs import Func
from click.shell_completion import ShellComplete

from durable_host.cli import npm
from durable_host.cli.program import program

LANGUAGES = ["javascript", "typescript", "csharp"]


def package_of(folder: Path) -> dict[str, Any]:
    return json.loads((folder / "package.json").read_text())


@pytest.mark.parametrize(
    "arguments",
    [
        ["--worker-runtime", "node"],
        ["--worker-runtime", "Node", "--language", "JavaScript"],
        ["--worker-runtime", "javascript"],
        ["--javascript"],
        ["--node", "-l", "js"],
        ["--worker-runtime", "node", "--model", "v4"],
    ],
    ids=" ".join,
)
def test_javascript_app_has_the_files_of_the_reference(func: Func, folder: Path, arguments: list[str]):
    outcome = func("init", *arguments, "--skip-npm-install")
    assert outcome.code == 0
    assert outcome.out == (
        f"Writing package.json\nWriting {folder}/src/index.js\nWriting {folder}/src/functions/.gitkeep\n"
        "Writing .funcignore\nWriting .gitignore\nWriting host.json\nWriting local.settings.json\n"
        f"Writing {folder}/.vscode/extensions.json\n"
        'You skipped "npm install". You must run "npm install" manually\n'
    )
    package = package_of(folder)
    assert package["main"] == "src/{index.js,functions/*.js}"
    assert package["scripts"]["start"] == "func start"
    assert package["dependencies"] == {"@azure/functions": "^4.0.0"}
    settings = json.loads((folder / "local.settings.json").read_text())
    assert settings["Values"]["FUNCTIONS_WORKER_RUNTIME"] == "node"
    assert "node_modules/" in (folder / ".gitignore").read_text().splitlines()
    assert "local.settings.json" in (folder / ".funcignore").read_text().splitlines()
    assert "node_modules" not in (folder / ".funcignore").read_text()


@pytest.mark.parametrize(
    "arguments",
    [
        ["--worker-runtime", "node", "--language", "typescript"],
        ["--worker-runtime", "typescript"],
        ["--typescript"],
        ["--node", "--language", "ts"],
    ],
    ids=" ".join,
)
def test_typescript_app_is_built_before_it_starts(func: Func, folder: Path, arguments: list[str]):
    assert func("init", *arguments, "--skip-npm-install").code == 0
    package = package_of(folder)
    assert package["main"] == "dist/src/{index.js,functions/*.js}"
    assert package["scripts"]["prestart"] == "npm run clean && npm run build"
    assert {"typescript", "@types/node"} <= package["devDependencies"].keys()
    options = json.loads((folder / "tsconfig.json").read_text())["compilerOptions"]
    assert (options["outDir"], options["sourceMap"]) == ("dist", True)
    assert (folder / "src" / "index.ts").read_text().startswith("import { app } from '@azure/functions';\n")


def test_existing_files_are_kept(func: Func, folder: Path):
    (folder / "package.json").write_text('{"name": "mine"}')
    outcome = func("init", "--node", "--skip-npm-install")
    assert "package.json already exists. Skipped!" in outcome.out
    assert package_of(folder) == {"name": "mine"}


@pytest.mark.parametrize(("language", "build"), [("javascript", False), ("typescript", True)])
def test_docker_file_installs_and_builds(func: Func, folder: Path, language: str, build: bool):
    assert func("init", "--worker-runtime", language, "--docker", "--skip-npm-install").code == 0
    text = (folder / "Dockerfile").read_text()
    assert "FROM mcr.microsoft.com/azure-functions/node:4-node2" in text
    assert "npm install" in text
    assert ("npm run build" in text) is build


def test_docker_only_recognizes_a_node_app(func: Func, folder: Path):
    assert func("init", "--typescript", "--skip-npm-install").code == 0
    assert func("init", "--docker-only").code == 0
    assert "npm run build" in (folder / "Dockerfile").read_text()


@pytest.mark.parametrize(("answer", "file"), [("3", "src/index.js"), ("4", "src/index.ts")])
def test_wizard_offers_both_languages(func: Func, folder: Path, terminal: Callable[..., None], answer: str, file: str):
    terminal(answer, "n", "n")
    assert func("init", "--skip-npm-install").code == 0
    assert (folder / file).exists()


def test_language_is_asked_for_when_only_the_runtime_is_given(func: Func, folder: Path, terminal: Callable[..., None]):
    terminal("typescript")
    outcome = func("init", "--worker-runtime", "node", "--skip-npm-install")
    assert outcome.code == 0
    assert "2. typescript" in outcome.out
    assert (folder / "tsconfig.json").exists()


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["--worker-runtime", "java"], "this program runs apps written in Python, JavaScript, TypeScript or C#"),
        (["--worker-runtime", "node", "--language", "fsharp"], "Language 'fsharp' is not supported"),
        (["--worker-runtime", "node", "--language", "typescirpt"], "Did you mean 'typescript'?"),
        (["--python", "--node"], "The options name both Python and Node.js."),
        (["--worker-runtime", "python", "--language", "javascript"], "The options name both Python and Node.js."),
        (
            ["--node", "-m", "V3"],
            "The V3 programming model is not supported for worker runtime node. Supported programming models for "
            "worker runtime node are:\nV4",
        ),
    ],
)
def test_mistakes_end_with_code_2_and_write_nothing(func: Func, folder: Path, arguments: list[str], text: str):
    outcome = func("init", *arguments, "--skip-npm-install")
    assert outcome.code == 2
    assert text in outcome.err
    assert list(folder.iterdir()) == []


@pytest.mark.process
@pytest.mark.parametrize(("code", "told"), [(0, False), (1, True)])
def test_packages_are_installed_and_a_failure_is_reported(
    func: Func, folder: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch,
    code: int, told: bool,
):  # fmt: skip
    program = tmp_path_factory.mktemp("npm") / "npm"
    program.write_text(f'#!/bin/sh\necho "npm $1 in $PWD"\nexit {code}\n')
    program.chmod(0o755)
    monkeypatch.setattr(npm.shutil, "which", lambda name: str(program) if name == "npm" else None)
    outcome = func("init", "--node")
    assert outcome.code == 0
    assert f"Running 'npm install'...\nnpm install in {folder}\n" in outcome.out
    assert ('"npm install" failed' in outcome.out) is told


def test_missing_npm_is_reported(func: Func, folder: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(npm.shutil, "which", lambda _: None)
    outcome = func("init", "--node")
    assert outcome.code == 0
    assert "npm is not on PATH" in outcome.out


@pytest.mark.parametrize(
    ("arguments", "incomplete", "offered"),
    [
        (["init"], "--worker", ["--worker-runtime"]),
        (["init"], "--skip", ["--skip-npm-install"]),
        (["init"], "--type", ["--typescript"]),
        (["init", "--worker-runtime"], "", ["python", "node", "dotnet-isolated", *LANGUAGES]),
        (["init", "--language"], "ja", ["javascript"]),
        (["new", "--language"], "t", ["typescript"]),
        (["templates", "list", "--language"], "", ["python", *LANGUAGES]),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else value,
)
def test_shell_completes_the_options_and_their_values(arguments: list[str], incomplete: str, offered: list[str]):
    completion = ShellComplete(program, {}, "func", "_FUNC_COMPLETE")
    assert [item.value for item in completion.get_completions(arguments, incomplete)] == offered
