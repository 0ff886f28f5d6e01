"""Finds the Python for the app: `--python`, VIRTUAL_ENV, the app's own environment, or the host's Python.

Source: docs/protocol/functions-host-worker.md#interpreter-of-the-app
"""

import os
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path

from durable_host.invocation.errors import InterpreterUnusable
from durable_host.invocation.worker_kind import Interpreter

ENVIRONMENT_FOLDERS = (".venv", "venv", "env", ".env")
_CONFIGURED = "languageWorkers__python__defaultExecutablePath"


def find_interpreter(root: Path, *, explicit: str | None = None, environ: Mapping[str, str]) -> Interpreter:
    """The interpreter for the app in `root`. Raises InterpreterUnusable if the requested one does not exist.

    If the active environment is the host's own, the app's environment takes precedence.
    """
    if explicit is None and (configured := environ.get(_CONFIGURED)):
        return Interpreter(_explicit(configured, _CONFIGURED), _CONFIGURED)
    if explicit is not None:
        return Interpreter(_explicit(explicit, "--python"), "--python")
    own = _app_environment(root)
    active = environ.get("VIRTUAL_ENV")
    if active and not (own is not None and _is_host_environment(Path(active))):
        return Interpreter(_of_environment(Path(active), "VIRTUAL_ENV"), "VIRTUAL_ENV")
    if own is not None:
        return Interpreter(_of_environment(own, own.name), f"{own.name} of the app")
    return Interpreter(Path(sys.executable), "the host's own Python")


def environment_python(folder: Path) -> Path:
    """The path of the interpreter in a virtual environment."""
    return folder / "Scripts" / "python.exe" if os.name == "nt" else folder / "bin" / "python"


def install_command(python: Path, packages: str) -> str:
    """The command that installs packages into the environment of `python`; environments of uv have no pip."""
    configuration = python.parent.parent / "pyvenv.cfg"
    try:
        made_by_uv = "\nuv = " in configuration.read_text("utf-8", "replace")
    except OSError:
        made_by_uv = False
    return f'uv pip install --python "{python}" {packages}' if made_by_uv else f'"{python}" -m pip install {packages}'


def _app_environment(root: Path) -> Path | None:
    for name in ENVIRONMENT_FOLDERS:
        if (root / name / "pyvenv.cfg").is_file():
            return root / name
    return None


def _is_host_environment(folder: Path) -> bool:
    return folder.resolve() == Path(sys.prefix).resolve()


def _of_environment(folder: Path, source: str) -> Path:
    python = environment_python(folder)
    if not python.exists():
        raise InterpreterUnusable(
            f"The virtual environment '{folder}' has no Python interpreter.",
            cause=f"{source} names it, but '{python}' does not exist"
            + (" (the Python that it was made from is gone)." if python.is_symlink() else "."),
            remedy=f"Recreate it: python -m venv --clear {folder}",
        )
    return python


def _explicit(text: str, source: str) -> Path:
    """A path to an interpreter or to an environment's folder, or a command on PATH."""
    path = Path(text)
    if path.is_dir():
        return _of_environment(path, source)
    found = shutil.which(text)
    if found is None:
        raise InterpreterUnusable(
            f"The Python interpreter '{text}' cannot be started.",
            cause=f"The value of {source} is neither an executable file nor a command on PATH.",
            remedy="Use the path of a Python 3.10 or later, or of a virtual environment.",
        )
    return Path(found)
