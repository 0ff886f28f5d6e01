"""The program: its commands, and how it ends.

Commands are imported when they are run, so that `func start` pays for nothing but itself.
"""

import os
import sys
from collections.abc import Mapping, Sequence
from importlib import import_module
from typing import Any, Final

import click

import durable_host
from durable_host.cli import failure
from durable_host.config import suggestion
from durable_host.errors import EXIT_STOPPED, HostError

COMMANDS: Final[Mapping[str, tuple[str, str]]] = {
    "start": ("durable_host.cli.start:start", "Run the function app of this folder."),
    "host": ("durable_host.cli.start:host", "Commands of the host: 'func host start' is 'func start'."),
}
"""Command → (module:attribute, line of the help)."""

SETTINGS: Final[dict[str, Any]] = {
    "help_option_names": ["-h", "--help"],
    "token_normalize_func": str.lower,
    "max_content_width": 100,
}


class Program(click.Group):
    """A group whose commands are imported on first use."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        module, _, attribute = COMMANDS[cmd_name][0].partition(":")
        return getattr(import_module(module), attribute)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, line) for name, (_, line) in COMMANDS.items()])

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        name = args[0].lower()
        if name == "help":
            return "help", click.Command("help", callback=lambda: click.echo(ctx.get_help())), []
        if name == "version":
            return "version", click.Command("version", callback=lambda: click.echo(durable_host.__version__)), []
        if name not in COMMANDS and not name.startswith("-"):
            meant = suggestion.closest(name, COMMANDS)
            hint = f" Did you mean '{meant}'?" if meant else ""
            raise click.UsageError(f"unknown command '{args[0]}'.{hint} 'func --help' lists the commands.", ctx)
        return super().resolve_command(ctx, args)


@click.group(cls=Program, context_settings=SETTINGS, invoke_without_command=True)
@click.option("--script-root", "--prefix", metavar="PATH", help="Folder of the app (here or above).")
@click.option("--verbose", is_flag=True, help="Show what the host itself does.")
@click.option("--debug-traceback", is_flag=True, help="Show tracebacks of errors (also: CLI_DEBUG=1).")
@click.version_option(durable_host.__version__, "-v", "--version", message="%(version)s")
@click.pass_context
def program(ctx: click.Context, script_root: str | None, verbose: bool, debug_traceback: bool) -> None:
    """Run Azure Functions apps written in Python, Durable Functions included, on this machine."""
    ctx.obj = {"script_root": script_root, "verbose": verbose, "debug_traceback": debug_traceback}
    if ctx.invoked_subcommand is None:
        click.echo(ctx.get_help())


def main(argv: Sequence[str] | None = None) -> int:
    """Run the program with `argv` (default: of this process) and return its exit code."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    debug = "--debug-traceback" in arguments or os.environ.get("CLI_DEBUG", "").casefold() in {"1", "true"}
    try:
        outcome: Any = program.main(arguments, prog_name="func", standalone_mode=False)
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.ctx.get_help() if error.ctx else "")
        return EXIT_STOPPED
    except click.ClickException as error:
        return failure.report_usage(error)
    except (KeyboardInterrupt, click.Abort):
        return EXIT_STOPPED
    except HostError as error:
        return failure.report(error, debug=debug)
    except Exception as error:
        return failure.report_unexpected(error, debug=debug)
    return outcome if isinstance(outcome, int) else EXIT_STOPPED
