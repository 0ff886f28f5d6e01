"""The project of a .NET app and its build output.

A built app is the folder with `worker.config.json`, in which its worker starts. A project folder has a project file
instead; its output folders are below `bin`.

Source: docs/protocol/function-rpc.md#starting-a-worker
"""

import re
from pathlib import Path
from typing import Final

import msgspec

from durable_host.errors import EXIT_APP, HostError

WORKER_CONFIG: Final = "worker.config.json"
PROJECT_SUFFIXES: Final = (".csproj", ".fsproj", ".vbproj")
BUILT_FOLDERS: Final = frozenset({"bin", "obj"})
_OF_EXTENSIONS: Final = "extensions.csproj"
"""The name of a file that Core Tools write into apps of any language."""
_IN_PROCESS: Final = "microsoft.net.sdk.functions"
_ISOLATED: Final = "microsoft.azure.functions.worker"
_GUIDE: Final = "https://learn.microsoft.com/azure/azure-functions/migrate-dotnet-to-isolated-model"


class InProcessModel(HostError):
    """The app uses the in-process model of .NET, in which functions run inside the official host."""

    code = "DH4035"
    exit_code = EXIT_APP


def in_process_model(app: str, cause: str) -> InProcessModel:
    """The error for an app of the in-process model. `app` is the subject of its first sentence."""
    return InProcessModel(
        f"{app} uses the in-process model of .NET, which this host does not run.",
        cause=cause,
        remedy=f"Move it to the isolated worker model: {_GUIDE}",
    )


class DotnetProject(msgspec.Struct, frozen=True):
    """A project file. `packages` are the names of its package references, in lower case. `target` is `net10.0`.

    `target` is None if the file does not name one framework.
    """

    path: Path
    packages: frozenset[str] = frozenset()
    target: str | None = None

    @property
    def is_in_process(self) -> bool:
        """Whether the app runs inside the official host, in its process."""
        return _IN_PROCESS in self.packages

    @property
    def is_isolated(self) -> bool:
        return _ISOLATED in self.packages


def project_files(root: Path) -> list[Path]:
    """The project files in a folder, sorted."""
    try:
        found = [path for path in root.iterdir() if path.suffix.lower() in PROJECT_SUFFIXES and path.is_file()]
    except OSError:
        return []
    return sorted(path for path in found if path.name != _OF_EXTENSIONS)


def is_project_folder(root: Path) -> bool:
    """Whether the app in this folder has to be built: it has a project file, and is not itself a build's output."""
    return not (root / WORKER_CONFIG).is_file() and bool(project_files(root))


def is_dotnet_folder(root: Path) -> bool:
    """Whether the files in a folder belong to a .NET app, built or not."""
    return (root / WORKER_CONFIG).is_file() or bool(project_files(root))


def is_isolated(root: Path) -> bool:
    """Whether the files in a folder belong to a .NET isolated app, built or not."""
    return (root / WORKER_CONFIG).is_file() or any(read_project(path).is_isolated for path in project_files(root))


def read_project(path: Path) -> DotnetProject:
    """Read a project file as far as that is possible without MSBuild. An unreadable one has no packages."""
    from xml.etree import ElementTree

    try:
        document = ElementTree.fromstring(path.read_text("utf-8-sig"))
    except (OSError, ValueError, ElementTree.ParseError):
        return DotnetProject(path)
    packages: set[str] = set()
    target: str | None = None
    for element in document.iter():
        name = element.tag.rpartition("}")[2]
        if name == "PackageReference":
            packages.add((element.get("Include") or element.get("Update") or "").strip().lower())
        elif name == "TargetFramework" and element.text and re.fullmatch(r"net[\d.]+", element.text.strip()):
            target = element.text.strip()
    return DotnetProject(path, frozenset(packages), target)


def newest_output(root: Path, configuration: str | None = None) -> Path | None:
    """The output folder below `bin` that was written last, or None. `configuration` (`Debug`) restricts the search."""
    outputs = [path.parent for path in (root / "bin").glob("**/" + WORKER_CONFIG)]
    if configuration is not None:
        of_configuration = [path for path in outputs if configuration in path.relative_to(root / "bin").parts]
        outputs = of_configuration or outputs
    return max(outputs, key=_written, default=None)


def _written(output: Path) -> float:
    """When the newest assembly in a folder was written, in seconds since 1970."""
    times = [path.stat().st_mtime for path in output.iterdir() if path.suffix == ".dll" or path.name == WORKER_CONFIG]
    return max(times, default=0.0)
