"""The worker of Python apps."""

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final

import durable_host.worker
from durable_host.errors import ConfigurationError
from durable_host.invocation import python_load_error
from durable_host.invocation.errors import AppError, InterpreterUnusable
from durable_host.invocation.interpreter import find_interpreter
from durable_host.invocation.metadata import FunctionMetadata
from durable_host.invocation.worker_kind import DebuggerAddress, DurableDialect, Interpreter, SourceFiles, WorkerKind
from durable_host.worker.__main__ import TOO_OLD

ENTRY = Path(durable_host.worker.__file__).with_name("__main__.py")
THREADS = "PYTHON_THREADPOOL_THREAD_COUNT"
DEFAULT_THREADS = "1000"
"""The same value as in the Functions host, so that the limits of the triggers decide how many calls run at a time."""
_NO_FROZEN_MODULES = "-Xfrozen_modules=off"


class PythonWorker:
    """See `WorkerKind`."""

    runtime = "python"
    debug_engine = "python"
    debug_port = 5678
    is_watched_from_outside = False
    own_process = None
    names_error_types = True

    def find(self, root: Path, *, explicit: str | None, environ: Mapping[str, str]) -> Interpreter:
        return find_interpreter(root, explicit=explicit, environ=environ)

    def script_root(self, root: Path) -> Path:
        return root

    def sources(self, root: Path) -> SourceFiles:
        return SourceFiles(frozenset({".py"}))

    def reads_of_settings(self, names: Iterable[str]) -> re.Pattern[str]:
        return re.compile(rf"""\b(?:environ|getenv)\b[^\n]{{0,40}}?["']({_alternatives(names)})["']""")

    def arguments(self, arguments: list[str]) -> tuple[tuple[str, ...], DebuggerAddress | None]:
        return interpreter_arguments(arguments)

    def debugged(self, arguments: tuple[str, ...]) -> tuple[str, ...]:
        return (_NO_FROZEN_MODULES, *arguments)

    def command(self, executable: Path, arguments: tuple[str, ...], environ: Mapping[str, str]) -> list[str]:
        return [str(executable), *arguments, str(ENTRY)]

    def environment(self, environ: Mapping[str, str]) -> dict[str, str]:
        environment = {name: value for name, value in environ.items() if name != "__PYVENV_LAUNCHER__"}
        if not environment.get(THREADS):
            environment[THREADS] = DEFAULT_THREADS
        environment["FUNCTIONS_WORKER_DIRECTORY"] = str(ENTRY.parent)
        return environment

    def cannot_start(self, executable: Path, reason: str) -> InterpreterUnusable:
        return InterpreterUnusable(
            f"The Python interpreter '{executable}' cannot be started.",
            cause=reason,
            remedy="Pass a Python 3.10 or later with --python, or recreate the app's virtual environment.",
        )

    def refused(self, executable: Path, code: int, printed: str) -> AppError | None:
        if code != TOO_OLD:
            return None
        return InterpreterUnusable(
            f"'{executable}' is too old to run the app.",
            cause=printed or None,
            remedy="Use Python 3.10 or later: create the app's virtual environment with it, or pass it with --python.",
        )

    def load_by_hand(self, executable: Path) -> str:
        return f'Import the app without the host to see why: "{executable}" -c "import function_app"'

    def ending_hint(self, code: int, printed: str) -> str | None:
        return None

    def load_error(self, failure: dict[str, Any], frame: dict[str, Any]) -> AppError:
        return python_load_error.load_error(failure, frame)

    def durable_dialect(self, functions: Iterable[FunctionMetadata]) -> DurableDialect:
        return "v2" if any(function.requires_grpc for function in functions) else "v1"

    def nothing_found(self, root: Path, frame: dict[str, Any]) -> str | None:
        if (root / "package.json").is_file() and not any(root.glob("*.py")):
            return "The folder has a package.json: for a Node.js app, set FUNCTIONS_WORKER_RUNTIME to 'node'."
        return None


def _alternatives(names: Iterable[str]) -> str:
    return "|".join(map(re.escape, names))


def interpreter_arguments(arguments: list[str]) -> tuple[tuple[str, ...], DebuggerAddress | None]:
    """The interpreter's arguments and the debugger in arguments from editors.

    `-m debugpy --listen 127.0.0.1:5678` becomes the worker's own debugger, which survives reloads; all other arguments
    go to the interpreter unchanged. Raises ConfigurationError for other options of the debugger.
    """
    if arguments[:2] != ["-m", "debugpy"]:
        return tuple(arguments), None
    address: DebuggerAddress | None = None
    wait = False
    rest = iter(arguments[2:])
    for argument in rest:
        name, _, value = argument.partition("=")
        if name == "--listen":
            host, _, port = (value or next(rest, "")).rpartition(":")
            if not port.isdigit():
                raise _not_understood(arguments)
            address = DebuggerAddress(int(port), host.strip("[]") or "127.0.0.1")
        elif name == "--wait-for-client":
            wait = True
        elif name == "--log-to":
            _ = value or next(rest, "")
        elif name != "--log-to-stderr":
            raise _not_understood(arguments)
    if address is None:
        raise _not_understood(arguments)
    return (), DebuggerAddress(address.port, address.host, wait)


def _not_understood(arguments: list[str]) -> ConfigurationError:
    return ConfigurationError(
        f"The arguments '{' '.join(arguments)}' of the worker are not supported.",
        cause="Only these debugpy options are supported: --listen [HOST:]PORT and --wait-for-client.",
        remedy='Use --debug PORT, or --language-worker "-m debugpy --listen 127.0.0.1:5678".',
    )


PYTHON_WORKER: Final[WorkerKind] = PythonWorker()
