"""The storage of a live host: an Azurite of its own, in memory, on free ports."""

from collections.abc import Mapping
from contextlib import suppress
from typing import Final

from durable_host.config import AppSettings
from durable_host.config.connections import ConnectionInvalid, parse_connection_string
from durable_host.storage import StorageAccount, StorageError
from durable_host.storage.azurite import connection_string, free_connection, is_local_development, start_azurite

_MAIN: Final = "AzureWebJobsStorage"


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
        names = [name for name, value in settings.items() if _is_development(name, value)]
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


def _is_development(name: str, value: str) -> bool:
    if "UseDevelopmentStorage=" not in value and "AccountName=" not in value:
        return False
    try:
        return is_local_development(parse_connection_string(value, name))
    except ConnectionInvalid:
        return False
