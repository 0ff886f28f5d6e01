"""`func pack` in Node.js apps: node_modules is in the archive, and a warning lists what should not be there.

Source: docs/protocol/functions-host-cli.md#packing
"""

import json
import zipfile
from pathlib import Path
from typing import Any

import pytest
from cli_runs import Func

FILES = {
    "host.json": '{"version": "2.0"}',
    "local.settings.json": '{"IsEncrypted": false, "Values": {"FUNCTIONS_WORKER_RUNTIME": "node"}}',
    "src/functions/hello.js": "",
    "src/functions/hello.test.ts": "",
    ".funcignore": "*.ts\n.git*\nlocal.settings.json\n",
    "node_modules/@azure/functions/package.json": "{}",
    "node_modules/@azure/functions/dist/index.js": "",
    "node_modules/@azure/functions/types/index.d.ts": "",
}
INSTALL = "Packages are not in it: run 'npm install' first, or deploy with a remote build, which does.\n"


@pytest.fixture
def app(folder: Path) -> Path:
    """A Node.js app with its packages."""
    for name, text in FILES.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    write_package(folder)
    return folder


def write_package(app: Path, **members: Any) -> None:
    (app / "package.json").write_text(json.dumps({"main": "src/functions/*.js", **members}))


def packed(func: Func, app: Path) -> tuple[set[str], str]:
    """The names in the archive, and what the command says after its first line."""
    outcome = func("pack", "-o", "../app.zip")
    assert outcome.code == 0, outcome.err
    with zipfile.ZipFile(app.parent / "app.zip") as archive:
        return set(archive.namelist()), outcome.out.partition("\n")[2]


def test_packages_are_in_the_archive_and_what_funcignore_names_is_not(func: Func, app: Path):
    assert packed(func, app) == (
        {
            "host.json",
            "package.json",
            "src/functions/hello.js",
            "node_modules/@azure/functions/package.json",
            "node_modules/@azure/functions/dist/index.js",
        },
        "",
    )


def test_development_dependencies_are_named(func: Func, app: Path):
    write_package(app, devDependencies={"typescript": "^5", "@types/node": "^20", "absent": "^1"})
    for name in ("typescript", "@types/node"):
        (app / "node_modules" / name).mkdir(parents=True)
        (app / "node_modules" / name / "index.js").touch()
    names, told = packed(func, app)
    assert "node_modules/typescript/index.js" in names
    assert told.startswith("Development dependencies are in it: @types/node, typescript.\n")
    assert "npm prune --omit=dev" in told


@pytest.mark.parametrize("ignored", [True, False])
def test_archive_without_packages_is_reported(func: Func, app: Path, ignored: bool):
    if ignored:
        (app / ".funcignore").write_text("node_modules/\n")
    else:
        (app / "node_modules").rename(app.parent / "elsewhere")
    names, told = packed(func, app)
    assert not [name for name in names if name.startswith("node_modules")]
    assert told == INSTALL


@pytest.mark.parametrize("link", ["node_modules", "node_modules/@azure", "node_modules/@azure/functions"])
def test_linked_packages_are_packed_as_files(func: Func, app: Path, link: str):
    real = app.parent / f"{app.name}-packages"
    (app / link).rename(real)
    (app / link).symlink_to(real)
    names, _ = packed(func, app)
    assert "node_modules/@azure/functions/dist/index.js" in names


def test_packages_linked_by_pnpm_are_reported(func: Func, app: Path):
    (app / "node_modules" / ".pnpm").mkdir()
    assert "pnpm install --node-linker=hoisted" in packed(func, app)[1]


@pytest.mark.parametrize("is_built", [True, False])
def test_typescript_that_is_not_built_is_reported(func: Func, app: Path, is_built: bool):
    (app / "tsconfig.json").write_text("{}")
    write_package(app, main="dist/src/functions/*.js")
    if is_built:
        (app / "dist").mkdir()
        (app / "dist" / "index.js").touch()
    told = packed(func, app)[1]
    assert ("'dist' is not in it: run 'npm run build' first." in told) is not is_built


def test_package_file_that_cannot_be_read_is_an_error(func: Func, app: Path):
    (app / "package.json").write_text("{")
    outcome = func("pack", "-o", "../app.zip")
    assert outcome.code == 3
    assert "package.json' cannot be read" in outcome.err
