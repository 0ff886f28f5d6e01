"""Reports a failed command: code, one sentence, cause and remedy on stderr, and the exit code.

With `is_json`, what goes to stderr is a JSON object on one line instead of text.
"""

import json
import sys
import traceback
from typing import TextIO

import click

from durable_host.cli.colour import BOLD, DIM, RED, is_coloured, painted
from durable_host.cli.printable import printable_lines
from durable_host.errors import EXIT_FAILURE, EXIT_USAGE, HostError, UsageError
from durable_host.redaction import redacted


def report(error: HostError, *, debug: bool = False, is_json: bool = False, stream: TextIO | None = None) -> int:
    """Show `error` on `stream` (default stderr) and return its exit code."""
    _report(error, error, stream or sys.stderr, debug=debug, is_json=is_json)
    return error.exit_code


def warn(warning: HostError) -> None:
    """Show on stderr what does not stop the command."""
    _write(sys.stderr, render(warning, coloured=is_coloured(sys.stderr), kind="warning"))


def report_usage(error: click.ClickException, *, is_json: bool = False) -> int:
    """Show a mistake in the command line and return the exit code."""
    context = error.ctx if isinstance(error, click.UsageError) else None
    hint = None if context is None else f"'{context.command_path} --help' shows the usage."
    if is_json:
        _write(sys.stderr, json_line(UsageError(error.format_message(), remedy=hint)))
        return EXIT_USAGE
    coloured = is_coloured(sys.stderr)
    text = painted(f"Error: {_shown(error.format_message())}", RED, coloured)
    if hint is not None:
        text += f"\n{painted(hint, DIM, coloured)}"
    _write(sys.stderr, f"{text}\n")
    return EXIT_USAGE


def report_unexpected(error: Exception, *, debug: bool, is_json: bool = False) -> int:
    """Show an unexpected error of the program and return the exit code."""
    wrapped = HostError(
        "durable-host failed with an unexpected error.",
        cause=f"{type(error).__name__}: {error}",
        remedy="Run the command again with CLI_DEBUG=1 for the traceback.",
    )
    _report(wrapped, error, sys.stderr, debug=debug, is_json=is_json)
    return EXIT_FAILURE


def json_line(error: HostError, traceback_text: str | None = None) -> str:
    """The error as a JSON object on one line, in ASCII. `cause` and `remedy` are null if there is none."""
    members = {"level": "Error", "code": error.code, "message": error.message}
    members |= {"cause": error.cause or None, "remedy": error.remedy or None}
    if traceback_text is not None:
        members["traceback"] = traceback_text
    return json.dumps({name: value and redacted(value) for name, value in members.items()}) + "\n"


def render(error: HostError, *, coloured: bool = False, kind: str = "error") -> str:
    """`error DH1002: sentence`, followed by the cause and the remedy if there are any."""
    lines = [f"{painted(f'{kind} {error.code}:', RED + BOLD, coloured)} {_shown(error.message)}"]
    for label, text in (("cause", error.cause), ("remedy", error.remedy)):
        if text:
            first, *rest = _shown(text).splitlines()
            lines.append(f"  {painted(f'{label}:'.ljust(8), DIM, coloured)}{first}")
            lines.extend(f"          {line}" for line in rest)
    return "\n".join(lines) + "\n"


def _report(shown: HostError, error: Exception, stream: TextIO, *, debug: bool, is_json: bool) -> None:
    trace = "".join(traceback.format_exception(error)) if debug else None
    if is_json:
        _write(stream, json_line(shown, trace))
        return
    _write(stream, render(shown, coloured=is_coloured(stream)))
    if trace is not None:
        _write(stream, _shown(trace) + "\n")


def _shown(text: str) -> str:
    return printable_lines(redacted(text))


def _write(stream: TextIO, text: str) -> None:
    try:
        stream.write(text)
        stream.flush()
    except (OSError, ValueError):
        return
