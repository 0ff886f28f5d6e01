"""Runs the tests of the tutorial (docs/how-to/test-your-app.md) on each Python and both generations of the SDK.

`python -m bench.kit_matrix` takes the interpreters that it finds; `--python PATH` names others, and `--pytest 8.3.*` a
version of pytest. For each interpreter it installs this project and pytest into an environment in `build/matrix`. The
2.x SDK needs Python 3.13: on an older one, the tests run there and the app on 3.13. Ends with 1 if a combination fails.
Uses only the standard library.
"""

import argparse
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from bench.command import run_command

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "how-to" / "test-your-app.md"
PYTHONS = ("3.11", "3.12", "3.13", "3.14")
SDKS = {"1.x": "azure-functions-durable>=1.5,<2", "2.x": "azure-functions-durable==2.0.0rc3"}
OF_TESTS = (f"{ROOT}[grpc]", "pytest-asyncio", "azure-storage-queue")
_FILE = re.compile(r"^<!-- file: (\S+) -->\n```\w+\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_SAVE = """
from durable_host.testing import FunctionApp

with FunctionApp(".") as app:
    app.start("claim", {"amount": 500}).history.save("tests/histories/waiting.json")
"""


@dataclass(frozen=True)
class Combination:
    """`tests` is the interpreter that runs pytest, `app` the one that runs the functions."""

    version: str
    sdk: str
    tests: Path
    app: Path


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m bench.kit_matrix", description="Run the tutorial's tests everywhere."
    )
    parser.add_argument("--python", action="append", default=[], metavar="PATH", help="an interpreter; repeatable")
    parser.add_argument("--pytest", default="", metavar="VERSION", help="such as 8.3.*; the default is the newest one")
    parser.add_argument("--envs", type=Path, default=ROOT / "build" / "matrix", help="where environments are kept")
    given = parser.parse_args()
    found = {version_of(path): path for path in map(Path, given.python)} or interpreters()
    failed = 0
    pytest = f"pytest=={given.pytest}" if given.pytest else "pytest"
    for one in combinations(found, given.envs, pytest):
        code, summary = tried(one)
        failed += code != 0
        print(f"Python {one.version}, app of {one.sdk} on {version_of(one.app)}: {summary}", flush=True)
    for version in sorted(set() if given.python else set(PYTHONS) - set(found)):
        print(f"Python {version}: not on this machine")
    return 1 if failed else 0


def interpreters() -> dict[str, Path]:
    """The supported interpreters that this machine has: version → path."""
    found: dict[str, Path] = {}
    for version in PYTHONS:
        installed = [*sorted(Path.home().glob(f".pyenv/versions/{version}.*/bin/python"), reverse=True)]
        on_path = shutil.which(f"python{version}")
        if path := next(iter(installed), Path(on_path) if on_path else None):
            found[version] = path
    return found


def version_of(python: Path) -> str:
    code = "import sys; print('%d.%d' % sys.version_info[:2])"
    return subprocess.run([python, "-c", code], capture_output=True, text=True, check=True).stdout.strip()


def combinations(found: dict[str, Path], envs: Path, pytest: str) -> Iterator[Combination]:
    newest_of_2x = next((version for version in ("3.13", "3.14") if version in found), None)
    for version, python in found.items():
        of_1x = environment(envs / f"{version}-1.x", python, *OF_TESTS, pytest, SDKS["1.x"])
        yield Combination(version, "1.x", of_1x, of_1x)
        if version >= "3.13":
            of_2x = environment(envs / f"{version}-2.x", python, *OF_TESTS, pytest, SDKS["2.x"])
            yield Combination(version, "2.x", of_2x, of_2x)
        elif newest_of_2x is not None:
            app = environment(envs / f"app-{newest_of_2x}", found[newest_of_2x], SDKS["2.x"])
            yield Combination(version, "2.x", of_1x, app)


def environment(folder: Path, python: Path, *packages: str) -> Path:
    """The interpreter of an environment with the packages. It is kept; the project in it is reinstalled."""
    inside = folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    if not inside.exists():
        subprocess.run([python, "-m", "venv", folder], check=True)
    subprocess.run([inside, "-m", "pip", "install", "-q", "--disable-pip-version-check", *packages], check=True)
    if packages[0].startswith(str(ROOT)):
        again = ("--force-reinstall", "--no-deps", str(ROOT))
        subprocess.run([inside, "-m", "pip", "install", "-q", "--disable-pip-version-check", *again], check=True)
    return inside


def tried(one: Combination) -> tuple[int, str]:
    """The exit code, and the last line that pytest prints."""
    with tempfile.TemporaryDirectory() as temporary:
        app = Path(temporary) / "expenses"
        subprocess.run([one.tests, "-m", "durable_host", "init", app, "--python"], check=True, capture_output=True)
        for name, text in _FILE.findall(PAGE.read_text("utf-8")):
            path = app / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, "utf-8")
        (app / "tests" / "histories").mkdir()
        pytest = ("-m", "pytest", "-q", "tests")
        code, output = ran(one, app, ("-c", _SAVE), ("-m", "unittest", "-q", "tests/test_await.py"), pytest)
        if code == 0 and one.sdk == "2.x":
            shutil.copy(app / "workflow_2x.py", app / "workflow.py")
            code, output = ran(one, app, pytest)
        return code, output


def ran(one: Combination, app: Path, *commands: tuple[str, ...]) -> tuple[int, str]:
    """The exit code and the last line of the last command; all the output of one that fails."""
    environ, last = {**os.environ, "VIRTUAL_ENV": str(one.app.parents[1])}, ""
    for command in commands:
        done = subprocess.run([one.tests, *command], cwd=app, env=environ, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            return done.returncode, f"failed\n{done.stdout}{done.stderr}"
        last = done.stdout.strip().rpartition("\n")[2]
    return 0, last


if __name__ == "__main__":
    run_command(main)
