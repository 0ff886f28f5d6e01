"""The storage of a live host: an Azurite of its own, in memory, on free ports."""

from collections.abc import Iterable, Mapping
from contextlib import suppress
from typing import Final

from durable_host.config import AppSettings
from durable_host.errors import ConfigurationError
from durable_host.storage import StorageAccount, StorageError
from durable_host.storage.azurite import connection_string, free_connection, start_azurite
from durable_host.testing.account_settings import accounts_of_sections, accounts_of_texts

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
        names = [name for name, account in accounts_of_texts(settings).items() if account.is_development]
        return dict.fromkeys([_MAIN, *names], self.connection_string)

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
    """Raise RealAccount for the first setting with an account that is not in an Azurite, unless it is `allowed`."""
    fine = {name.casefold() for name in (_MAIN, *allowed)}
    accounts = {**accounts_of_texts(settings), **accounts_of_sections(settings)}
    for name, account in accounts.items():
        if not account.is_development and name.casefold() not in fine:
            raise RealAccount(
                f"The setting '{name}' names the storage account '{account.account_name}', and a live test would use "
                "it.",
                cause="The Azurite of the test replaces AzureWebJobsStorage and development accounts only.",
                remedy=f'Give the tests another value: settings={{"{name}": "UseDevelopmentStorage=true"}}, or '
                f"'durable_host_settings' in the ini file. To really use the account: real_accounts=[\"{name}\"], or "
                "'durable_host_real_accounts' in the ini file.",
            )
