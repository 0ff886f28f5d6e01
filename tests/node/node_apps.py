"""Node.js apps for tests: files, package.json and linked packages."""

import json
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from host_process import hub_settings, write_app
from npm_packages import NpmPackages

APPS = Path(__file__).parent / "apps"
MAIN = "src/functions/*.js"


def write_node_app(
    root: Path, files: Mapping[str, str], packages: NpmPackages, *, kind: str = "newest", **package: Any
) -> Path:
    """Write an app that loads `src/functions/*.js`, unless `package` names another `main`, and link its packages.

    `package` holds more members of package.json; `kind` is the set of packages.
    """
    document = json.dumps({"name": "app", "version": "1.0.0", "main": MAIN, **package}, indent=2)
    return packages.link(write_app(root, {"package.json": document, **files}), kind)


def node_settings(connection_string: str) -> dict[str, str]:
    """Settings of a Node.js app on the session's storage, with a task hub of its own."""
    return {**hub_settings(connection_string), "FUNCTIONS_WORKER_RUNTIME": "node"}


def copy_node_app(name: str, target: Path, packages: NpmPackages, kind: str = "newest") -> Path:
    """A copy of an app of the folder `apps`, with the packages of a set."""
    shutil.copytree(APPS / name, target)
    return packages.link(target, kind)


def compile_typescript(app: Path) -> None:
    """`npm run build` of an app in TypeScript, without npm."""
    compiler = app / "node_modules" / "typescript" / "bin" / "tsc"
    done = subprocess.run(["node", str(compiler)], cwd=app, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
