"""The options for starting worker processes."""

from collections.abc import Mapping
from pathlib import Path

import msgspec

from durable_host.invocation.python_worker import PYTHON_WORKER
from durable_host.invocation.worker_kind import DebuggerAddress, WorkerKind

__all__ = ["DEFAULT_SCRIPT", "DebuggerAddress", "WorkerOptions"]

DEFAULT_SCRIPT = "function_app.py"


class WorkerOptions(msgspec.Struct, frozen=True, kw_only=True):
    """The options for starting worker processes. `environment` is the whole environment of the child.

    `minimum_level`: the worker does not send log records below this level. `arguments` are options of `executable`,
    before the worker's file. `debugger` is for the first process. `functions` are the only functions that the host
    serves; None for all. `is_reload`: files of the app may be missing for a moment, while they are written.
    `function_timeout` is in seconds.
    """

    root: Path
    executable: Path
    environment: Mapping[str, str]
    script: str = DEFAULT_SCRIPT
    process_count: int = 1
    minimum_level: int = 10
    arguments: tuple[str, ...] = ()
    debugger: DebuggerAddress | None = None
    functions: tuple[str, ...] | None = None
    kind: WorkerKind = PYTHON_WORKER
    is_reload: bool = False
    function_timeout: float | None = None
