"""Opens the configured task hub."""

from pathlib import Path

from durable_host.bindings.accounts import Accounts
from durable_host.clock import Clock, SystemClock
from durable_host.config import HostConfig
from durable_host.config import hub_name as hub_names
from durable_host.config.connections import require
from durable_host.durable.taskhub.port import TaskHub
from durable_host.errors import ConfigurationError
from durable_host.private_files import APP_FOLDER


def adapter_module(config: HostConfig) -> str:
    """What `open_hub` imports, which takes too long for the event loop."""
    return f"durable_host.durable.taskhub.{'sqlite' if uses_sqlite(config) else 'azure'}"


def open_foreign_hub(config: HostConfig, accounts: Accounts, hub_name: str, connection: str) -> TaskHub:
    """A hub that a request names, for clients only. Raises ConfigurationError, ConnectionMissing."""
    problem = hub_names.problem(hub_name)
    if problem is not None:
        raise ConfigurationError(problem)
    return open_hub(config, accounts, hub_name, connection, is_foreign=True)


def open_hub(
    config: HostConfig,
    accounts: Accounts,
    hub_name: str,
    connection: str,
    *,
    is_foreign: bool = False,
    eager: bool = False,
    clock: Clock | None = None,
) -> TaskHub:
    """The hub `hub_name` behind `connection`; no request is sent yet. `eager`: see the SQLite hub.

    A `clock` may be ahead of the machine's.

    Raises ConnectionMissing, and ConnectionInvalid if a connection lacks a service that the hub needs.
    """
    if uses_sqlite(config):
        from durable_host.durable.taskhub.sqlite import ForeignSqliteHub, SqliteTaskHub

        if is_foreign:
            return ForeignSqliteHub(_in_any_case(sqlite_path(config, hub_name)), hub_name)
        return SqliteTaskHub(sqlite_path(config, hub_name), hub_name, clock, inline=clock is not None, eager=eager)
    from durable_host.durable.taskhub.azure import AzureTaskHub, AzureTaskHubOptions
    from durable_host.durable.taskhub.azure.foreign import ForeignAzureHub

    storage = config.host.durable.storage
    tracking_name = storage.tracking_store_connection_name
    options = AzureTaskHubOptions(
        hub_name=hub_name,
        partition_count=storage.partition_count,
        control_queue_batch_size=storage.control_queue_batch_size,
        control_queue_buffer_threshold=storage.control_queue_buffer_threshold,
        control_queue_visibility_timeout=storage.control_queue_visibility_timeout,
        work_item_queue_visibility_timeout=storage.work_item_queue_visibility_timeout,
        max_polling_interval=storage.max_queue_polling_interval,
        message_encoding=storage.queue_client_message_encoding.lower(),
        use_table_partition_management=storage.use_table_partition_management,
        use_app_lease=config.host.durable.use_app_lease,
        app_name=config.settings.get("WEBSITE_SITE_NAME", ""),
        table_prefix=storage.tracking_store_name_prefix if tracking_name else None,
    )
    account = accounts.account(connection)
    tracking = accounts.account(tracking_name) if tracking_name else account
    require(account.connection, "queue")
    for service in ("table", "blob"):
        require(tracking.connection, service)
    hub_class = ForeignAzureHub if is_foreign else AzureTaskHub
    return hub_class(account, tracking, options, clock, None if clock is None else SystemClock())


def uses_sqlite(config: HostConfig) -> bool:
    return config.host.durable.storage.type.lower() == "sqlite"


def sqlite_path(config: HostConfig, hub_name: str) -> Path:
    """The hub's file. `path` of the storage provider sets the file of the app's own hub."""
    path = config.host.durable.storage.path
    if path and hub_name == config.host.durable.hub_name:
        return config.root / path
    return config.root / APP_FOLDER / f"{hub_name}.db"


def existing_name(config: HostConfig, hub_name: str) -> str:
    """The name of a hub as the hub itself has it: the case of a name that a call gives may differ."""
    if hub_name.lower() == config.host.durable.hub_name.lower():
        return config.host.durable.hub_name
    return _in_any_case(sqlite_path(config, hub_name)).stem if uses_sqlite(config) else hub_name


def _in_any_case(path: Path) -> Path:
    """An existing file whose name differs only in case, otherwise `path`: hub names in an account ignore case too."""
    if path.exists() or not path.parent.is_dir():
        return path
    return next((one for one in path.parent.iterdir() if one.name.lower() == path.name.lower()), path)
