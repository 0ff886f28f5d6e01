"""How worker processes are started."""

from collections.abc import Mapping
from pathlib import Path

import msgspec

DEFAULT_SCRIPT = "function_app.py"


class DebuggerAddress(msgspec.Struct, frozen=True):
    """Where the worker's debugger listens; with `wait` the app is loaded only when a debugger has attached."""

    port: int
    host: str = "127.0.0.1"
    wait: bool = False

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"


class WorkerOptions(msgspec.Struct, frozen=True, kw_only=True):
    """How worker processes are started. `environment` is the whole environment of the child.

    `minimum_level`: log records below this level stay in the worker. `arguments` are options of the interpreter, put
    before the worker's own file. `debugger` is for the first of the processes. `functions` are the only ones that the
    host serves, None for all.
    """

    root: Path
    python: Path
    environment: Mapping[str, str]
    script: str = DEFAULT_SCRIPT
    process_count: int = 1
    minimum_level: int = 10
    arguments: tuple[str, ...] = ()
    debugger: DebuggerAddress | None = None
    functions: tuple[str, ...] | None = None
