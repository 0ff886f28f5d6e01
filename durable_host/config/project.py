"""Finds the folder of the function app.

Source: docs/protocol/functions-host-config.md#project-folder
"""

from pathlib import Path

from durable_host.errors import ConfigurationError

_MARKERS = ("host.json", "local.settings.json")


def find_root(start: Path) -> Path:
    """The nearest folder from `start` upwards that contains host.json or local.settings.json."""
    start = start.resolve()
    for folder in (start, *start.parents):
        if any((folder / marker).is_file() for marker in _MARKERS):
            return folder
    raise ConfigurationError(
        f"Unable to find project root. Expecting to find one of {', '.join(_MARKERS)} in project root.",
        cause=f"There is none in {start} or above it.",
        remedy="Run 'func start' in the folder of the app, or name it with --script-root PATH.",
        code="DH1030",
    )
