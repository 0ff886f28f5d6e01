"""Opens the task hub that the options select, for one command.

Source: docs/protocol/functions-host-cli.md#durable-commands
"""

import asyncio
import json
import os
import sys
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

import click
import msgspec

from durable_host.bindings.accounts import Accounts
from durable_host.cli.app_folder import working_folder
from durable_host.cli.colour import YELLOW, is_coloured, painted
from durable_host.cli.durable.errors import HubUnavailable, TaskHubMissing, explained
from durable_host.cli.printable import printable_lines
from durable_host.clock import SystemClock
from durable_host.config import AppSettings, HostConfig, hub_name, load, project
from durable_host.config.connection import Connection
from durable_host.config.connections import ConnectionMissing, resolve
from durable_host.config.host_json import read as read_host_json
from durable_host.config.hub_place import place_of
from durable_host.config.overrides import apply, environment_overrides
from durable_host.config.settings import resolve_percent
from durable_host.durable.api.client import DurableClient
from durable_host.durable.taskhub.port import TaskHub
from durable_host.errors import ConfigurationError
from durable_host.host.hub_opening import open_hub, sqlite_path, uses_sqlite
from durable_host.storage import StorageAccount
from durable_host.storage.azurite import is_local_development, probe

HOST_JSON: Final = "host.json"


class HubSession(msgspec.Struct, frozen=True):
    """`output` is `text` or `json`. `is_of_app` is false if an option has selected another hub or connection."""

    name: str
    hub: TaskHub
    client: DurableClient
    output: str
    config: HostConfig
    is_of_app: bool

    def warn(self, text: str) -> None:
        """Print a warning on stderr, so that the output stays as it is."""
        if self.output == "json":
            click.echo(json.dumps({"level": "Warning", "message": text}), err=True)
            return
        click.echo(painted(printable_lines(text), YELLOW, is_coloured(sys.stderr)), err=True)

    def say(self, text: str, **members: Any) -> None:
        """Print the result: a sentence for people, or the members as a JSON object."""
        if self.output == "json":
            click.echo(msgspec.json.encode(members).decode())
        else:
            click.echo(text)


def run(
    ctx: click.Context,
    given: dict[str, Any],
    work: Callable[[HubSession], Awaitable[None]],
    *,
    create: bool = False,
    must_exist: bool = True,
) -> None:
    """Open the hub that the options select, do the work, close it. `create` creates a missing hub."""

    async def main() -> None:
        config = config_of(ctx, given.get("task_hub_name"))
        accounts = Accounts(config.settings)
        try:
            async with _opened(config, accounts, given, create=create, must_exist=must_exist) as session:
                await work(session)
        finally:
            await accounts.close()

    asyncio.run(main())


@asynccontextmanager
async def opened_for_clients(
    config: HostConfig, accounts: Accounts, given: dict[str, Any]
) -> AsyncGenerator[HubSession]:
    """Open an existing hub. Reads write nothing, not even to a file. Closes the `accounts` in the end."""
    try:
        async with _opened(config, accounts, given, create=False, must_exist=True, is_foreign=True) as session:
            yield session
    finally:
        await accounts.close()


@asynccontextmanager
async def _opened(
    config: HostConfig,
    accounts: Accounts,
    given: dict[str, Any],
    *,
    create: bool,
    must_exist: bool,
    is_foreign: bool = False,
) -> AsyncGenerator[HubSession]:
    name: str = given.get("task_hub_name") or config.host.durable.hub_name
    if (problem := hub_name.problem(name)) is not None:
        raise ConfigurationError(problem, code="DH1002")
    connection_name: str = given.get("connection_string_setting") or config.host.durable.storage.connection_name
    with explained(_setting_of(config, connection_name)):
        if uses_sqlite(config):
            _require_file(sqlite_path(config, name), name, create=create or not must_exist)
        else:
            config = await _checked_account(config, accounts, connection_name, name, create or not must_exist)
        hub = open_hub(config, accounts, name, connection_name, is_foreign=is_foreign)
        try:
            if create:
                await hub.create()
            client = DurableClient(hub, None, config.host.durable, SystemClock())
            yield HubSession(
                name, hub, client, given.get("output") or "text", config, is_of_app=_is_of_app(config, given)
            )
        finally:
            await hub.close()


def _is_of_app(config: HostConfig, given: dict[str, Any]) -> bool:
    name, connection = given.get("task_hub_name"), given.get("connection_string_setting")
    durable = config.host.durable
    return (name or durable.hub_name).casefold() == durable.hub_name.casefold() and connection in (
        None,
        durable.storage.connection_name,
    )


def _setting_of(config: HostConfig, connection_name: str) -> str:
    """The full name of the app setting with the connection: `AzureWebJobsStorage` for `Storage`."""
    try:
        return resolve(config.settings, connection_name).setting
    except ConfigurationError:
        return connection_name


async def _checked_account(
    config: HostConfig, accounts: Accounts, connection_name: str, name: str, may_be_missing: bool
) -> HostConfig:
    """The configuration with the actual number of partitions of the hub.

    Raises TaskHubMissing, and AzuriteError immediately if nothing listens on the development account's address.
    """
    from durable_host.durable.taskhub.azure.names import HubNames

    storage = config.host.durable.storage
    try:
        account = accounts.account(connection_name)
        tracking_name = storage.tracking_store_connection_name
        tracking = accounts.account(tracking_name) if tracking_name else account
    except ConnectionMissing as error:
        raise ConnectionMissing(
            "No storage connection string found.", cause=error.message, remedy=error.remedy
        ) from error
    await _require_answer(account.connection)
    names = HubNames.of(name, 1, storage.tracking_store_name_prefix if tracking_name else None)
    if not may_be_missing and not await tracking.tables.table_exists(names.instances):
        raise await _missing_hub(tracking, name, account.connection.setting)
    found = await partition_count(account, name)
    if not found or found == storage.partition_count:
        return config
    storage = msgspec.structs.replace(storage, partition_count=found)
    durable = msgspec.structs.replace(config.host.durable, storage=storage)
    return msgspec.structs.replace(config, host=msgspec.structs.replace(config.host, durable=durable))


async def partition_count(account: StorageAccount, hub: str) -> int:
    """The number of control queues of the hub; 0 if there is no such hub."""
    prefix = f"{hub.lower()}-control-"
    queues = await account.queues.list(prefix)
    return sum(queue.removeprefix(prefix).isdigit() and len(queue) == len(prefix) + 2 for queue in queues)


async def _require_answer(connection: Connection) -> None:
    if is_local_development(connection):
        health = await asyncio.to_thread(probe, connection)
        if (problem := health.problem(connection.setting)) is not None:
            problem.remedy = problem.remedy and problem.remedy.replace(
                "or let the host start it (omit --no-azurite)", "or 'func start', which starts it"
            )
            raise problem


async def _missing_hub(account: StorageAccount, name: str, setting: str) -> TaskHubMissing:
    tables = await account.tables.list_tables()
    hubs = sorted(
        table.removesuffix("Instances")
        for table in tables
        if table.endswith("Instances") and table.removesuffix("Instances") + "History" in tables
    )
    there = f"Existing hubs: {', '.join(hubs)}." if hubs else "The account has no task hubs."
    return TaskHubMissing(
        f"There is no task hub '{name}' in the storage account of '{setting}'.",
        cause=there,
        remedy="Pass its name with --task-hub-name; a host creates its hub when it starts.",
    )


def _require_file(path: Path, name: str, *, create: bool) -> None:
    if create:
        try:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise HubUnavailable(f"The folder of '{path}' cannot be created.", cause=str(error)) from error
        return
    from durable_host.durable.taskhub.sqlite import is_there

    if not is_there(path):
        raise TaskHubMissing(
            f"There is no task hub '{name}'.",
            cause=f"It would be in the SQLite file '{path}', which does not exist.",
            remedy="Pass its name with --task-hub-name; a host creates its hub when it starts.",
        )


def config_of(ctx: click.Context, task_hub_name: str | None) -> HostConfig:
    """The configuration of the app here or above. Without an app, that of the environment if a hub is given."""
    folder = working_folder(ctx)
    try:
        root = project.find_root(folder)
    except ConfigurationError:
        if task_hub_name is None:
            raise
        return _without_app(folder)
    if not (root / HOST_JSON).is_file():
        raise ConfigurationError(
            f"Could not find local host metadata file '{HOST_JSON}'",
            remedy=f'Write {HOST_JSON} with {{"version": "2.0"}}, or run \'func init\'.',
            code="DH1046",
        )
    return load(root, environ=os.environ)


def _without_app(folder: Path) -> HostConfig:
    settings = AppSettings(dict(os.environ))
    content = apply({"version": "2.0"}, environment_overrides(settings.items()))
    host = read_host_json(
        content,
        HOST_JSON,
        lambda text, _: resolve_percent(text, settings),
        [],
        hub_place=place_of(settings, None),
    )
    return HostConfig(root=folder, settings=settings, host=host)
