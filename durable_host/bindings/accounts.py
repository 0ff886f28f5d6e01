"""The storage accounts of triggers and bindings, by connection name."""

from collections.abc import Callable
from functools import partial

from durable_host.config.connection import Connection
from durable_host.config.connections import resolve
from durable_host.config.settings import AppSettings
from durable_host.storage.account import StorageAccount


class Accounts:
    """Opens each account once, even under several names, and closes all of them. `open_account` opens one."""

    def __init__(
        self,
        settings: AppSettings,
        *,
        max_connections: int = 16,
        open_account: Callable[[Connection], StorageAccount] | None = None,
    ) -> None:
        self._settings = settings
        self._open_account: Callable[[Connection], StorageAccount] = open_account or partial(
            StorageAccount, max_connections=max_connections
        )
        self._by_name: dict[str, StorageAccount] = {}
        self._opened: list[StorageAccount] = []

    def renewed(self, settings: AppSettings) -> "Accounts":
        """The accounts for new settings. Accounts that are already open are shared, and closed with these."""
        renewed = Accounts(settings, open_account=self._open_account)
        renewed._opened = self._opened
        return renewed

    def account(self, name: str | None) -> StorageAccount:
        """The account of a connection. Raises ConnectionMissing and ConnectionInvalid."""
        key = (name or "").lower()
        if key not in self._by_name:
            connection = resolve(self._settings, name)
            known = next((one for one in self._opened if one.connection == connection), None)
            if known is None:
                known = self._open_account(connection)
                self._opened.append(known)
            self._by_name[key] = known
        return self._by_name[key]

    @property
    def opened(self) -> list[StorageAccount]:
        """The accounts that were opened."""
        return list(self._opened)

    async def close(self) -> None:
        self._by_name.clear()
        while self._opened:
            await self._opened.pop().close()


def account_key(account: StorageAccount) -> str:
    """The key of an account in `QueueSignals`."""
    return account.connection.queue_endpoint or account.connection.account_name


def blob_account_key(account: StorageAccount) -> str:
    """The key of an account in `BlobSignals`."""
    return account.connection.blob_endpoint or account.connection.account_name
