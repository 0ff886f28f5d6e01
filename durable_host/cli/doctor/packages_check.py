"""Checks the app's Python and its packages by running a script on that interpreter."""

import json
import os
import subprocess
from pathlib import Path
from typing import Any, Final

import msgspec

from durable_host.cli.doctor import findings
from durable_host.cli.doctor.findings import Finding
from durable_host.errors import HostError
from durable_host.invocation.interpreter import Interpreter, find_interpreter, install_command

_PYTHON: Final = "Python"
_PACKAGES: Final = "Packages"
_OLDEST, _NEWEST = (3, 10), (3, 14)
_ASK_SECONDS: Final = 60.0
_SDKS: Final = ("azure-functions", "azure-functions-durable")

_QUESTION: Final = """
import importlib.metadata, json, re, sys
try:
    from packaging.requirements import Requirement
except ImportError:
    try:
        from pip._vendor.packaging.requirements import Requirement
    except ImportError:
        Requirement = None

def version(name):
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None

def look(line):
    name, wanted, applies = re.match(r"[A-Za-z0-9._-]+", line).group(), "", True
    fits = True
    found = version(name)
    if Requirement is not None:
        try:
            requirement = Requirement(line)
        except ValueError:
            requirement = None
        if requirement is not None:
            wanted = str(requirement.specifier)
            applies = requirement.marker is None or requirement.marker.evaluate()
            fits = found is None or requirement.specifier.contains(found, prereleases=True)
    return {"name": name, "wanted": wanted, "applies": bool(applies), "found": found, "fits": fits}

lines = json.load(sys.stdin)
print(json.dumps({
    "version": list(sys.version_info[:3]),
    "virtual": sys.prefix != sys.base_prefix,
    "requirements": [look(line) for line in lines],
    "sdks": {name: version(name) for name in ("azure-functions", "azure-functions-durable")},
}))
"""


class Requirement(msgspec.Struct, frozen=True):
    """A line of requirements.txt compared with the installed version (`found` is None if there is none)."""

    name: str
    wanted: str
    applies: bool
    found: str | None
    fits: bool


class Environment(msgspec.Struct, frozen=True):
    """The script's output."""

    version: tuple[int, int, int]
    virtual: bool
    requirements: tuple[Requirement, ...]
    sdks: dict[str, str | None]


def check(root: Path) -> list[Finding]:
    """Findings about the interpreter, the SDKs and the requirements of the app in `root`."""
    try:
        interpreter = find_interpreter(root, environ=os.environ)
    except HostError as error:
        return [findings.of_error(_PYTHON, error)]
    lines, odd = requirement_lines(root / "requirements.txt")
    try:
        environment = _ask(interpreter, lines)
    except (OSError, subprocess.SubprocessError, msgspec.MsgspecError) as error:
        return [
            findings.problem(
                _PYTHON,
                f"The interpreter '{interpreter.path}' ({interpreter.source}) does not work: {error}",
                "Recreate the app's virtual environment: python -m venv --clear .venv",
            )
        ]
    return [*_python(interpreter, environment), *_packages(root, interpreter, environment), *odd]


def requirement_lines(path: Path) -> tuple[list[str], list[Finding]]:
    """The lines that name a package, and findings about the file."""
    try:
        text = path.read_text("utf-8-sig")
    except FileNotFoundError:
        remedy = "Write one with the line 'azure-functions': Azure installs what is in it."
        return [], [findings.warning(_PACKAGES, "There is no requirements.txt.", remedy)]
    except (OSError, ValueError) as error:
        return [], [findings.warning(_PACKAGES, f"requirements.txt cannot be read: {error}")]
    stripped = (line.partition(" #")[0].strip() for line in text.splitlines())
    lines = [line for line in stripped if line and line[0].isalnum() and "://" not in line.split("@")[0]]
    odd = [
        findings.warning(
            _PACKAGES,
            f"requirements.txt has '{line}', which belongs to the platform.",
            "Remove the line: a version other than the platform's may break the deployed app.",
        )
        for line in lines
        if line.lower().replace("_", "-").startswith("azure-functions-worker")
    ]
    return lines, odd


def _ask(interpreter: Interpreter, lines: list[str]) -> Environment:
    answer = subprocess.run(
        [str(interpreter.path), "-c", _QUESTION],
        input=json.dumps(lines),
        capture_output=True,
        text=True,
        timeout=_ASK_SECONDS,
        check=True,
    )
    content: Any = json.loads(answer.stdout)
    return msgspec.convert(content, Environment)


def _python(interpreter: Interpreter, environment: Environment) -> list[Finding]:
    version = ".".join(map(str, environment.version))
    text = f"Python {version} at {interpreter.path} ({interpreter.source})"
    found = environment.version[:2]
    if found < _OLDEST:
        return [findings.problem(_PYTHON, f"{text} is too old.", "Use Python 3.10 or later for the app.")]
    result = [findings.ok(_PYTHON, text)]
    if found > _NEWEST:
        result.append(
            findings.warning(
                _PYTHON, f"Azure Functions does not run Python {found[0]}.{found[1]} yet.", "Use 3.10 to 3.14."
            )
        )
    if not environment.virtual:
        result.append(
            findings.warning(
                _PYTHON,
                "The app has no virtual environment of its own.",
                "python -m venv .venv, then install requirements.txt into it",
            )
        )
    return result


def _packages(root: Path, interpreter: Interpreter, environment: Environment) -> list[Finding]:
    result: list[Finding] = []
    for name in _SDKS:
        version = environment.sdks.get(name)
        if version is not None:
            result.append(findings.ok(_PACKAGES, f"{name} {version}"))
        elif name == "azure-functions":
            result.append(
                findings.problem(_PACKAGES, f"{name} is not installed.", install_command(interpreter.path, name))
            )
    for requirement in environment.requirements:
        if not requirement.applies or requirement.name.lower().replace("_", "-") == "azure-functions-worker":
            continue
        wanted = f"{requirement.name}{requirement.wanted}"
        if requirement.found is None and requirement.name.lower() != "azure-functions":
            result.append(
                findings.problem(
                    _PACKAGES,
                    f"requirements.txt requires {wanted}, which is not installed.",
                    install_command(interpreter.path, "-r requirements.txt"),
                )
            )
        elif requirement.found is not None and not requirement.fits:
            result.append(
                findings.warning(
                    _PACKAGES,
                    f"requirements.txt requires {wanted}, but {requirement.found} is installed.",
                    install_command(interpreter.path, "-r requirements.txt"),
                )
            )
    return result
