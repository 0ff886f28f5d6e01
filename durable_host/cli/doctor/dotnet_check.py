"""Checks .NET, the project and its build without loading the app.

Source: docs/protocol/function-rpc.md#starting-a-worker
"""

import json
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final, cast

from durable_host.cli.doctor import findings
from durable_host.cli.doctor.findings import Finding
from durable_host.cli.scaffold.languages import settings_of
from durable_host.config import dotnet_project
from durable_host.config.dotnet_project import BUILT_FOLDERS, DotnetProject, is_project_folder
from durable_host.errors import HostError
from durable_host.invocation.dotnet_build import DOWNLOAD, find_dotnet, the_project

_DOTNET: Final = ".NET"
_PROJECT: Final = "Project"
_BUILD: Final = "Build"
_PACKAGES: Final = "Packages"
_ASK_SECONDS: Final = 60.0
_FRAMEWORK: Final = "Microsoft.NETCore.App"
_SOURCES: Final = (".cs", ".fs", ".vb", *dotnet_project.PROJECT_SUFFIXES)
_WORKER: Final = "Microsoft.Azure.Functions.Worker"


def check(root: Path) -> list[Finding]:
    """Check the .NET, the project and the build of the app in `root`."""
    if not is_project_folder(root):
        return [*_dotnet(root, root, None), findings.ok(_BUILD, f"{root} is the output of a build")]
    try:
        project = the_project(root)
    except HostError as error:
        return [*_dotnet(root, None, None), findings.of_error(_PROJECT, error)]
    output = dotnet_project.newest_output(root)
    return [*_dotnet(root, output, project), *_project(project), *_build(root, output)]


def is_unbuilt(root: Path) -> bool:
    """Whether the app in `root` is a project without any build, so that its functions are unknown."""
    return is_project_folder(root) and dotnet_project.newest_output(root) is None


def _dotnet(root: Path, output: Path | None, project: DotnetProject | None) -> Iterator[Finding]:
    """Check the runtime that runs the output, and, for a project, the SDK that builds it."""
    if output is not None and _is_self_contained(output):
        yield findings.ok(_DOTNET, "The app brings its own .NET.")
        if project is None:
            return
    try:
        dotnet = find_dotnet(settings_of(root).environment())
        runtimes, sdks = _versions(dotnet, "--list-runtimes"), _versions(dotnet, "--list-sdks")
    except HostError as error:
        yield findings.of_error(_DOTNET, error)
        return
    except (OSError, subprocess.SubprocessError) as error:
        yield findings.problem(_DOTNET, f".NET does not work: {error}", f"Install .NET: {DOWNLOAD}")
        return
    have = [version for name, version in runtimes if name == _FRAMEWORK]
    wanted = _framework(output) if output is not None else _of_target(project)
    text = f".NET {', '.join(have) or '(no runtime)'} at {dotnet}"
    if wanted is not None and _major(wanted) not in {_major(version) for version in have}:
        yield findings.problem(
            _DOTNET, f"{text} does not have the runtime {wanted}, which the app needs.", f"Install it: {DOWNLOAD}"
        )
    else:
        yield findings.ok(_DOTNET, text)
    if project is not None:
        yield _sdk_finding(project, [name for name, _ in sdks])


def _sdk_finding(project: DotnetProject, sdks: list[str]) -> Finding:
    target = _of_target(project)
    if any(target is None or _major(version) >= _major(target) for version in sdks):
        return findings.ok(_DOTNET, f"SDK {', '.join(sdks)}")
    have = f"only SDK {', '.join(sdks)}" if sdks else "no SDK"
    wanted = f" for {project.target}" if project.target else ""
    return findings.problem(
        _DOTNET, f"There is {have}, so {project.path.name} cannot be built.", f"Install a .NET SDK{wanted}: {DOWNLOAD}"
    )


def _project(project: DotnetProject) -> Iterator[Finding]:
    target = f" for {project.target}" if project.target else ""
    yield findings.ok(_PROJECT, f"{project.path.name}{target}")
    for name in (_WORKER, f"{_WORKER}.Sdk"):
        if project.packages and name.lower() not in project.packages:
            remedy = f"dotnet add package {name}"
            yield findings.warning(_PACKAGES, f"{project.path.name} does not reference {name}.", remedy)


def _build(root: Path, output: Path | None) -> Iterator[Finding]:
    """Check that the project is built and that the build is as new as its sources."""
    if output is None:
        yield findings.warning(_BUILD, "The project is not built yet.", "'func start' builds it; so does: dotnet build")
        return
    name = output.relative_to(root).as_posix() if output.is_relative_to(root) else str(output)
    built = max((path.stat().st_mtime for path in output.glob("*.dll")), default=0.0)
    newer = next((path for path in _sources(root) if path.stat().st_mtime > built), None)
    if newer is None:
        yield findings.ok(_BUILD, f"{name} is as new as the sources")
    else:
        changed = newer.relative_to(root).as_posix()
        yield findings.warning(_BUILD, f"'{changed}' is newer than the build in {name}.", "'func start' builds it.")


def _sources(folder: Path, *, is_top: bool = True) -> Iterator[Path]:
    for path in sorted(folder.iterdir()):
        if path.is_dir():
            if not path.name.startswith(".") and not (is_top and path.name in BUILT_FOLDERS) and not path.is_symlink():
                yield from _sources(path, is_top=False)
        elif path.suffix in _SOURCES:
            yield path


def _versions(dotnet: Path, option: str) -> list[tuple[str, str]]:
    """`--list-runtimes` → (name, version); `--list-sdks` → (version, place)."""
    answer = subprocess.run(
        [str(dotnet), option],
        capture_output=True,
        text=True,
        timeout=_ASK_SECONDS,
        check=True,
        stdin=subprocess.DEVNULL,
    )
    found: list[tuple[str, str]] = []
    for line in answer.stdout.splitlines():
        first, _, rest = line.strip().partition(" ")
        if first:
            found.append((first, rest.partition(" ")[0].strip("[]")))
    return found


def _framework(output: Path) -> str | None:
    """The version of the runtime that an output needs."""
    for path in output.glob("*.runtimeconfig.json"):
        options = _member(_json(path), "runtimeOptions")
        frameworks = options.get("frameworks")
        named: list[Any] = cast("list[Any]", frameworks) if isinstance(frameworks, list) else [options.get("framework")]
        for one in named:
            if isinstance(one, dict) and cast("dict[str, Any]", one).get("name") == _FRAMEWORK:
                return str(cast("dict[str, Any]", one).get("version"))
    return None


def _is_self_contained(output: Path) -> bool:
    executable = _member(_json(output / dotnet_project.WORKER_CONFIG), "description").get("defaultExecutablePath")
    return isinstance(executable, str) and "{WorkerRoot}" in executable


def _of_target(project: DotnetProject | None) -> str | None:
    return project.target.removeprefix("net") if project is not None and project.target else None


def _major(version: str) -> int:
    return int(found[0]) if (found := re.match(r"\d+", version)) else 0


def _json(path: Path) -> dict[str, Any]:
    try:
        document: object = json.loads(path.read_text("utf-8-sig"))
    except (OSError, ValueError):
        return {}
    return cast("dict[str, Any]", document) if isinstance(document, dict) else {}


def _member(document: dict[str, Any], name: str) -> dict[str, Any]:
    value = document.get(name)
    return cast("dict[str, Any]", value) if isinstance(value, dict) else {}
