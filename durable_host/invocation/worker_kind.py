"""The port between the host and a language: everything that the host needs to run workers of that language.

A worker exchanges the frames of `durable_host/worker/frames.py` over the pipes that it is started with. A language
whose worker speaks another protocol has its own process, a `LanguageWorker`. The rest of this port, such as finding
the executable and the texts of errors, applies to it unchanged.
"""

import re
from collections.abc import Callable, Coroutine, Iterable, Mapping
from pathlib import Path
from typing import Any, Literal, Protocol

import msgspec

from durable_host.invocation.errors import AppError, InterpreterUnusable
from durable_host.invocation.metadata import FunctionMetadata

DurableDialect = Literal["v1", "v2", "node", "dotnet"]
"""The protocol of the durable functions SDK: see the modules of `durable/sdk` with these names."""


class DebuggerAddress(msgspec.Struct, frozen=True):
    """Where the worker's debugger listens. If `wait` is set, the app loads only after a debugger has attached."""

    port: int
    host: str = "127.0.0.1"
    wait: bool = False

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"


class Interpreter(msgspec.Struct, frozen=True):
    """The program that runs the app. `source` describes where the host found it."""

    path: Path
    source: str


class SourceFiles(msgspec.Struct, frozen=True):
    """Files of an app whose change reloads it: those with one of the `suffixes`, and `files`, relative to its root.

    `built` are folders of the app's root that tools write; `outputs` are suffixes in the folder that the worker loads.
    The reload starts when nothing has been written for `quiet` milliseconds, at the latest after `longest`.
    """

    suffixes: frozenset[str]
    files: tuple[str, ...] = ()
    quiet: int = 60
    longest: int = 300
    built: frozenset[str] = frozenset()
    outputs: frozenset[str] = frozenset()


class WorkerKind(Protocol):
    """A language that apps are written in."""

    runtime: str
    """The value of FUNCTIONS_WORKER_RUNTIME, which is also the language's name in the names of settings."""
    debug_engine: str
    """The name of the language in tools that attach a debugger."""
    debug_port: int
    """The default port of the debugger."""
    is_watched_from_outside: bool
    """Whether the host detects a blocked event loop (`blocked_loop`). Otherwise the worker does."""
    names_error_types: bool
    """Whether the reference puts the type of an error before its message."""

    @property
    def own_process(self) -> Callable[..., Coroutine[Any, Any, Any]] | None:
        """Starts a `LanguageWorker` from its options and its debugger, if this language does not speak frames.

        Raises InterpreterUnusable.
        """
        ...

    def find(self, root: Path, *, explicit: str | None, environ: Mapping[str, str]) -> Interpreter:
        """Find the program for the app in `root`. `explicit` is the command line's. Raises InterpreterUnusable."""
        ...

    def script_root(self, root: Path) -> Path:
        """The folder that the worker loads the app from: the app's own, or the output of its last build."""
        ...

    def sources(self, root: Path) -> SourceFiles:
        """The files to watch in the app's folder."""
        ...

    def reads_of_settings(self, names: Iterable[str]) -> re.Pattern[str]:
        """What code looks like that reads one of these settings from its environment; group 1 is the name."""
        ...

    def arguments(self, arguments: list[str]) -> tuple[tuple[str, ...], DebuggerAddress | None]:
        """Split into the program's options and the debugger that they request. Raises ConfigurationError."""
        ...

    def debugged(self, arguments: tuple[str, ...]) -> tuple[str, ...]:
        """The program's options when a debugger is used."""
        ...

    def command(self, executable: Path, arguments: tuple[str, ...], environ: Mapping[str, str]) -> list[str]:
        """The command line of a worker process. Its descriptors 0, 1 and 2 are the host's pipes."""
        ...

    def environment(self, environ: Mapping[str, str]) -> dict[str, str]:
        """The environment of a worker process, based on the app's."""
        ...

    def cannot_start(self, executable: Path, reason: str) -> InterpreterUnusable:
        """The error for a program that the operating system cannot start."""
        ...

    def refused(self, executable: Path, code: int, printed: str) -> AppError | None:
        """The error for a program that exited with `code` because it cannot run the worker, for example because it is
        too old. None if it exited for another reason. `printed` contains its last lines.
        """
        ...

    def load_by_hand(self, executable: Path) -> str:
        """A sentence on how to find out why a process exits while it loads the app."""
        ...

    def ending_hint(self, code: int, printed: str) -> str | None:
        """The remedy for a process that exited with `code`, if its last lines show the reason."""
        ...

    def load_error(self, failure: dict[str, Any], frame: dict[str, Any]) -> AppError:
        """The error for an app that does not load, from the `indexed` frame and the `failure` in it."""
        ...

    def durable_dialect(self, functions: Iterable[FunctionMetadata]) -> DurableDialect:
        """The protocol that the durable functions of the app use."""
        ...

    def nothing_found(self, root: Path, frame: dict[str, Any]) -> str | None:
        """A sentence that explains why an app has no functions, if the reason is known."""
        ...
