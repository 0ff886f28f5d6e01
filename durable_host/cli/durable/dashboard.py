"""`func durable dashboard`."""

import os
import sqlite3
import webbrowser
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import msgspec

from durable_host import ports
from durable_host.cli.durable import options
from durable_host.cli.durable.errors import HubUnavailable, TaskHubMissing
from durable_host.cli.durable.hub_session import HubSession, config_of, opened_for_clients
from durable_host.config import AppSettings, HostConfig
from durable_host.config.host_json import read as read_host_json
from durable_host.config.start_options import SilentPresenter
from durable_host.errors import UsageError

if TYPE_CHECKING:
    from durable_host.dashboard.sources import HubSource


@click.command()
@click.option("-p", "--port", type=click.IntRange(0, 65535), default=0, help="Port to listen on (default: a free one).")
@click.option("--path", metavar="FILE", help="SQLite file of the task hub, instead of a storage account.")
@click.option("--allow-actions", is_flag=True, help="Let the page control instances; without it, nothing is written.")
@click.option("--open", "open_browser", is_flag=True, help="Open the page in the browser.")
@options.hub_options
@click.pass_context
def dashboard(ctx: click.Context, **given: Any) -> int:
    """Show the dashboard of a task hub until Ctrl+C. No host needs to be running, and no function app.

    Only this machine can use the page. While a host runs, its own dashboard at /_df shows more.
    """
    config = _config(ctx, given)
    if given["port"]:
        ports.check("127.0.0.1", given["port"])
    from durable_host.bindings.accounts import Accounts
    from durable_host.host.hub_dashboard import HubDashboard
    from durable_host.host.process_lifetime import HostServices, run_services

    def ready(url: str) -> None:
        announce(url, given)
        if given["open_browser"]:
            webbrowser.open(url)

    async def make() -> HostServices:
        accounts = Accounts(config.settings)

        @asynccontextmanager
        async def opened() -> "AsyncGenerator[HubSource]":
            async with opened_for_clients(config, accounts, given) as session:
                yield _source(config, accounts, session, given)

        return HubDashboard(opened, accounts, ready, port=given["port"], allow_actions=given["allow_actions"])

    return run_services(make, SilentPresenter())


def announce(url: str, given: dict[str, Any]) -> None:
    """Print the URL."""
    if given["output"] == "json":
        members = {"event": "started", "dashboard_url": url, "allow_actions": given["allow_actions"]}
        click.echo(msgspec.json.encode(members).decode())
        return
    note = "" if given["allow_actions"] else " (read-only; --allow-actions changes that)"
    click.echo(f"Dashboard: {url}{note}, Ctrl+C stops")


def _config(ctx: click.Context, given: dict[str, Any]) -> HostConfig:
    if given["path"] is None:
        return config_of(ctx, given["task_hub_name"])
    if given["connection_string_setting"] is not None:
        raise UsageError("--path and --connection-string-setting cannot be combined.")
    path = Path(given["path"]).absolute()
    name = _name_in(path)
    if given["task_hub_name"] not in (None, name):
        raise UsageError(f"The file '{path}' has the task hub '{name}'.", remedy="Omit --task-hub-name.")
    given["task_hub_name"] = name
    durable = {"hubName": name, "storageProvider": {"type": "sqlite", "path": str(path)}}
    content = {"version": "2.0", "extensions": {"durableTask": durable}}
    host = read_host_json(content, "the options", lambda text, _: text, [])
    return HostConfig(root=path.parent, settings=AppSettings(dict(os.environ)), host=host)


def _name_in(path: Path) -> str:
    """The name of the task hub in a file. Raises TaskHubMissing, HubUnavailable."""
    if not path.is_file():
        raise TaskHubMissing(f"There is no file '{path}'.", remedy="Pass the SQLite file of a task hub with --path.")
    try:
        with closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)) as connection:
            row = connection.execute("SELECT name FROM hub").fetchone()
    except sqlite3.OperationalError as error:
        if "no such table" not in str(error):
            raise HubUnavailable(f"The file '{path}' cannot be read.", cause=str(error)) from error
        row = None
    except sqlite3.Error as error:
        raise HubUnavailable(f"The file '{path}' is not a task hub.", cause=str(error)) from error
    if row is None:
        raise TaskHubMissing(f"The file '{path}' has no task hub.", remedy="Pass the SQLite file of a task hub.")
    return str(row[0])


def _source(config: HostConfig, accounts: Any, session: HubSession, given: dict[str, Any]) -> "HubSource":
    from durable_host.dashboard.sources import HubSource
    from durable_host.host.hub_opening import sqlite_path, uses_sqlite
    from durable_host.host.summary import storage_text

    durable = config.host.durable
    if uses_sqlite(config):
        return HubSource(
            storage="sqlite",
            account=str(sqlite_path(config, session.name)),
            is_development=True,
            client=session.client,
            options=durable,
        )
    account = accounts.account(given["connection_string_setting"] or durable.storage.connection_name)
    return HubSource(
        storage="azure",
        account=storage_text(account.connection),
        is_development=account.connection.is_development,
        client=session.client,
        options=durable,
        queues=account,
    )
