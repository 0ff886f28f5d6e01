"""The command `func doctor`: runs all checks, shows the findings, and exits with 1 if one is an error.

The report has two columns. A table library would wrap the commands that people copy from it.
"""

import asyncio
import logging
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Final

import click
import msgspec

import durable_host
from durable_host.bindings.accounts import Accounts
from durable_host.cli.app_folder import app_root, working_folder
from durable_host.cli.colour import BOLD, DIM, GREEN, RED, YELLOW, is_coloured, painted
from durable_host.cli.doctor import (
    app_check,
    dotnet_check,
    findings,
    hub_check,
    node_check,
    packages_check,
    storage_check,
)
from durable_host.cli.doctor.findings import Finding
from durable_host.cli.line_width import broken_lines, width_of
from durable_host.cli.printable import printable, printable_lines
from durable_host.cli.scaffold.languages import Language, app_language
from durable_host.errors import EXIT_FAILURE, EXIT_STOPPED, ConfigurationError
from durable_host.host.functions import AppFunctions
from durable_host.redaction import redacted_struct
from durable_host.storage import StorageAccount

_MARKS: Final = {"ok": ("ok     ", GREEN), "warning": ("warning", YELLOW), "error": ("error  ", RED)}
_CHECKS: Final[dict[Language, Callable[[Path], list[Finding]]]] = {
    "python": packages_check.check,
    "javascript": node_check.check,
    "typescript": node_check.check,
    "csharp": dotnet_check.check,
}


@click.command()
@click.option("--output", type=click.Choice(["text", "json"]), default="text", help="Output format.")
@click.pass_context
def doctor(ctx: click.Context, output: str) -> int:
    """Check the language, packages, host.json, settings, port, storage and task hub of the app in this folder.

    Shows how to fix each problem. Nothing is changed. The exit code is 1 if there is a problem.
    """
    logging.getLogger().addHandler(logging.NullHandler())  # the findings have everything
    try:
        working_folder(ctx)
        found = asyncio.run(examine(app_root(ctx)))
    except ConfigurationError as error:
        found = [findings.of_error("App", error)]
    found = [redacted_struct(finding) for finding in found]
    if output == "json":
        click.echo(msgspec.json.encode(found).decode())
    else:
        click.echo(render(found, coloured=is_coloured(sys.stdout), width=width_of(sys.stdout)), nl=False)
    return EXIT_FAILURE if any(finding.level == "error" for finding in found) else EXIT_STOPPED


async def examine(root: Path) -> list[Finding]:
    """All findings. Each check comes after those it depends on."""
    result = [findings.ok("App", f"{root} (durable-host {durable_host.__version__})")]
    language = app_language(root)
    result += await asyncio.to_thread(_CHECKS[language], root)
    config, about = app_check.configuration(root)
    result += about
    if config is None:
        return result
    accounts = Accounts(config.settings)
    functions = AppFunctions()
    if language != "csharp" or not dotnet_check.is_unbuilt(root):
        functions, about = await app_check.functions(config, accounts)
        result += about
    result.append(app_check.port(config))
    hub_connection = config.host.durable.storage.connection_name
    hub_account: StorageAccount | None = None
    try:
        answering: set[str] = set()
        for name in app_check.connection_names(config, functions):
            account, about = await storage_check.check(root, accounts, name)
            result += [finding for finding in about if finding not in result]
            if account is not None:
                answering.add((name or "storage").lower())
                if name == hub_connection:
                    hub_account = account
        if functions.use_durable:
            result += await hub_check.check(config, accounts, hub_account)
        if answering:
            result += await hub_check.poison_queues(accounts, functions)
    finally:
        await accounts.close()
    return result


def render(found: list[Finding], *, coloured: bool = False, width: int | None = None) -> str:
    """One line per finding, its remedy below it, and a sentence at the end.

    `width` is that of the terminal, if there is one. Remedies stay on one line, so that commands can be copied.
    """
    areas = max(len(finding.area) for finding in found)
    lines: list[str] = []
    for finding in found:
        mark, colour = _MARKS[finding.level]
        area = painted(finding.area.ljust(areas), BOLD, coloured)
        indent = " " * (len(mark) + areas + 4)
        first, *rest = printable_lines(finding.message).splitlines() or [""]
        first, *more = broken_lines(first, width and width - len(indent))
        lines.append(f"{painted(mark, colour, coloured)}  {area}  {first}")
        lines += [indent + line for line in more] + rest
        for line in (finding.details or "").splitlines():
            lines += broken_lines(printable(line), width, indent, indent)
        if finding.remedy:
            lines.append(f"{indent}{painted('remedy:', DIM, coloured)} {finding.remedy}")
    errors = sum(finding.level == "error" for finding in found)
    warnings = sum(finding.level == "warning" for finding in found)
    if errors or warnings:
        lines.append(f"\n{errors} error{'' if errors == 1 else 's'}, {warnings} warning{'' if warnings == 1 else 's'}.")
    else:
        lines.append("\nAll is well.")
    return "\n".join(lines) + "\n"
