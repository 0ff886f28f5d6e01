"""The worker of .NET isolated apps.

Source: docs/protocol/function-rpc.md#starting-a-worker
"""

import re
import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final

from durable_host.config.dotnet_project import (
    BUILT_FOLDERS,
    PROJECT_SUFFIXES,
    WORKER_CONFIG,
    is_project_folder,
    newest_output,
)
from durable_host.config.worker_runtime import DOTNET
from durable_host.errors import ConfigurationError
from durable_host.function_rpc.worker import FunctionRpcWorker
from durable_host.function_rpc.worker_config import read_worker_config
from durable_host.invocation.dotnet_build import CONFIGURED, DOWNLOAD, DotnetTooOld, find_dotnet
from durable_host.invocation.errors import AppError, InterpreterUnusable
from durable_host.invocation.metadata import FunctionMetadata
from durable_host.invocation.worker_kind import DebuggerAddress, DurableDialect, Interpreter, SourceFiles, WorkerKind

INSTALL: Final = f"Install .NET ({DOWNLOAD}), or name it with the environment variable {CONFIGURED}."
_EXECUTABLE: Final = "languageWorkers__dotnet-isolated__defaultExecutablePath"
_SOURCES: Final = frozenset({".cs", ".fs", ".vb", ".resx", ".props", ".targets", *PROJECT_SUFFIXES})
_NO_RUNTIME: Final = ("You must install or update .NET", "No frameworks were found", "hostfxr")
_NO_ICU: Final = "Couldn't find a valid ICU package"
_HOST_FAILED: Final = 128
"""The exit codes of the program `dotnet` itself begin here, as signed bytes do."""


class DotnetWorker:
    """See `WorkerKind`."""

    runtime = DOTNET
    debug_engine = "coreclr"
    debug_port = 0
    is_watched_from_outside = False
    own_process = staticmethod(FunctionRpcWorker.start)
    names_error_types = True

    def find(self, root: Path, *, explicit: str | None, environ: Mapping[str, str]) -> Interpreter:
        """Find `dotnet`, or the program of a self-contained app."""
        configured = environ.get(_EXECUTABLE)
        named = configured or read_worker_config(root, environ).executable
        if named != "dotnet":
            found = shutil.which(named, path=environ.get("PATH"))
            return Interpreter(Path(found or root / named), _EXECUTABLE if configured else WORKER_CONFIG)
        source = CONFIGURED if environ.get(CONFIGURED) else "dotnet on PATH"
        return Interpreter(find_dotnet(environ), source)

    def script_root(self, root: Path) -> Path:
        return (newest_output(root) or root) if is_project_folder(root) else root

    def sources(self, root: Path) -> SourceFiles:
        """The delays allow for a build that writes many files in turn."""
        assemblies = frozenset({".dll"})
        if not is_project_folder(root):
            return SourceFiles(assemblies, quiet=300, longest=5000)
        return SourceFiles(_SOURCES, quiet=300, longest=5000, built=BUILT_FOLDERS, outputs=assemblies)

    def reads_of_settings(self, names: Iterable[str]) -> re.Pattern[str]:
        """A pattern that matches nothing: the app is compiled."""
        return re.compile(r"(?!)()")

    def arguments(self, arguments: list[str]) -> tuple[tuple[str, ...], DebuggerAddress | None]:
        return tuple(arguments), None

    def debugged(self, arguments: tuple[str, ...]) -> tuple[str, ...]:
        raise ConfigurationError(
            "A debugger for .NET does not connect to a port.",
            cause="It attaches to the process of the worker.",
            remedy="Start the host without --debug, and attach to the process that runs the app's .dll.",
        )

    def command(self, executable: Path, arguments: tuple[str, ...], environ: Mapping[str, str]) -> list[str]:
        root = Path(environ["FUNCTIONS_APPLICATION_DIRECTORY"])
        config = read_worker_config(root, environ)
        return [str(executable), *config.arguments, *arguments, str(root / config.assembly)]

    def environment(self, environ: Mapping[str, str]) -> dict[str, str]:
        environment = {
            "AZURE_FUNCTIONS_ENVIRONMENT": "Development",
            "DOTNET_NOLOGO": "true",
            "DOTNET_CLI_TELEMETRY_OPTOUT": "true",
            "DOTNET_SKIP_FIRST_TIME_EXPERIENCE": "true",
            **environ,
        }
        environment["FUNCTIONS_WORKER_RUNTIME"] = DOTNET
        return environment

    def cannot_start(self, executable: Path, reason: str) -> InterpreterUnusable:
        return InterpreterUnusable(f"'{executable}' cannot be started.", cause=reason, remedy=INSTALL)

    def refused(self, executable: Path, code: int, printed: str) -> AppError | None:
        if _NO_ICU in printed:
            return InterpreterUnusable(
                ".NET cannot start, because the machine has no ICU libraries.",
                cause=printed,
                remedy="Install libicu, or set DOTNET_SYSTEM_GLOBALIZATION_INVARIANT to 1 in local.settings.json.",
            )
        if code >= _HOST_FAILED and any(text in printed for text in _NO_RUNTIME):
            return DotnetTooOld(
                f"'{executable}' has no runtime of the version that the app needs.", cause=printed, remedy=INSTALL
            )
        return None

    def load_by_hand(self, executable: Path) -> str:
        return "The app ends while it starts: look for the error in the lines above and in Program.cs."

    def ending_hint(self, code: int, printed: str) -> str | None:
        return None

    def load_error(self, failure: dict[str, Any], frame: dict[str, Any]) -> AppError:
        # The handshake reports an app that does not load, as WorkerStartFailed.
        raise NotImplementedError("the worker does not send frames")

    def durable_dialect(self, functions: Iterable[FunctionMetadata]) -> DurableDialect:
        return "dotnet"

    def nothing_found(self, root: Path, frame: dict[str, Any]) -> str | None:
        return None


DOTNET_WORKER: Final[WorkerKind] = DotnetWorker()
