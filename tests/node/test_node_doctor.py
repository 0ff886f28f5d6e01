"""`func doctor` in Node.js apps."""

import json
import os
import shutil
from collections.abc import Callable
from datetime import date
from pathlib import Path
from shutil import which
from typing import Any

import pytest
from npm_packages import NpmPackages

from durable_host.cli import main
from durable_host.cli.doctor import node_check
from durable_host.cli.doctor.findings import Finding

Doctor = Callable[[], list[Finding]]
PACKAGE = {
    "name": "app",
    "main": "src/functions/*.js",
    "dependencies": {"@azure/functions": "^4.0.0", "durable-functions": "^3.0.0"},
}
HELLO = "const { app } = require('@azure/functions');\napp.http('hello', { handler: () => ({ body: 'hi' }) });\n"


@pytest.fixture
def app(tmp_path: Path, npm_packages: NpmPackages, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An app with nothing wrong, whose task hub is one file."""
    for name in ("AzureWebJobsStorage", "FUNCTIONS_WORKER_RUNTIME"):
        monkeypatch.delenv(name, raising=False)
    folder = tmp_path / "app"
    (folder / "src" / "functions").mkdir(parents=True)
    (folder / "src" / "functions" / "hello.js").write_text(HELLO)
    (folder / "host.json").write_text('{"version": "2.0"}')
    values = {"FUNCTIONS_WORKER_RUNTIME": "node", "AzureWebJobsStorage": "UseDevelopmentStorage=true"}
    (folder / "local.settings.json").write_text(json.dumps({"IsEncrypted": False, "Values": values}))
    write_package(folder)
    npm_packages.link(folder)
    monkeypatch.chdir(folder)
    return folder


def write_package(app: Path, **changes: Any) -> None:
    (app / "package.json").write_text(json.dumps({**PACKAGE, **changes}))


@pytest.fixture
def doctor(app: Path, capfd: pytest.CaptureFixture[str]) -> Doctor:
    """Runs the command; its findings."""

    def run() -> list[Finding]:
        capfd.readouterr()
        main(["doctor", "--output", "json"])
        return [Finding(**{"remedy": None, **entry}) for entry in json.loads(capfd.readouterr().out)]

    return run


@pytest.fixture
def without_npm(monkeypatch: pytest.MonkeyPatch) -> None:
    """For tests that are not about what npm finds: it takes longer than all the rest."""

    def which_without_npm(command: str, *given: Any, **options: Any) -> str | None:
        return None if command == "npm" else which(command, *given, **options)

    monkeypatch.setattr(shutil, "which", which_without_npm)


def texts(found: list[Finding], area: str) -> list[tuple[str, str]]:
    return [(one.level, one.message) for one in found if one.area == area]


def test_app_that_is_well_has_no_error(doctor: Doctor, npm_packages: NpmPackages) -> None:
    found = doctor()
    assert [one for one in found if one.level == "error"] == []
    assert texts(found, "package.json") == [("ok", "main is 'src/functions/*.js'; .js files are CommonJS")]
    assert ("ok", f"@azure/functions {npm_packages.version('@azure/functions')}") in texts(found, "Packages")
    assert ("ok", f"durable-functions {npm_packages.version('durable-functions')}") in texts(found, "Packages")
    assert ("ok", "1 loaded: hello") in texts(found, "Functions")
    level, text = texts(found, "Node.js")[0]
    assert level == "ok"
    assert text.endswith("(node on PATH)")


@pytest.mark.usefixtures("without_npm")
@pytest.mark.parametrize(
    ("content", "text", "remedy"),
    [
        (None, "There is no package.json.", "func init --node"),
        ("{", "package.json is not valid JSON: Expecting property name enclosed", "Fix it, or run: npm init -y"),
        ("[]", "package.json is not an object.", "Fix it, or run: npm init -y"),
        ("{}", "package.json has no 'main', so no function is loaded.", 'Add "main": "src/functions/*.js"'),
    ],
)
def test_package_file_is_checked(app: Path, doctor: Doctor, content: str | None, text: str, remedy: str) -> None:
    (app / "package.json").unlink()
    if content is not None:
        (app / "package.json").write_text(content)
    (finding,) = (one for one in doctor() if one.area == "package.json")
    assert (finding.level, finding.message[: len(text)], finding.remedy[: len(remedy)]) == ("error", text, remedy)


def test_packages_that_are_not_installed_are_reported(app: Path, doctor: Doctor) -> None:
    (app / "node_modules").unlink()
    found = [one for one in doctor() if one.area == "Packages"]
    assert [(one.level, one.message, one.remedy) for one in found] == [
        ("error", "The packages are not installed: there is no node_modules.", "npm install")
    ]


@pytest.mark.parametrize(
    ("changes", "level", "text"),
    [
        ({"dependencies": {**PACKAGE["dependencies"], "left-out": "^1.0.0"}}, "error", "requires left-out@^1.0.0"),
        ({"devDependencies": {"left-out": "^1.0.0"}}, "warning", "requires left-out@^1.0.0, which is not installed"),
        ({"dependencies": {"@azure/functions": "~4.0.0"}}, "warning", "package.json requires @azure/functions, but 4."),
        (
            {"dependencies": {}, "devDependencies": {"@azure/functions": "^4.0.0"}},
            "warning",
            "@azure/functions is a development dependency, so it is missing from a deployed app.",
        ),
    ],
    ids=["missing", "missing development", "other version", "development only"],
)
def test_packages_are_compared_with_what_is_required(
    app: Path, doctor: Doctor, changes: dict[str, Any], level: str, text: str
) -> None:
    write_package(app, **changes)
    assert [one for one, message in texts(doctor(), "Packages") if text in message] == [level]


@pytest.mark.usefixtures("without_npm")
@pytest.mark.parametrize(
    ("name", "version", "text"),
    [
        ("@azure/functions", "3.5.1", "@azure/functions 3.5.1 is not supported; this host runs version 4.x."),
        ("durable-functions", "2.1.3", "durable-functions 2.1.3 is not supported; this host runs version 3.x."),
        ("durable-functions", "4.0.0", "durable-functions 4.0.0 is not supported; this host runs version 3.x."),
    ],
)
def test_package_that_this_host_does_not_run_is_an_error(
    app: Path, doctor: Doctor, npm_packages: NpmPackages, name: str, version: str, text: str
) -> None:
    (app / "node_modules").unlink()
    for package in ("@azure/functions", "durable-functions"):
        shutil.copytree(npm_packages.modules() / package, app / "node_modules" / package)
    path = app / "node_modules" / name / "package.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "version": version}))
    assert ("error", text) in texts(doctor(), "Packages")


@pytest.mark.usefixtures("without_npm")
def test_typescript_that_is_not_built_is_reported(app: Path, doctor: Doctor) -> None:
    (app / "tsconfig.json").write_text("{}")
    (app / "src" / "functions" / "other.ts").write_text("")
    write_package(app, main="dist/src/**/*.js", scripts={"build": "tsc"})
    (finding,) = (one for one in doctor() if one.area == "Build")
    assert (finding.level, finding.message, finding.remedy) == (
        "error",
        "The TypeScript app is not built: dist has no files.",
        "npm run build",
    )


@pytest.mark.usefixtures("without_npm")
@pytest.mark.parametrize(
    ("age", "level", "text"),
    [(-60, "warning", "'src/other.ts' is newer than the build in dist."), (60, "ok", "dist is as new as the sources")],
)
def test_build_is_compared_with_its_sources(app: Path, doctor: Doctor, age: int, level: str, text: str) -> None:
    (app / "tsconfig.json").write_text("{}")
    source, built = app / "src" / "other.ts", app / "dist" / "src" / "hello.js"
    source.write_text("")
    built.parent.mkdir(parents=True)
    built.write_text(HELLO)
    changed = source.stat().st_mtime + age
    os.utime(built, (changed, changed))
    write_package(app, main="dist/src/*.js")
    assert texts(doctor(), "Build") == [(level, text)]


@pytest.mark.parametrize(
    ("version", "day", "found"),
    [
        ("v16.20.0", date(2026, 1, 1), [("error", "too old")]),
        ("v18.20.0", date(2025, 5, 1), [("ok", "Node.js 18.20.0"), ("warning", "ended in 2025-04")]),
        ("v20.1.0", date(2026, 4, 30), [("ok", "Node.js 20.1.0")]),
        ("v23.0.0", date(2026, 1, 1), [("ok", "Node.js 23.0.0"), ("warning", "does not run Node.js 23")]),
    ],
)
def test_version_of_node_is_judged(
    app: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, version: str, day: date, found: list[tuple[str, str]]
) -> None:
    program = tmp_path / "node"
    program.write_text(f"#!/bin/sh\necho {version}\n")
    program.chmod(0o755)
    monkeypatch.setenv("languageWorkers__node__defaultExecutablePath", str(program))
    told = node_check.node_findings(app, day)
    assert [one.level for one in told] == [level for level, _ in found]
    assert all(text in one.message for one, (_, text) in zip(told, found, strict=True))


def test_node_that_is_missing_is_an_error(app: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("languageWorkers__node__defaultExecutablePath", "/nowhere/node")
    (finding,) = node_check.node_findings(app)
    assert (finding.level, finding.area) == ("error", "Node.js")
    assert "Install Node.js 20 or later" in (finding.remedy or "")


@pytest.mark.usefixtures("without_npm")
def test_remedies_name_the_right_language(app: Path, doctor: Doctor) -> None:
    (app / "host.json").unlink()
    (finding,) = (one for one in doctor() if one.area == "host.json")
    assert finding.remedy.startswith("func init --node")
