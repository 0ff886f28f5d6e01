"""The storage accounts that triggers and bindings use, by connection name."""

from durable_host.config.connections import resolve
from durable_host.config.settings import AppSettings
from durable_host.storage.account import StorageAccount


class Accounts:
    """Opens each account once, whatever names it goes by, and closes all of them."""

    def __init__(self, settings: AppSettings, *, max_connections: int = 16) -> None:
        self._settings = settings
        self._max_connections = max_connections
        self._by_name: dict[str, StorageAccount] = {}
        self._opened: list[StorageAccount] = []

    def renewed(self, settings: AppSettings) -> "Accounts":
        """The accounts as other settings name them; those that are open already are shared, and closed with these."""
        renewed = Accounts(settings, max_connections=self._max_connections)
        renewed._opened = self._opened
        return renewed

    def account(self, name: str | None) -> StorageAccount:
        """Raises ConnectionMissing and ConnectionInvalid."""
        key = (name or "").lower()
        if key not in self._by_name:
            connection = resolve(self._settings, name)
            known = next((one for one in self._opened if one.connection == connection), None)
            if known is None:
                known = StorageAccount(connection, max_connections=self._max_connections)
                self._opened.append(known)
            self._by_name[key] = known
        return self._by_name[key]

    async def close(self) -> None:
        self._by_name.clear()
        while self._opened:
            await self._opened.pop().close()


def account_key(account: StorageAccount) -> str:
    """What `QueueSignals` knows an account by."""
    return account.connection.queue_endpoint or account.connection.account_name


def blob_account_key(account: StorageAccount) -> str:
    """What `BlobSignals` knows an account by."""
    return account.connection.blob_endpoint or account.connection.account_name
