"""Reports a failed command: code, one sentence, cause and remedy on stderr, and the exit code."""

import sys
import traceback
from typing import TextIO

import click

from durable_host.cli.colour import BOLD, DIM, RED, is_coloured, painted
from durable_host.cli.printable import printable_lines
from durable_host.errors import EXIT_FAILURE, EXIT_USAGE, HostError
from durable_host.redaction import redacted


def report(error: HostError, *, debug: bool = False, stream: TextIO | None = None) -> int:
    """Show `error` on `stream` (default stderr) and return its exit code."""
    target = stream or sys.stderr
    _write(target, render(error, coloured=is_coloured(target)))
    if debug:
        _write(target, _shown("".join(traceback.format_exception(error))) + "\n")
    return error.exit_code


def warn(warning: HostError) -> None:
    """Show on stderr what does not stop the command."""
    _write(sys.stderr, render(warning, coloured=is_coloured(sys.stderr), kind="warning"))


def report_usage(error: click.ClickException) -> int:
    """Show a mistake in the command line and return the exit code."""
    coloured = is_coloured(sys.stderr)
    text = painted(f"Error: {_shown(error.format_message())}", RED, coloured)
    context = error.ctx if isinstance(error, click.UsageError) else None
    if context is not None:
        hint = f"'{context.command_path} --help' shows the usage."
        text += f"\n{painted(hint, DIM, coloured)}"
    _write(sys.stderr, f"{text}\n")
    return EXIT_USAGE


def report_unexpected(error: Exception, *, debug: bool) -> int:
    """Show an unexpected error of the program and return the exit code."""
    wrapped = HostError(
        "durable-host failed with an unexpected error.",
        cause=f"{type(error).__name__}: {error}",
        remedy="Run the command again with CLI_DEBUG=1 for the traceback.",
    )
    _write(sys.stderr, render(wrapped, coloured=is_coloured(sys.stderr)))
    if debug:
        _write(sys.stderr, _shown("".join(traceback.format_exception(error))) + "\n")
    return EXIT_FAILURE


def render(error: HostError, *, coloured: bool = False, kind: str = "error") -> str:
    """`error DH1002: sentence`, followed by the cause and the remedy if there are any."""
    lines = [f"{painted(f'{kind} {error.code}:', RED + BOLD, coloured)} {_shown(error.message)}"]
    for label, text in (("cause", error.cause), ("remedy", error.remedy)):
        if text:
            first, *rest = _shown(text).splitlines()
            lines.append(f"  {painted(f'{label}:'.ljust(8), DIM, coloured)}{first}")
            lines.extend(f"          {line}" for line in rest)
    return "\n".join(lines) + "\n"


def _shown(text: str) -> str:
    return printable_lines(redacted(text))


def _write(stream: TextIO, text: str) -> None:
    try:
        stream.write(text)
        stream.flush()
    except (OSError, ValueError):
        return
