"""`func start`, also as `func host start`.

Source: docs/protocol/functions-host-cli.md#start-of-the-host
"""

import gc
import logging
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, cast

import click

from durable_host.cli import option_lists
from durable_host.cli.colour import is_coloured
from durable_host.cli.command_group import CommandGroup
from durable_host.cli.env_file import load_env_file
from durable_host.cli.lines import OutputMode
from durable_host.cli.standard_streams import separate_stdout
from durable_host.config import log_levels
from durable_host.config.hub_place import CHOICES
from durable_host.config.overrides import Overrides
from durable_host.config.start_options import AzuriteMode, StartOptions
from durable_host.errors import EXIT_STOPPED, ConfigurationError, UsageError

if TYPE_CHECKING:
    from durable_host.config import HostConfig

USUAL_PORT: Final = 0
_IGNORED_FLAGS: Final = {
    "--dotnet-isolated-debug": "attach the debugger to the process of the worker",
    "--enable-json-output": "use --output json",
    "--usehttps": "the host serves plain HTTP",
    "--offline": "the host downloads only Azurite, when there is none",
    "--pause-on-error": "it is for Visual Studio",
}
_IGNORED_VALUES: Final = {
    "--timeout": "the host has no startup time-out",
    "-t": "the host has no startup time-out",
    "--json-output-file": "use --output json",
    "--cert": "the host serves plain HTTP",
    "--password": "the host serves plain HTTP",
    "--runtime": "it is for the in-process model of .NET",
}


class StartCommand(click.Command):
    """Accepts `--functions a b c` like Core Tools, and ignores options that have no meaning here."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        kept, ignored = _set_aside(args)
        ctx.meta["ignored"] = ignored
        return super().parse_args(ctx, option_lists.spread(kept, "--functions"))


def _set_aside(args: list[str]) -> tuple[list[str], list[str]]:
    """The arguments without the ignored options, and one sentence for each ignored option."""
    kept: list[str] = []
    ignored: list[str] = []
    rest = iter(args)
    for argument in rest:
        name = argument.partition("=")[0]
        key = name.lower()
        if key in _IGNORED_FLAGS:
            ignored.append(f"{name} is ignored: {_IGNORED_FLAGS[key]}.")
        elif key in _IGNORED_VALUES:
            ignored.append(f"{name} is ignored: {_IGNORED_VALUES[key]}.")
            if "=" not in argument:
                next(rest, None)
        else:
            kept.append(argument)
    return kept, ignored


@click.command(cls=StartCommand)
@click.option("-p", "--port", type=click.IntRange(0, 65535), help="Port to listen on (default: 7071; 0: a free one).")
@click.option(
    "--grpc-port",
    type=click.IntRange(0, 65535),
    help="Port for Durable Task SDKs (default: a free one if the app needs it); 0 disables it.",
)
@click.option("--address", metavar="HOST", help="Address to listen on (default: 127.0.0.1).")
@click.option(
    "--functions", metavar="NAMES", multiple=True, callback=option_lists.split, help="Load only these functions."
)
@click.option("--azurite", type=click.Choice(["auto", "docker", "off"]), help="How to start Azurite when it is needed.")
@click.option("--no-azurite", is_flag=True, help="Never start Azurite (same as --azurite off).")
@click.option("--task-hub", type=click.Choice(CHOICES), help="Where the task hub is stored; overrides host.json.")
@click.option(
    "--retain",
    metavar="TIME",
    help="Purge instances this long after they have ended, such as 7d or 12h (default: never).",
)
@click.option("--python", "python", metavar="PATH", help="Interpreter of the app (default: its virtual environment).")
@click.option("--node", "node", metavar="PATH", help="Node.js of the app (default: node on PATH).")
@click.option("--script-root", "--prefix", metavar="PATH", help="Folder of the app (default: this one or one above).")
@click.option("--cors", metavar="ORIGINS", help="Origins that browsers may call from, separated by commas.")
@click.option("--cors-credentials", is_flag=True, default=None, help="Let browsers send credentials.")
@click.option("--user-log-level", metavar="LEVEL", help=f"Level of the app's logs: {', '.join(log_levels.NAMES)}.")
@click.option("--output", type=click.Choice(["compact", "plain", "json"]), help="Output format.")
@click.option("--no-dashboard", is_flag=True, help="Do not serve the dashboard at /_df.")
@click.option("--no-build", is_flag=True, help="Do not build the project of a .NET app; run its newest build.")
@click.option("--no-reload", is_flag=True, help="Do not apply changes to the app's files while the host runs.")
@click.option(
    "--debug",
    "debug_port",
    type=click.IntRange(0, 65535),
    is_flag=False,
    flag_value=USUAL_PORT,
    metavar="[PORT]",
    help="Let a debugger attach to the app on 127.0.0.1 (5678, or 9229 for Node.js); a Python app needs debugpy.",
)
@click.option("--debug-wait", is_flag=True, help="Wait for a debugger before the app is loaded.")
@click.option(
    "--language-worker",
    metavar="ARGUMENTS",
    help='Arguments of the app\'s interpreter, such as "-m debugpy --listen 127.0.0.1:5678".',
)
@click.option("--enable-auth", "--enableauth", is_flag=True, help="Require keys, as Azure does.")
@click.option("--env-file", metavar="PATH", help="Also read settings from this file; the environment takes precedence.")
@click.option("--chaos", metavar="FAULTS", help="Inject faults, such as kill-worker=0.01.")
@click.option("--chaos-seed", metavar="N", type=int, help="Inject the same faults as a run with this seed.")
@click.option("-q", "--quiet", is_flag=True, help="Show only the app's logs, warnings and errors.")
@click.option("--verbose", is_flag=True, help="Show what the host itself does.")
@click.option("--debug-traceback", is_flag=True, help="Show tracebacks of errors (also: CLI_DEBUG=1).")
@click.pass_context
def start(ctx: click.Context, **options: Any) -> int:
    """Run the function app in this folder until Ctrl+C.

    Starts Azurite if the app uses the development account and none is listening.
    """
    given = cast("dict[str, Any]", ctx.find_root().obj or {})
    script_root: str | None = options["script_root"] or given.get("script_root")
    verbose = bool(options["verbose"] or given.get("verbose"))
    if verbose and options["quiet"]:
        raise click.UsageError("--quiet and --verbose cannot be combined.")
    if options["env_file"] is not None:
        load_env_file(options["env_file"])
    debug = bool(options["debug_traceback"] or given.get("debug_traceback") or os.environ.get("CLI_DEBUG"))
    azurite = cast("AzuriteMode", "off" if options["no_azurite"] else options["azurite"] or "auto")
    python: str | None = options["python"]
    node: str | None = options["node"]
    overrides = Overrides(
        port=options["port"],
        address=options["address"],
        cors=options["cors"],
        cors_credentials=options["cors_credentials"],
        functions=options["functions"],
        user_log_level=options["user_log_level"],
        task_hub=options["task_hub"],
        retain=options["retain"],
        chaos=_checked_chaos(options["chaos"]),
        chaos_seed=options["chaos_seed"],
    )
    gc.disable()  # until the host has imported its modules: they are not garbage
    try:
        return _run(
            Path(script_root) if script_root else Path.cwd(),
            overrides,
            StartOptions(
                azurite=azurite,
                python=_interpreter(python) if python else None,
                node=_interpreter(node) if node else None,
                verbose=verbose,
                reload=not options["no_reload"],
                overrides=overrides,
                dashboard=not options["no_dashboard"],
                enable_auth=options["enable_auth"],
                debug_port=options["debug_port"] or (USUAL_PORT if options["debug_wait"] else options["debug_port"]),
                debug_wait=options["debug_wait"],
                worker_arguments=options["language_worker"],
                grpc_port=options["grpc_port"],
            ),
            mode=options["output"],
            quiet=options["quiet"],
            debug=debug,
            no_build=options["no_build"],
            ignored=ctx.meta.get("ignored", []),
        )
    except KeyboardInterrupt:  # before the host handles signals
        return EXIT_STOPPED
    finally:
        gc.enable()


def _checked_chaos(text: str | None) -> str | None:
    """The value of `--chaos`. Raises UsageError."""
    if text is None or text.strip().casefold() == "off":
        return text
    from durable_host.chaos.spec import parse_chaos

    try:
        parse_chaos(text)
    except ConfigurationError as error:
        raise UsageError(error.message, cause=error.cause, remedy=error.remedy, code=error.code) from None
    return text


def _interpreter(text: str) -> Path:
    """A path relative to the current folder. A bare name that is not a file here is a command on PATH."""
    path = Path(text)
    return path.absolute() if path.exists() or len(path.parts) > 1 else path


def _run(
    folder: Path,
    overrides: Overrides,
    options: StartOptions,
    *,
    mode: str | None,
    quiet: bool,
    debug: bool,
    no_build: bool,
    ignored: list[str],
) -> int:
    import msgspec

    from durable_host import ports
    from durable_host.cli import first_build
    from durable_host.cli.console import Console
    from durable_host.cli.presenter import ConsolePresenter
    from durable_host.config import load, project
    from durable_host.config.container import container_note
    from durable_host.config.exposure import exposure_warning

    if not folder.is_dir():
        raise click.UsageError(f"--script-root '{folder}' is not a folder.")
    config = load(project.find_root(folder), environ=os.environ, overrides=overrides)
    ports.check(config.address, config.port)
    coloured = is_coloured(sys.stdout)
    console = Console(
        separate_stdout(),
        config.host.logging,
        mode=cast("OutputMode", mode or ("compact" if sys.stdout.isatty() else "plain")),
        coloured=coloured,
        verbose=options.verbose or (_is_ci() and not quiet),
        quiet=quiet,
        debug=debug,
    )
    with console:
        warnings = [*ignored, *_ignored_here(config, overrides, no_build=no_build), *config.warnings]
        if (exposed := exposure_warning(config.address, asks_for_keys=options.enable_auth)) is not None:
            warnings.append(exposed)
        for warning in warnings:
            logging.getLogger("Host.Startup").warning("%s", warning)
        from durable_host.host import run_host

        if options.debug_port == USUAL_PORT:
            from durable_host.host.worker_kinds import worker_kind_of

            options = msgspec.structs.replace(options, debug_port=worker_kind_of(config.runtime).debug_port)
        presenter = ConsolePresenter(console, verbose=options.verbose, quiet=quiet)
        if (note := container_note(config.address)) is not None:
            presenter.progress(note)
        options = msgspec.structs.replace(options, presenter=presenter)
        return run_host(config, first_build.with_build(config, options, no_build=no_build))


def _ignored_here(config: "HostConfig", overrides: Overrides, *, no_build: bool) -> Iterator[str]:
    """A sentence for each option that has no effect for this app."""
    from durable_host.cli import first_build

    if no_build and not first_build.is_to_build(config):
        yield "--no-build is ignored: there is nothing to build."
    if overrides.chaos_seed is not None and config.host.durable.chaos is None:
        yield "--chaos-seed is ignored: there is no --chaos."


def _is_ci() -> bool:
    return any(os.environ.get(name) for name in ("CI", "CONTINUOUS_INTEGRATION", "BUILD_NUMBER", "RUN_ID"))


@click.group(cls=CommandGroup, commands={"start": start})
def host() -> None:
    """Commands for the host."""
