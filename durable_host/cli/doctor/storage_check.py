"""Checks the app's storage accounts: whether the services answer, the key is valid, and Azurite could be started."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Final

from durable_host.bindings.accounts import Accounts
from durable_host.cli.doctor import findings
from durable_host.cli.doctor.findings import Finding
from durable_host.config.connection import Connection
from durable_host.errors import ConfigurationError
from durable_host.storage import StorageAccount, StorageError
from durable_host.storage.azurite import AzuriteError, is_local_development, probe
from durable_host.storage.azurite.install import find_azurite, find_node
from durable_host.storage.errors import explain

_STORAGE: Final = "Storage"
_AZURITE: Final = "Azurite"


async def check(root: Path, accounts: Accounts, name: str | None) -> tuple[StorageAccount | None, list[Finding]]:
    """The account of a connection (None if it does not answer) and the findings."""
    try:
        account = accounts.account(name)
    except ConfigurationError as error:
        return None, [findings.of_error(_STORAGE, error)]
    connection = account.connection
    if is_local_development(connection):
        return await _development(root, account, connection)
    try:
        await _ask_services(account)
    except StorageError as error:
        return None, [findings.of_error(_STORAGE, explain(error, connection.setting))]
    return account, [findings.ok(_STORAGE, f"{connection.setting}: account '{connection.account_name}' answers")]


async def _development(
    root: Path, account: StorageAccount, connection: Connection
) -> tuple[StorageAccount | None, list[Finding]]:
    health = await asyncio.to_thread(probe, connection)
    where = ", ".join(f"{service.service} {service.address}" for service in health.services)
    if health.is_ready:
        return account, [findings.ok(_STORAGE, f"{connection.setting}: Azurite answers ({where})")]
    problem = health.problem(connection.setting)
    if not health.is_silent and problem is not None:
        return None, [findings.of_error(_STORAGE, problem)]
    return None, [
        findings.ok(_STORAGE, f"{connection.setting}: Azurite is not running ({where}); 'func start' starts it"),
        _installation(root),
    ]


def _installation(root: Path) -> Finding:
    try:
        node = find_node()
    except AzuriteError as error:
        return findings.of_error(_AZURITE, error)
    program = find_azurite(root)
    if program is None:
        return findings.warning(
            _AZURITE,
            "Azurite is not installed yet: the first 'func start' that needs it downloads it (about 65 MB).",
            "With a network there is nothing to do; without one: npm install -g azurite",
        )
    return findings.ok(_AZURITE, f"Azurite is installed ({program.origin}), to be run by {node.program}")


async def _ask_services(account: StorageAccount) -> None:
    """One small request to each service that the connection has. Raises StorageError."""
    connection = account.connection
    questions: list[tuple[str | None, Callable[[], Awaitable[object]]]] = [
        (connection.queue_endpoint, lambda: account.queues.exists("func-doctor")),
        (connection.table_endpoint, lambda: account.tables.table_exists("funcdoctor")),
        (connection.blob_endpoint, lambda: account.blobs.container_exists("func-doctor")),
    ]
    for endpoint, ask in questions:
        if endpoint:
            await ask()
