"""How worker processes are started."""

from collections.abc import Mapping
from pathlib import Path

import msgspec

DEFAULT_SCRIPT = "function_app.py"


class WorkerOptions(msgspec.Struct, frozen=True, kw_only=True):
    """How worker processes are started. `environment` is the whole environment of the child.

    `minimum_level`: log records below this level stay in the worker. `arguments` are options of the interpreter, put
    before the worker's own file (a debugger's, say).
    """

    root: Path
    python: Path
    environment: Mapping[str, str]
    script: str = DEFAULT_SCRIPT
    process_count: int = 1
    minimum_level: int = 10
    arguments: tuple[str, ...] = ()
