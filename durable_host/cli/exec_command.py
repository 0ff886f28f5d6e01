"""`func exec -- COMMAND`: runs one command, such as a test run, with its own host.

The host listens on a free port and has a fresh task hub, which is deleted afterwards. If the app uses the development
account and no Azurite is listening, one is started that keeps its data in memory.
"""

import asyncio
import os
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any, Final, cast

import click

from durable_host.cli import command_failure
from durable_host.cli.app_folder import app_root
from durable_host.cli.colour import DIM, YELLOW, is_coloured, painted
from durable_host.cli.first_build import is_to_build
from durable_host.cli.interruption import Signals, Terminated, handled_signals
from durable_host.config import HostConfig, load
from durable_host.config.connection import Connection
from durable_host.config.connections import resolve
from durable_host.config.hub_place import CHOICES, SETTING
from durable_host.errors import EXIT_INTERRUPTED, ConfigurationError, HostError, UsageError
from durable_host.host.host_process import HostNotReady, HostProcess, LogLine
from durable_host.storage.azurite import AzuriteError, Mode, ensure_azurite, is_local_development

_WITHOUT_BUILD: Final = 60.0
_WITH_BUILD: Final = 600.0
"""Seconds to wait for the host, unless --timeout is given."""
_HUB: Final = "AzureFunctionsJobHost__extensions__durableTask__hubName"
_SQLITE_FILE: Final = "AzureFunctionsJobHost__extensions__durableTask__storageProvider__path"
_PATIENCE: Final = 10.0


class CommandMissing(UsageError):
    """The command after `--` is neither a program on PATH nor an executable file."""

    code = "DH1011"
    exit_code = 127


@click.command(
    "exec", context_settings={"allow_interspersed_args": False}, options_metavar="[OPTIONS] --", no_args_is_help=True
)
@click.argument("command", nargs=-1, type=click.UNPROCESSED, required=True)
@click.option("-p", "--port", type=click.IntRange(0, 65535), default=0, help="Port of the host (default: a free one).")
@click.option("--azurite", type=click.Choice(["auto", "docker", "off"]), help="How to start Azurite when it is needed.")
@click.option("--no-azurite", is_flag=True, help="Never start Azurite (same as --azurite off).")
@click.option("--task-hub", type=click.Choice(CHOICES), help="Where the task hub is stored; overrides host.json.")
@click.option("--python", "python", metavar="PATH", help="Interpreter of the app (default: its virtual environment).")
@click.option("--node", "node", metavar="PATH", help="Node.js of the app (default: node on PATH).")
@click.option("--script-root", "--prefix", metavar="PATH", help="Folder of the app (default: this one or one above).")
@click.option("--keep-hub", is_flag=True, help="Do not delete the task hub afterwards.")
@click.option(
    "--timeout",
    type=click.FloatRange(min=0, min_open=True),
    metavar="SECONDS",
    help="How long to wait for the host to be ready (default: 60; 600 if it builds a .NET project).",
)
@click.option("--verbose", is_flag=True, help="Show the host's log too (on stderr).")
@click.pass_context
def exec_command(ctx: click.Context, command: tuple[str, ...], **given: Any) -> int:
    """Start the app on a free port with a fresh task hub, run COMMAND, stop the host, and exit with COMMAND's code.

    \b
    The environment of COMMAND contains:
      FUNC_BASE_URL   address of the host, such as http://localhost:51234
      FUNC_TASK_HUB   name of the task hub; 'func durable' in COMMAND uses it too
      the app settings of local.settings.json, AzureWebJobsStorage among them

    \b
    Examples:
      func exec -- pytest tests/end_to_end
      func exec --no-azurite -- sh -c 'curl -f "$FUNC_BASE_URL/api/hello"'
    """
    verbose = bool(given["verbose"] or cast("dict[str, Any]", ctx.find_root().obj or {}).get("verbose"))
    program = _program(command[0])
    if given["script_root"]:
        ctx.find_root().obj = {**(ctx.find_root().obj or {}), "script_root": given["script_root"]}
    root = app_root(ctx)
    mode = cast("Mode", "off" if given["no_azurite"] else given["azurite"] or "auto")
    hub = f"Exec{secrets.token_hex(6)}"
    with ExitStack() as cleanup:
        environ = {**os.environ, _HUB: hub}
        if given["task_hub"]:
            environ[SETTING] = given["task_hub"]
        config = load(root, environ=environ)
        if config.host.durable.storage.type == "sqlite":
            folder = cleanup.enter_context(tempfile.TemporaryDirectory(prefix="func-exec-", ignore_cleanup_errors=True))
            environ[_SQLITE_FILE] = str(Path(folder) / "hub.db")
            config = load(root, environ=environ)
        signals = cleanup.enter_context(handled_signals())
        try:
            owns_azurite = _start_azurite(config, mode, cleanup)
            if not owns_azurite and not given["keep_hub"]:
                cleanup.callback(_delete_hub, config, hub)
            arguments = _host_arguments(root, given, azurite="off" if owns_azurite else mode, verbose=verbose)
            host = HostProcess(arguments, environ=environ, folder=Path.cwd(), log=_log(verbose))
            cleanup.callback(host.stop)
            patience = _WITH_BUILD if is_to_build(config) else _WITHOUT_BUILD
            base_url = host.wait_until_ready(given["timeout"] or patience)
            _say(f"Host is ready at {base_url}, task hub {hub}.")
            local = {name: config.settings[name] for name in config.settings.local_names}
            code = _run(
                [program, *command[1:]], {**environ, **local, "FUNC_BASE_URL": base_url, "FUNC_TASK_HUB": hub}, signals
            )
            if not host.is_running:
                _say("The host stopped before the command finished.", YELLOW)
        except HostNotReady as error:
            command_failure.report(error)
            code = error.host_code
        except (KeyboardInterrupt, Terminated) as interruption:
            code = EXIT_INTERRUPTED if isinstance(interruption, KeyboardInterrupt) else 128 + signal.SIGTERM
        finally:
            signals.ignored = True
    return code


def _program(name: str) -> str:
    program = shutil.which(name)
    if program is None:
        raise CommandMissing(
            f"There is no command '{name}'.",
            cause="It is neither a program on PATH nor an executable file.",
            remedy="func exec -- COMMAND ARGUMENTS",
        )
    return program


def _host_arguments(root: Path, given: Mapping[str, Any], *, azurite: str, verbose: bool) -> list[str]:
    """The options of `func start`."""
    arguments = ["--port", str(given["port"]), "--script-root", str(root), "--azurite", azurite]
    for option in ("python", "node"):
        arguments += [f"--{option}", given[option]] if given[option] else []
    return [*arguments, "--verbose"] if verbose else arguments


def _run(command: Sequence[str], environ: dict[str, str], signals: Signals) -> int:
    """Run the command to its end and return its exit code (128 + the signal number if a signal killed it)."""
    try:
        process = subprocess.Popen(command, env=environ)
    except OSError as error:
        raise CommandMissing(f"The command '{command[0]}' cannot be started.", cause=str(error)) from error
    signals.command = process
    try:
        code = process.wait()
    except BaseException:
        process.terminate()
        with suppress(subprocess.TimeoutExpired):
            process.wait(_PATIENCE)
        if process.poll() is None:
            process.kill()
            process.wait()
        raise
    finally:
        signals.command = None
    return code if code >= 0 else 128 - code


def _start_azurite(config: HostConfig, mode: Mode, cleanup: ExitStack) -> bool:
    """True if an Azurite was started for this run. It stops with the run, and its data is lost."""
    connection = _storage(config)
    if mode == "off" or connection is None or not is_local_development(connection):
        return False
    try:
        azurite = ensure_azurite(connection, data_dir=None, mode=mode, report=_say, app_dir=config.root)
    except AzuriteError as error:
        _say(f"{error.message} Only apps that use storage need it.", YELLOW)
        return False
    if azurite is None:
        return False
    cleanup.callback(azurite.stop)
    return True


def _storage(config: HostConfig) -> Connection | None:
    try:
        return resolve(config.settings, config.host.durable.storage.connection_name)
    except ConfigurationError:
        return None


def _delete_hub(config: HostConfig, hub: str) -> None:
    from durable_host.bindings.accounts import Accounts
    from durable_host.durable.taskhub.port import TaskHubUnavailable
    from durable_host.host.hub_opening import open_hub, uses_sqlite

    if uses_sqlite(config) or _storage(config) is None:
        return

    async def delete() -> None:
        accounts = Accounts(config.settings)
        try:
            opened = open_hub(config, accounts, hub, config.host.durable.storage.connection_name)
            await opened.delete()
            await opened.close()
        finally:
            await accounts.close()

    try:
        asyncio.run(delete())
    except (TaskHubUnavailable, HostError) as error:
        _say(f"The task hub '{hub}' could not be deleted: {error}", YELLOW)


def _log(verbose: bool) -> LogLine:
    def show(level: str, message: str) -> None:
        if verbose or level in ("Warning", "Error", "Critical"):
            click.echo(
                painted(f"[host] {message}", YELLOW if level != "Information" else DIM, is_coloured(sys.stderr)),
                err=True,
            )

    return show


def _say(text: str, colour: str = DIM) -> None:
    click.echo(painted(text, colour, is_coloured(sys.stderr)), err=True)
