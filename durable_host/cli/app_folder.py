"""The folder that a command works in: the current one, or `--script-root`."""

from pathlib import Path
from typing import Any, cast

import click

from durable_host.config import project


def working_folder(ctx: click.Context) -> Path:
    """The folder of `--script-root`, otherwise the current one. Raises UsageError if it is not a folder."""
    given = cast("dict[str, Any]", ctx.find_root().obj or {}).get("script_root")
    folder = Path(given) if given else Path.cwd()
    if not folder.is_dir():
        raise click.UsageError(f"--script-root '{folder}' is not a folder.")
    return folder.resolve()


def app_root(ctx: click.Context) -> Path:
    """The app's folder: the working folder or one above it. Raises ConfigurationError if there is none."""
    return project.find_root(working_folder(ctx))
