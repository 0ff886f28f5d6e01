"""The storage of a live host: an Azurite of its own, in memory, on free ports."""

from collections.abc import Iterable, Mapping
from contextlib import suppress
from typing import Final

from durable_host.config import AppSettings
from durable_host.errors import ConfigurationError
from durable_host.storage import StorageAccount, StorageError
from durable_host.storage.azurite import connection_string, free_connection, start_azurite
from durable_host.testing.account_settings import (
    accounts_of_addresses,
    accounts_of_sections,
    accounts_of_texts,
    parts_of,
    service_of,
)

__tracebackhide__ = True

_MAIN: Final = "AzureWebJobsStorage"


class RealAccount(ConfigurationError):
    """A live test would use a real storage account that a setting of the app names."""

    code = "DH1008"


class LiveStorage:
    """Owns an Azurite. The constructor starts it. Raises AzuriteError."""

    def __init__(self) -> None:
        connection = free_connection()
        self._azurite = start_azurite(connection)
        self.connection = connection

    @property
    def connection_string(self) -> str:
        return connection_string(self.connection)

    def settings_for(self, settings: AppSettings) -> Mapping[str, str]:
        """The settings of an app that refer to a development account, and the main one, with this account."""
        accounts = {**accounts_of_texts(settings), **accounts_of_sections(settings)}
        names = [_MAIN, *(name for name, account in accounts.items() if account.is_development)]
        parts = {setting: part for name in names for setting, part in parts_of(settings, name).items()}
        replaced = {setting: self._part(part, settings[setting]) for setting, part in parts.items()}
        return {**replaced, **dict.fromkeys(names, self.connection_string)}

    def _part(self, part: str, value: str) -> str:
        """Return what code reads for a part of an identity, such as the address of the queue service."""
        if part == "accountname":
            return self.connection.account_name
        service = service_of(part, value)
        endpoint: str | None = getattr(self.connection, f"{service}_endpoint")
        assert endpoint is not None
        return endpoint

    async def clear(self) -> None:
        """Delete all queues, tables and containers."""
        async with StorageAccount(self.connection) as account:
            for queue in await account.queues.list(""):
                await account.queues.delete_queue(queue)
            for table in await account.tables.list_tables():
                await account.tables.delete_table(table)
            for container in await account.blobs.list_containers():
                with suppress(StorageError):  # it has no lease
                    await account.blobs.break_lease(container, None)
                await account.blobs.delete_container(container)

    def stop(self) -> None:
        self._azurite.stop()


def refuse_real_accounts(settings: AppSettings, allowed: Iterable[str]) -> None:
    """Raise RealAccount if settings name accounts that are not in an Azurite, unless they are `allowed`."""
    fine = {name.casefold() for name in (_MAIN, *allowed)}
    accounts = {**accounts_of_texts(settings), **accounts_of_sections(settings)}
    real = {name: account.account_name for name, account in accounts.items() if not account.is_development}
    real |= accounts_of_addresses(settings)
    refused = {name: account for name, account in real.items() if name.casefold() not in fine}
    if not refused:
        return
    named = [f"the setting '{name}' names the storage account '{account}'" for name, account in refused.items()]
    text = ", and ".join([", ".join(named[:-1]), named[-1]] if named[1:] else named)
    values = ", ".join(f'"{name}": "UseDevelopmentStorage=true"' for name in refused)
    names = ", ".join(f'"{name}"' for name in refused)
    raise RealAccount(
        f"{text[0].upper()}{text[1:]}, and a live test would use {'them' if named[1:] else 'it'}.",
        cause="The Azurite of the test replaces AzureWebJobsStorage and development accounts only.",
        remedy=f"Give the tests other values: settings={{{values}}}, or 'durable_host_settings' in the ini file. To "
        f"allow the accounts: real_accounts=[{names}], or 'durable_host_real_accounts' in the ini file.",
    )
