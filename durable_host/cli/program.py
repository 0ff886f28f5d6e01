"""The program `func`: its commands and its exit codes.

Commands are imported when they run, so that `func start` imports only what it needs.
"""

import gc
import os
import sys
from collections.abc import Sequence
from typing import Any, Final, cast

import click

import durable_host
from durable_host.cli import command_failure, standard_streams
from durable_host.cli.command_group import JSON_ERRORS
from durable_host.cli.env_file import load_env_file
from durable_host.cli.lazy_group import Commands, LazyGroup
from durable_host.errors import EXIT_INTERRUPTED, EXIT_STOPPED, HostError

COMMANDS: Final[Commands] = {
    "init": ("durable_host.cli.init:init", "Create a new function app."),
    "new": ("durable_host.cli.new:new", "Add a function to the app, from a template."),
    "start": ("durable_host.cli.start:start", "Run the function app in this folder."),
    "run": ("durable_host.cli.run:run", "Run a function of the running host now."),
    "exec": ("durable_host.cli.exec_command:exec_command", "Run a command, such as your tests, against its own host."),
    "doctor": ("durable_host.cli.doctor:doctor", "Find problems and how to fix them."),
    "durable": ("durable_host.cli.durable:durable", "Start, inspect and control durable instances; no host needed."),
    "settings": ("durable_host.cli.settings:settings", "List, add and delete app settings in local.settings.json."),
    "templates": ("durable_host.cli.template_list:templates", "List the templates of 'func new'."),
    "pack": ("durable_host.cli.pack:pack", "Create the zip file that is deployed to Azure."),
    "completion": ("durable_host.cli.completion:completion", "Complete commands and options in your shell."),
    "bundles": ("durable_host.cli.bundles:bundles", "Extension bundles: this host needs none."),
    "extensions": ("durable_host.cli.bundles:extensions", "Extensions: this host needs none."),
    "function": ("durable_host.cli.new:function", "Commands for functions: 'func function new' is 'func new'."),
    "host": ("durable_host.cli.start:host", "Commands for the host: 'func host start' is 'func start'."),
}

SECTIONS: Final = (
    ("Everyday", ("init", "new", "start", "run", "exec", "doctor")),
    ("Durable Functions", ("durable",)),
    ("The app", ("settings", "templates", "pack")),
    ("Other", ("completion", "bundles", "extensions", "function", "host")),
)

_AZURE: Final = "manages resources in Azure and is not part of this program; use Core Tools or the Azure CLI."
ELSEWHERE: Final = {
    "azure": f"'func azure' {_AZURE}",
    "azurecontainerapps": f"'func azurecontainerapps' {_AZURE}",
    "kubernetes": f"'func kubernetes' {_AZURE}",
}

NEW_OBJECTS: Final = 20_000
"""How many more objects than now start a garbage collection. Most of what a command creates are modules: no garbage.
The objects of some hundred requests in flight in a host start none either: most are free again when the requests end.
"""

_EVERYWHERE: Final = ("--script-root", "--prefix")

SETTINGS: Final[dict[str, Any]] = {
    "help_option_names": ["-h", "--help"],
    "token_normalize_func": str.lower,
    "max_content_width": 100,
}

EXAMPLES: Final = """\b
Examples:
  func init my-app --python && cd my-app
  func new --template "HTTP trigger" --name hello
  func start
  func exec -- pytest
  func durable get-instances --runtime-status running
"""


class Program(LazyGroup):
    """The top-level command."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args[0].lower() == "version":
            return "version", click.Command("version", callback=lambda: click.echo(durable_host.__version__)), []
        return super().resolve_command(ctx, args)

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:  # click would write an empty line, even with --output json
            raise click.Abort from None


@click.group(
    cls=Program,
    commands_of=COMMANDS,
    sections=SECTIONS,
    elsewhere=ELSEWHERE,
    aliases={"bundle": "bundles"},
    context_settings=SETTINGS,
    invoke_without_command=True,
    epilog=EXAMPLES,
)
@click.option("--script-root", "--prefix", metavar="PATH", help="Folder of the app (default: this one or one above).")
@click.option("--env-file", metavar="PATH", help="Also read settings from this file; the environment takes precedence.")
@click.option("--verbose", is_flag=True, help="Show what the host itself does.")
@click.option("--debug-traceback", is_flag=True, help="Show tracebacks of errors (also: CLI_DEBUG=1).")
@click.version_option(durable_host.__version__, "-v", "--version", message="%(version)s")
@click.pass_context
def program(
    ctx: click.Context, script_root: str | None, env_file: str | None, verbose: bool, debug_traceback: bool
) -> None:
    """Run Azure Functions apps in Python, JavaScript, TypeScript and .NET locally, including Durable Functions."""
    if env_file is not None:
        load_env_file(env_file)
    given = {"script_root": script_root, "verbose": verbose, "debug_traceback": debug_traceback}
    cast("dict[str, Any]", ctx.ensure_object(dict)).update(given)
    if ctx.invoked_subcommand is None:
        click.echo(ctx.get_help())


def in_front(arguments: Sequence[str]) -> list[str]:
    """The arguments with `--script-root PATH` moved before the command. Core Tools accept it anywhere.

    Arguments of `func exec` are not changed: most of them belong to another command.
    """
    if any(argument.lower() == "exec" for argument in arguments):
        return list(arguments)
    front: list[str] = []
    rest: list[str] = []
    own = list(arguments)
    while own:
        name, equals, _ = own[0].lower().partition("=")
        count = 1 if equals else 2
        is_whole = name in _EVERYWHERE and len(own) >= count
        (front if is_whole else rest).extend(own[: count if is_whole else 1])
        del own[: count if is_whole else 1]
    return [*front, *rest]


def main(argv: Sequence[str] | None = None, *, text_errors: bool = False) -> int:
    """Run the program with `argv` (default: those of this process) and return the exit code.

    `text_errors` is for a program that reads the output and shows the errors to people: they are text even with
    `--output json`.
    """
    standard_streams.complete()
    gc.set_threshold(NEW_OBJECTS, *gc.get_threshold()[1:])
    arguments = in_front(sys.argv[1:] if argv is None else argv)
    debug = "--debug-traceback" in arguments or os.environ.get("CLI_DEBUG", "").casefold() in {"1", "true"}
    given: dict[str, Any] = {}

    def is_json() -> bool:
        return JSON_ERRORS in given and not text_errors

    try:
        outcome: Any = program.main(arguments, prog_name="func", standalone_mode=False, obj=given)
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.ctx.get_help() if error.ctx else "")
        return EXIT_STOPPED
    except click.ClickException as error:
        return command_failure.report_usage(error, is_json=is_json())
    except (KeyboardInterrupt, click.Abort):
        if not is_json():
            click.echo(err=True)  # ends the line with ^C or the prompt
        return EXIT_INTERRUPTED
    except HostError as error:
        return command_failure.report(error, debug=debug, is_json=is_json())
    except Exception as error:
        return command_failure.report_unexpected(error, debug=debug, is_json=is_json())
    return outcome if isinstance(outcome, int) else EXIT_STOPPED
