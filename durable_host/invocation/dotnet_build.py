"""Builds the project of a .NET app with `dotnet build`.

Source: docs/protocol/function-rpc.md#starting-a-worker
"""

import asyncio
import os
import re
import shutil
import subprocess
from collections import deque
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from durable_host.config import dotnet_project
from durable_host.config.dotnet_project import PROJECT_SUFFIXES, DotnetProject
from durable_host.config.start_options import Report
from durable_host.invocation.errors import AppError
from durable_host.invocation.process_group import kill_group, own_group

CONFIGURED: Final = "DURABLE_HOST_DOTNET"
DOWNLOAD: Final = "https://dotnet.microsoft.com/download"
_CONFIGURATION: Final = "Debug"
_KEPT_LINES: Final = 12
_LONGEST_LINE: Final = 4096
_MOST_LINES: Final = 2000
_OUTPUT_ENDS_WITHIN: Final = 0.3
_NO_SDK: Final = ("No .NET SDKs were found", "A compatible .NET SDK was not found", "compatible installed .NET SDK")
_TOO_OLD: Final = ("NETSDK1045", "NETSDK1209")
_OUTPUT: Final = re.compile(r"^\s*\S.* -> (.+\.dll)\s*$")
_ERROR: Final = re.compile(r"^(?P<place>.*?)\s*: error (?P<rest>\S+: .*?)( \[[^\]]*\])?$")


class DotnetMissing(AppError):
    """There is no `dotnet` command, or it cannot be started."""

    code = "DH4030"


class DotnetTooOld(AppError):
    """The installed .NET has no SDK, or its SDK or runtime is older than the app needs."""

    code = "DH4031"


class ProjectUnclear(AppError):
    """The folder has several project files, or none that this host can run."""

    code = "DH4032"


class BuildFailed(AppError):
    """`dotnet build` failed; the cause has its errors."""

    code = "DH4033"


class NothingBuilt(AppError):
    """The project was not built, or its build has no `worker.config.json`."""

    code = "DH4034"


def find_dotnet(environ: Mapping[str, str]) -> Path:
    """The `dotnet` command: DURABLE_HOST_DOTNET (the file or its folder), otherwise on PATH. Raises DotnetMissing."""
    named = environ.get(CONFIGURED)
    if named:
        path = Path(named).expanduser()
        program = path / ("dotnet.exe" if os.name == "nt" else "dotnet") if path.is_dir() else path
        found = shutil.which(str(program)) if program.is_file() else shutil.which(named, path=environ.get("PATH"))
        if found is None:
            raise DotnetMissing(
                f".NET '{named}' cannot be started.",
                cause=f"The value of {CONFIGURED} is neither the file 'dotnet' nor its folder.",
                remedy=f"Correct {CONFIGURED}, or remove it to use 'dotnet' on PATH.",
            )
        return Path(found).absolute()
    found = shutil.which("dotnet", path=environ.get("PATH"))
    if found is None:
        raise DotnetMissing(
            ".NET was not found.",
            cause="There is no 'dotnet' on PATH.",
            remedy=f"Install .NET ({DOWNLOAD}), or name it with the environment variable {CONFIGURED}.",
        )
    return Path(found).absolute()


def the_project(root: Path) -> DotnetProject:
    """The project in a folder. Raises ProjectUnclear and InProcessModel."""
    files = dotnet_project.project_files(root)
    if not files:
        raise ProjectUnclear(
            f"There is no project file in {root}.",
            cause=f"A .NET app has one file with the suffix {', '.join(PROJECT_SUFFIXES)}.",
            remedy="Run 'func start' in the folder of the project, or in the output of its build.",
        )
    if len(files) > 1:
        raise ProjectUnclear(
            f"There are several project files in {root}.",
            cause=f"They are {', '.join(path.name for path in files)}; a build needs one.",
            remedy="Move the others to folders of their own, or build the app and run 'func start' in its output.",
        )
    project = dotnet_project.read_project(files[0])
    if project.is_in_process:
        raise dotnet_project.in_process_model(
            project.path.name,
            "It references Microsoft.NET.Sdk.Functions, so its functions run inside the official host.",
        )
    return project


class DotnetBuild:
    """Builds the project in `root` with `run`, one build at a time."""

    def __init__(self, root: Path, environ: Mapping[str, str]) -> None:
        self.root = root
        self._environ = dict(environ)

    @property
    def title(self) -> str:
        """The name of the project file. Raises ProjectUnclear and InProcessModel."""
        return the_project(self.root).path.name

    def existing(self) -> Path:
        """The newest output, without a build. Raises NothingBuilt, ProjectUnclear and InProcessModel."""
        project = the_project(self.root)
        output = dotnet_project.newest_output(self.root)
        if output is None:
            raise NothingBuilt(
                f"{project.path.name} is not built.",
                cause=f"There is no {dotnet_project.WORKER_CONFIG} below {self.root / 'bin'}.",
                remedy="Run 'func start' without --no-build, or run 'dotnet build' first.",
            )
        return output

    async def run(self, report: Report) -> Path:
        """Build, and return the output folder. `report` gets each line that the build prints.

        Raises AppError. Cancelling it ends the build.
        """
        project = the_project(self.root)
        dotnet = find_dotnet(self._environ)
        lines = await self._run(dotnet, project, ["build", project.path.name, "-c", _CONFIGURATION, "--nologo"], report)
        output = _printed_output(lines, project) or dotnet_project.newest_output(self.root, _CONFIGURATION)
        if output is None:
            raise NothingBuilt(
                f"The build of {project.path.name} did not write a {dotnet_project.WORKER_CONFIG}.",
                cause=None if project.is_isolated else "It does not reference Microsoft.Azure.Functions.Worker.",
                remedy="Add the packages Microsoft.Azure.Functions.Worker and Microsoft.Azure.Functions.Worker.Sdk.",
            )
        return output

    async def publish(self, target: Path, report: Report) -> None:
        """Write the files to deploy into the folder `target`. Raises AppError."""
        project = the_project(self.root)
        command = ["publish", project.path.name, "-c", "Release", "--output", str(target), "--nologo"]
        await self._run(find_dotnet(self._environ), project, command, report)

    async def _run(self, dotnet: Path, project: DotnetProject, arguments: list[str], report: Report) -> list[str]:
        """Run `dotnet`, and return the lines that it prints. Raises AppError."""
        quiet = {"DOTNET_NOLOGO": "true", "DOTNET_CLI_TELEMETRY_OPTOUT": "true", "MSBUILDTERMINALLOGGER": "off"}
        try:
            transport, build = await asyncio.get_running_loop().subprocess_exec(
                lambda: _RunningBuild(report),
                str(dotnet),
                *arguments,
                cwd=str(self.root),
                env={**quiet, **self._environ},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                **own_group(),
            )
        except OSError as error:
            raise DotnetMissing(
                f"'{dotnet}' cannot be started.", cause=str(error), remedy=f"Install .NET: {DOWNLOAD}"
            ) from error
        try:
            await asyncio.shield(build.ended)
            if code := transport.get_returncode():
                raise _failure(project, dotnet, arguments[0], code, list(build.lines))
            return list(build.lines)
        finally:
            if transport.get_returncode() is None:
                kill_group(transport.get_pid())
                await build.ended
            transport.close()


class _RunningBuild(asyncio.SubprocessProtocol):
    """Reads what a build prints. `ended` is done shortly after its process has ended.

    It does not wait for the end of the output: the build may leave servers behind that keep it open.
    """

    def __init__(self, report: Report) -> None:
        self.lines: deque[str] = deque(maxlen=_MOST_LINES)
        self.ended = asyncio.get_running_loop().create_future()
        self._report = report
        self._rest = b""

    def pipe_data_received(self, fd: int, data: bytes) -> None:
        *lines, self._rest = (self._rest + data).split(b"\n")
        self._rest = self._rest[-_LONGEST_LINE:]
        for line in lines:
            self._add(line)

    def process_exited(self) -> None:
        asyncio.get_running_loop().call_later(_OUTPUT_ENDS_WITHIN, self._end)

    def connection_lost(self, exc: Exception | None) -> None:
        self._end()

    def _end(self) -> None:
        if not self.ended.done():
            self._add(self._rest)
            self.ended.set_result(None)

    def _add(self, line: bytes) -> None:
        text = line.decode("utf-8", "replace").rstrip()[:_LONGEST_LINE]
        if text:
            self.lines.append(text)
            self._report(text)


def _printed_output(lines: list[str], project: DotnetProject) -> Path | None:
    """The folder of the assembly that the build printed last, if an app is in it."""
    for line in reversed(lines):
        found = _OUTPUT.match(line)
        if found is not None:
            folder = (project.path.parent / found[1]).parent
            if (folder / dotnet_project.WORKER_CONFIG).is_file():
                return folder
    return None


def _failure(project: DotnetProject, dotnet: Path, verb: str, code: int, lines: list[str]) -> AppError:
    text = "\n".join(lines)
    if any(mark in text for mark in _NO_SDK):
        return DotnetTooOld(
            f"'{dotnet}' has no SDK that can build {project.path.name}.",
            cause=_last(lines),
            remedy=f"Install a .NET SDK{_for(project)}: {DOWNLOAD}. To run a build's output, the runtime is enough.",
        )
    if any(mark in text for mark in _TOO_OLD):
        return DotnetTooOld(
            f"The SDK of '{dotnet}' is too old to build {project.path.name}.",
            cause="\n".join(_errors(project, lines)) or _last(lines),
            remedy=f"Install a newer .NET SDK{_for(project)}: {DOWNLOAD}",
        )
    return BuildFailed(
        f"{project.path.name} does not build: 'dotnet {verb}' exited with code {code}.",
        cause="\n".join(_errors(project, lines)) or _last(lines),
        remedy=f"Fix the errors; 'dotnet build {project.path.name}' shows everything.",
    )


def _for(project: DotnetProject) -> str:
    return f" for {project.target}" if project.target else ""


def _errors(project: DotnetProject, lines: list[str]) -> list[str]:
    """The errors of the compiler, each once, with paths relative to the project's folder."""
    found: dict[str, None] = {}
    prefix = f"{project.path.parent}{os.sep}"
    for line in lines:
        error = _ERROR.match(line.strip())
        if error is not None:
            found[f"{error['place'].removeprefix(prefix)}: error {error['rest']}"] = None
    errors = list(found)
    more = [f"... and {len(errors) - _KEPT_LINES} more"] if len(errors) > _KEPT_LINES else []
    return errors[:_KEPT_LINES] + more


def _last(lines: list[str]) -> str | None:
    return "\n".join(lines[-_KEPT_LINES:]) or None
