"""Options that the commands of `func durable` share, and parsers for their values.

Source: docs/protocol/functions-host-cli.md#durable-commands
"""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import click

from durable_host import timestamp
from durable_host.cli.durable.errors import InputInvalid
from durable_host.durable.model.status import TERMINAL_STATUSES, OrchestrationStatus
from durable_host.errors import UsageError
from durable_host.worker import lenient_json

Decorator = Callable[[Callable[..., Any]], Callable[..., Any]]
DATA_HINT: Final = "@file.json sends the JSON in the file; any other text is sent as a JSON string, never parsed."


def hub_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """`--task-hub-name`, `--connection-string-setting`, `--output`."""
    output = click.option("--output", type=click.Choice(["text", "json"]), default="text", help="Output format.")
    return hub_choice(output(function))


def hub_choice(function: Callable[..., Any]) -> Callable[..., Any]:
    """`--task-hub-name` and `--connection-string-setting`."""
    for option in (
        click.option("--task-hub-name", metavar="HUB", help="Task hub (default: the one in host.json)."),
        click.option(
            "--connection-string-setting",
            metavar="NAME",
            help="App setting with the storage connection (default: as in host.json, or AzureWebJobsStorage).",
        ),
    ):
        function = option(function)
    return function


instance_id: Final[Decorator] = click.option("--id", "instance_id", metavar="ID", required=True, help="The instance.")
reason: Final[Decorator] = click.option("--reason", metavar="TEXT", help="Reason; stored in the history.")


def created_range(function: Callable[..., Any]) -> Callable[..., Any]:
    """`--created-after` and `--created-before`."""
    function = click.option(
        "--created-before",
        metavar="TIME",
        callback=_time,
        help="Only instances created at or before this time (ISO 8601, UTC).",
    )(function)
    return click.option(
        "--created-after",
        metavar="TIME",
        callback=_time,
        help="Only instances created at or after this time (ISO 8601, UTC).",
    )(function)


def statuses(values: tuple[str, ...], *, terminal_only: bool = False) -> frozenset[OrchestrationStatus]:
    """The statuses with these names (case and underscores are ignored). Raises UsageError."""
    allowed = [status for status in OrchestrationStatus if not terminal_only or status in TERMINAL_STATUSES]
    by_name = {status.name.casefold(): status for status in allowed}
    found: set[OrchestrationStatus] = set()
    for value in values:
        status = by_name.get(value.casefold().replace("_", ""))
        if status is None:
            raise UsageError(
                f"'{value}' is not a runtime status{' of an instance that has ended' if terminal_only else ''}.",
                remedy=f"Choose one of {', '.join(sorted(by_name))}.",
            )
        found.add(status)
    return frozenset(found)


def json_data(text: str | None) -> str | None:
    """JSON text of an input or event data: `@file` is the JSON in the file, any other text becomes a JSON string.

    None stays None. Raises InputInvalid.
    """
    if text is None:
        return None
    if not text.startswith("@"):
        return json.dumps(text, ensure_ascii=False)
    path = Path(text[1:])
    try:
        content = path.read_text("utf-8-sig")
    except FileNotFoundError as error:
        raise InputInvalid(f"Could not find input file at '{path}'") from error
    except (OSError, ValueError) as error:
        raise InputInvalid(f"The input file '{path}' cannot be read.", cause=str(error)) from error
    try:
        value = lenient_json.parse(content)
        return json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    except ValueError as error:
        raise InputInvalid(
            f"The input file '{path}' does not contain valid JSON.",
            cause=str(error),
            remedy="Fix the JSON in the file.",
        ) from error


def _time(_ctx: click.Context, option: click.Parameter, value: str | None) -> int | None:
    if value is None:
        return None
    try:
        return timestamp.parse(value.strip())
    except (ValueError, OverflowError):
        raise click.BadParameter(
            f"'{value}' is not a time; write it like 2024-05-01T12:30:00Z.",
            param_hint=f"--{option.name}".replace("_", "-"),
        ) from None
