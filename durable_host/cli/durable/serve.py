"""`func durable serve`: a task hub for plain workers and clients of the Durable Task SDKs, without a function app."""

import logging
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, cast

import click
import msgspec

from durable_host import ports
from durable_host.cli.colour import is_coloured
from durable_host.cli.lines import OutputMode
from durable_host.cli.standard_streams import separate_stdout
from durable_host.config import AppSettings, HostConfig, hub_name, retention_period
from durable_host.config.host_json import read as read_host_json
from durable_host.config.start_options import AzuriteMode, StartOptions
from durable_host.errors import UsageError

if TYPE_CHECKING:
    from durable_host.host.plain_workers import ServedWorkers

PORT: Final = 8080
"""The default port of the Durable Task Scheduler emulator."""

DEFAULT_HUB: Final = "default"
_CONNECTION: Final = "AzureWebJobsStorage"
_DEVELOPMENT: Final = "UseDevelopmentStorage=true"
_AT_ONCE_IN_FILE: Final = 2000
_AT_ONCE_IN_ACCOUNT: Final = 256
"""Most work items in progress, including those that no worker has requested yet."""


@click.command()
@click.option("-p", "--port", type=click.IntRange(0, 65535), default=PORT, help="Port to listen on (default: 8080).")
@click.option(
    "--task-hub-name",
    metavar="HUB",
    default=(DEFAULT_HUB,),
    multiple=True,
    help='Task hub (default: "default"). Repeat it for several; calls that name none use the first.',
)
@click.option(
    "--storage", type=click.Choice(["sqlite", "azure"]), default="sqlite", help="Where the task hub is stored."
)
@click.option("--path", metavar="FILE", help="SQLite file of the task hub (default: in this folder).")
@click.option(
    "--retain",
    metavar="TIME",
    help="Purge instances this long after they have ended, such as 7d or 12h (default: never).",
)
@click.option(
    "--connection-string-setting",
    metavar="NAME",
    help="Setting with the storage connection (default: AzureWebJobsStorage).",
)
@click.option("--azurite", type=click.Choice(["auto", "docker", "off"]), help="How to start Azurite when it is needed.")
@click.option("--no-azurite", is_flag=True, help="Never start Azurite (same as --azurite off).")
@click.option(
    "--max-message-size",
    type=click.IntRange(1),
    default=4_194_304,
    metavar="BYTES",
    help="Longest message that clients and workers accept (default: 4194304).",
)
@click.option("--output", type=click.Choice(["compact", "plain", "json"]), help="Output format.")
@click.option("-q", "--quiet", is_flag=True, help="Show only the address, warnings and errors.")
@click.option("--verbose", is_flag=True, help="Show what the host itself does.")
@click.pass_context
def serve(ctx: click.Context, **given: Any) -> int:
    """Serve task hubs for workers and clients of the Durable Task SDKs until Ctrl+C. No function app is needed.

    \b
    The connection string of the Durable Task Scheduler's emulator works unchanged:
      Endpoint=http://localhost:8080;TaskHub=default;Authentication=None
    """
    parent = cast("dict[str, Any]", ctx.find_root().obj or {})
    verbose = bool(given["verbose"] or parent.get("verbose"))
    if verbose and given["quiet"]:
        raise click.UsageError("--quiet and --verbose cannot be combined.")
    config = _config(given)
    ports.check(config.address, config.port)
    from durable_host.cli.console import Console
    from durable_host.cli.presenter import ConsolePresenter

    console = Console(
        separate_stdout(),
        config.host.logging,
        mode=cast("OutputMode", given["output"] or ("compact" if sys.stdout.isatty() else "plain")),
        coloured=is_coloured(sys.stdout),
        verbose=verbose,
        quiet=given["quiet"],
    )
    with console:
        for sentence in config.warnings:
            logging.getLogger("Host.Startup").warning("%s", sentence)
        presenter = ConsolePresenter(console, verbose=verbose, quiet=given["quiet"])
        azurite = cast("AzuriteMode", "off" if given["no_azurite"] else given["azurite"] or "auto")
        options = StartOptions(azurite=azurite, presenter=presenter)
        from durable_host.host.plain_workers import PlainWorkersHost
        from durable_host.host.process_lifetime import HostServices, run_services

        async def make() -> HostServices:
            return PlainWorkersHost(
                config,
                options,
                lambda served: console.write(announcement(served, console.mode)),
                given["task_hub_name"],
            )

        return run_services(make, presenter)


def announcement(served: "ServedWorkers", mode: OutputMode) -> str:
    """The text that the terminal shows when the endpoint is ready."""
    endpoint = f"http://localhost:{served.port}"
    connection = f"Endpoint={endpoint};TaskHub={served.task_hub};Authentication=None"
    if mode == "json":
        members = msgspec.to_builtins(served) | {"event": "started", "connection_string": connection}
        return msgspec.json.encode(members).decode() + "\n"
    flight, several = served.instances_in_flight, len(served.task_hubs) > 1
    return (
        f"\nTask hub{'s: ' if several else ':  '}{', '.join(served.task_hubs)}, "
        f"{flight} instance{'' if flight == 1 else 's'} in flight\n"
        f"Storage:   {served.storage}\n"
        f"Connect:   {connection}\n"
        f"Listening: {endpoint} (ready in {served.seconds_to_ready:.1f} s), Ctrl+C stops\n\n"
    )


def _config(given: dict[str, Any]) -> HostConfig:
    """The configuration from the options; an app's files are not read."""
    names: tuple[str, ...] = given["task_hub_name"]
    for name in names:
        if (problem := hub_name.problem(name)) is not None:
            raise UsageError(problem)
    if len({name.lower() for name in names}) < len(names):
        raise UsageError("--task-hub-name names a task hub twice.", remedy="Names are not case-sensitive.")
    is_file = given["storage"] == "sqlite"
    if given["path"] is not None and not is_file:
        raise UsageError("--path works only with --storage sqlite.", remedy="Omit one of them.")
    setting: str = given["connection_string_setting"] or _CONNECTION
    environment = dict(os.environ)
    if not is_file and setting == _CONNECTION:
        environment.setdefault(_CONNECTION, _DEVELOPMENT)
    at_once = _AT_ONCE_IN_FILE if is_file else _AT_ONCE_IN_ACCOUNT
    storage: dict[str, Any] = {"type": "sqlite" if is_file else "AzureStorage", "connectionName": setting}
    if given["path"] is not None:
        storage["path"] = str(Path(given["path"]).absolute())
    durable = {
        "hubName": names[0],
        "storageProvider": storage,
        "maxConcurrentOrchestratorFunctions": at_once,
        "maxConcurrentEntityFunctions": at_once,
        "maxConcurrentActivityFunctions": at_once,
        "maxGrpcMessageSizeInBytes": given["max_message_size"],
        "versionMatchStrategy": "None",
    }
    warnings: list[str] = []
    content = {"version": "2.0", "extensions": {"durableTask": durable}}
    host = read_host_json(content, "the options", lambda text, _: text, warnings)
    settings = AppSettings(environment)
    retain = retention_period.chosen(settings, given["retain"], None)
    host = msgspec.structs.replace(host, durable=msgspec.structs.replace(host.durable, retain=retain))
    return HostConfig(root=Path.cwd(), settings=settings, host=host, port=given["port"], warnings=tuple(warnings))
