"""The real .NET isolated apps, built, where there is a .NET runtime. Otherwise their tests are skipped.

`DURABLE_HOST_ORACLE` names the folder with both: `isolated/core`, `isolated/web`, `dotnet`. `DURABLE_HOST_DOTNET`, or a
`dotnet` on PATH, replaces the runtime in it.
"""

import json
import os
import shutil
import sys
from pathlib import Path

import pytest

ORACLE = "DURABLE_HOST_ORACLE"
DOTNET = "DURABLE_HOST_DOTNET"


def copy_of(name: str, root: Path) -> Path:
    """A copy of an app (`core` or `web`), without files that a host has left in it."""
    copy = Path(shutil.copytree(_built(name), root / name, ignore=shutil.ignore_patterns(".azurite", "*.db*")))
    for path in (copy, *copy.rglob("*")):
        path.chmod(path.stat().st_mode | 0o200)  # The apps may be read-only.
    return copy


def runtime_settings() -> dict[str, str]:
    """Settings with which a host finds .NET. Skips the test if there is none."""
    named = os.environ.get(DOTNET) or _beside_the_apps() or shutil.which("dotnet")
    if not named:
        pytest.skip(f"needs .NET: no 'dotnet' on PATH, and {DOTNET} is not set")
    path = Path(named)
    folder = path if path.is_dir() else path.resolve().parent
    # The runtime may lack libraries for the languages of the world, and the tests need none.
    return {DOTNET: str(path), "DOTNET_ROOT": str(folder), "DOTNET_SYSTEM_GLOBALIZATION_INVARIANT": "1"}


def with_host_json(app: Path, **durable: object) -> Path:
    """Add settings of `extensions.durableTask` to the app's host.json."""
    path = app / "host.json"
    host = json.loads(path.read_text("utf-8-sig"))
    host.setdefault("extensions", {}).setdefault("durableTask", {}).update(durable)
    path.write_text(json.dumps(host), "utf-8")
    return app


def _built(name: str) -> Path:
    folder = Path(os.environ.get(ORACLE, "")) / "isolated" / name
    if ORACLE not in os.environ:
        pytest.skip(f"{ORACLE} is not set: it names the folder with the built .NET apps")
    if not sys.platform.startswith("linux"):
        pytest.skip("the .NET apps are built for Linux")
    if not (folder / "worker.config.json").is_file():
        pytest.fail(f"{ORACLE} is {os.environ[ORACLE]}, and there is no app in {folder}")
    return folder


def _beside_the_apps() -> str | None:
    program = Path(os.environ.get(ORACLE, "")) / "dotnet" / "dotnet"
    return str(program.absolute()) if ORACLE in os.environ and program.is_file() else None
