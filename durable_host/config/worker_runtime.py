"""Detects the language of an app: from FUNCTIONS_WORKER_RUNTIME, otherwise from the files in its folder."""

from pathlib import Path
from typing import Final

from durable_host.config.settings import AppSettings

PYTHON: Final = "python"
NODE: Final = "node"
SETTING: Final = "FUNCTIONS_WORKER_RUNTIME"
_NAMES: Final = {PYTHON: PYTHON, NODE: NODE, "javascript": NODE, "typescript": NODE}
_PYTHON_FILES: Final = ("function_app.py", "requirements.txt")


def runtime_of(root: Path, settings: AppSettings, warnings: list[str]) -> str:
    """`python` or `node`. An app in another language is treated as a Python app, with a warning."""
    named = settings.get(SETTING)
    if named:
        known = _NAMES.get(named.strip().casefold())
        if known is None:
            warnings.append(
                f"{SETTING} is '{named}'. This host runs only Python and Node.js apps, so it runs this as a Python app."
            )
        return known or PYTHON
    is_node = (root / "package.json").is_file() and not any((root / name).is_file() for name in _PYTHON_FILES)
    if is_node and not settings.get("PYTHON_SCRIPT_FILE_NAME"):
        warnings.append(
            f"{SETTING} is not set. The folder has a package.json, so this runs as a Node.js app; set it to 'node'."
        )
        return NODE
    return PYTHON
