"""The port between the host and a language: what it has to know to run worker processes of that language.

A worker speaks the frames of `durable_host/worker/frames.py` on the pipes that it is started with. A language whose
worker speaks another protocol needs a runner of its own in the place of `WorkerProcess`; the rest of this port, how the
executable is found and what people are told, is the same for it.
"""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Literal, Protocol

import msgspec

from durable_host.invocation.errors import AppError, InterpreterUnusable
from durable_host.invocation.metadata import FunctionMetadata

DurableDialect = Literal["v1", "v2", "node"]
"""What the SDK of durable functions speaks: see the modules of `durable/sdk` with these names."""


class DebuggerAddress(msgspec.Struct, frozen=True):
    """Where the worker's debugger listens; with `wait` the app is loaded only when a debugger has attached."""

    port: int
    host: str = "127.0.0.1"
    wait: bool = False

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"


class Interpreter(msgspec.Struct, frozen=True):
    """The program that runs the app. `source` says in words where it came from."""

    path: Path
    source: str


class SourceFiles(msgspec.Struct, frozen=True):
    """Files of an app whose change reloads it: those with one of the `suffixes`, and `files`, as paths from its root.

    A change is taken over once nothing was written for `quiet` milliseconds, at the latest after `longest`.
    """

    suffixes: frozenset[str]
    files: tuple[str, ...] = ()
    quiet: int = 60
    longest: int = 300


class WorkerKind(Protocol):
    """One language. All methods but `find` and `sources` are pure."""

    runtime: str
    """Value of FUNCTIONS_WORKER_RUNTIME, and the word for the language in names of settings."""
    debug_engine: str
    """What tools that attach a debugger call it."""
    debug_port: int
    """Where the debugger listens when no port is named."""
    is_watched_from_outside: bool
    """Whether the host looks whether the event loop is blocked (`blocked_loop`); else the worker does."""
    names_error_types: bool
    """Whether the reference puts the type of an error before its message."""

    def find(self, root: Path, *, explicit: str | None, environ: Mapping[str, str]) -> Interpreter:
        """The program for the app in `root`; `explicit` is what the command line says. Raises InterpreterUnusable."""
        ...

    def sources(self, root: Path) -> SourceFiles:
        """What to watch in the folder of an app."""
        ...

    def arguments(self, arguments: list[str]) -> tuple[tuple[str, ...], DebuggerAddress | None]:
        """Options of the program, and the debugger that they ask for. Raises ConfigurationError."""
        ...

    def debugged(self, arguments: tuple[str, ...]) -> tuple[str, ...]:
        """Options of a program that a debugger looks into."""
        ...

    def command(self, executable: Path, arguments: tuple[str, ...], environ: Mapping[str, str]) -> list[str]:
        """The command line of a worker process. Its descriptors 0, 1 and 2 are the host's pipes."""
        ...

    def environment(self, environ: Mapping[str, str]) -> dict[str, str]:
        """The environment of a worker process, made from the app's."""
        ...

    def cannot_start(self, executable: Path, reason: str) -> InterpreterUnusable:
        """The error for a program that the system does not start."""
        ...

    def refused(self, executable: Path, code: int, printed: str) -> InterpreterUnusable | None:
        """The error for a program that ended with `code` because it cannot run the worker, such as one that is too old;
        None when it ended for another reason. `printed` are its last lines.
        """
        ...

    def load_by_hand(self, executable: Path) -> str:
        """How to see what happens without the host."""
        ...

    def ending_hint(self, code: int, printed: str) -> str | None:
        """What to do about a process that ended with `code`, when its last lines tell."""
        ...

    def load_error(self, failure: dict[str, Any], frame: dict[str, Any]) -> AppError:
        """The error for an app that does not load: `failure` of the `indexed` frame, and the frame."""
        ...

    def durable_dialect(self, functions: Iterable[FunctionMetadata]) -> DurableDialect:
        """What the durable functions of the app speak."""
        ...

    def nothing_found(self, root: Path, frame: dict[str, Any]) -> str | None:
        """One sentence on why an app has no functions."""
        ...
