"""A `dotnet` command for tests: its `build` copies an app that is already built, as no SDK is needed for that."""

import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path

PROGRAM = """\
#!{python} -IS
import json, os, pathlib, shutil, sys, time

folder = pathlib.Path({folder!r})
listed = folder / sys.argv[1].removeprefix("--list-")
if listed.exists():
    print(listed.read_text())
    sys.exit()
with open(folder / "calls", "a") as calls:
    calls.write(json.dumps(sys.argv[1:]) + "\\n")
(folder / "pid").write_text(str(os.getpid()))
plan = json.loads((folder / "plan.json").read_text())
for line in plan["prints"]:
    print(line.replace("%ROOT%", os.getcwd()), flush=True)
gate = plan["waits_for"]
while gate and not pathlib.Path(gate).exists():
    time.sleep(0.02)
if plan["built"] and not plan["exits"]:
    published = sys.argv[sys.argv.index("--output") + 1] if "--output" in sys.argv else None
    target = pathlib.Path(published or plan["output"])
    target.mkdir(parents=True, exist_ok=True)
    for path in pathlib.Path(plan["built"]).iterdir():
        if path.name not in plan["kept"]:
            fresh = target / (path.name + ".new")
            shutil.copyfile(path, fresh)
            os.replace(fresh, target / path.name)
    for name in ("host.json", "local.settings.json"):
        if pathlib.Path(name).exists():
            shutil.copyfile(name, target / name)
sys.exit(plan["exits"])
"""
"""Starts quickly: isolated, without site packages."""

PROJECT = """<Project Sdk="Microsoft.NET.Sdk">
  <PropertyGroup><TargetFramework>net10.0</TargetFramework></PropertyGroup>
  <ItemGroup><PackageReference Include="Microsoft.Azure.Functions.Worker" Version="2.52.0" /></ItemGroup>
</Project>
"""
OUTPUT = "bin/Debug/net10.0"


class StandInSdk:
    """The folder has the program `dotnet`; `plan` says what the next builds do, `calls` what was asked of it."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.program = folder / "dotnet"
        self.program.write_text(PROGRAM.format(python=sys.executable, folder=str(folder)), "utf-8")
        self.program.chmod(0o755)
        self.plan()

    def plan(
        self,
        built: Path | None = None,
        *,
        prints: Sequence[str] = (),
        exits: int = 0,
        output: str = OUTPUT,
        waits_for: Path | None = None,
        kept: Sequence[str] = (),
    ) -> None:
        """Builds print these lines, wait for a file to appear, copy the app `built` to `output`, and exit.

        Files named in `kept` are not copied.
        """
        plan: dict[str, object] = {
            "built": str(built) if built is not None else "",
            "prints": list(prints),
            "exits": exits,
            "output": output,
            "waits_for": str(waits_for) if waits_for is not None else "",
            "kept": list(kept),
        }
        fresh = self.folder / "plan.new"
        fresh.write_text(json.dumps(plan), "utf-8")
        os.replace(fresh, self.folder / "plan.json")

    def has(self, *, runtimes: Sequence[str], sdks: Sequence[str]) -> None:
        """What `--list-runtimes` and `--list-sdks` print."""
        (self.folder / "runtimes").write_text("\n".join(runtimes), "utf-8")
        (self.folder / "sdks").write_text("\n".join(sdks), "utf-8")

    @property
    def calls(self) -> list[list[str]]:
        path = self.folder / "calls"
        return [json.loads(line) for line in path.read_text("utf-8").splitlines()] if path.exists() else []

    @property
    def pid(self) -> int:
        """The process of the last build."""
        path = self.folder / "pid"
        return int(path.read_text("utf-8") or 0) if path.exists() else 0

    @property
    def settings(self) -> dict[str, str]:
        """The environment in which the product uses this command."""
        return {"DURABLE_HOST_DOTNET": str(self.program)}


def write_project(root: Path, *, name: str = "App.csproj", text: str = PROJECT) -> Path:
    """A project folder: project file, source, host.json and settings."""
    root.mkdir(parents=True, exist_ok=True)
    (root / name).write_text(text, "utf-8")
    (root / "Functions.cs").write_text("namespace App;\n", "utf-8")
    (root / "host.json").write_text('{"version": "2.0"}', "utf-8")
    settings = {"IsEncrypted": False, "Values": {"FUNCTIONS_WORKER_RUNTIME": "dotnet-isolated"}}
    (root / "local.settings.json").write_text(json.dumps(settings), "utf-8")
    return root
