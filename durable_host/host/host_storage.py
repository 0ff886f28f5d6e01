"""Makes sure that the storage of an app answers: starts Azurite for development accounts."""

import logging
from pathlib import Path

from durable_host.config import StartOptions
from durable_host.config.connection import Connection
from durable_host.host.azurite import OwnAzurite
from durable_host.host.hub_opening import uses_sqlite
from durable_host.host.served_app import ServedApp
from durable_host.host.triggers import host_account
from durable_host.storage.account import StorageAccount
from durable_host.storage.azurite import AzuriteError, is_local_development

FOREIGN_AZURITE = (
    "This host did not start this Azurite. Azurite does not answer while it cleans up old messages, for half a minute "
    "if there are thousands; the Azurite that the host starts does. Stop this one and restart the host."
)

_log = logging.getLogger("Host.Startup")


class HostStorage:
    """Starts the storage of the app, and owns the Azurite that it started."""

    def __init__(self, options: StartOptions, root: Path) -> None:
        self._options = options
        self._root = root
        self._azurite: OwnAzurite | None = None

    @property
    def was_started(self) -> bool:
        """True if this host started the Azurite that it uses."""
        return self._azurite is not None and self._azurite.was_started

    @property
    def is_ensured(self) -> bool:
        """True if the development account was needed and answers."""
        return self._azurite is not None

    async def ensure_for_code(self, connection: Connection) -> None:
        """Start the storage that the app's own code uses. On failure, log a warning: the app may run without it."""
        try:
            await self.ensure(connection)
        except AzuriteError as error:
            _log.warning("The app's code reads '%s', but: %s %s", connection.setting, error, error.remedy or "")

    async def ensure_for(self, app: ServedApp) -> None:
        """Start the storage that the app's functions need. Raises AzuriteError, ConnectionMissing."""
        names = set(app.functions.connection_names)
        if app.functions.use_durable and not uses_sqlite(app.config):
            names.add(app.config.host.durable.storage.connection_name)
        for name in sorted(names):
            account = app.accounts.account(name)
            await self.ensure(account.connection)
            self._advise(account)
        account = host_account(app.accounts)
        if account is None:
            return
        if self._options.enable_auth:
            await self.ensure(account.connection)
        elif app.functions.of_trigger("timertrigger"):
            try:
                await self.ensure(account.connection)
            except AzuriteError as error:
                _log.warning("Timers start without storage. %s %s", error, error.remedy or "")
        self._advise(account)

    def _advise(self, account: StorageAccount) -> None:
        """Set the advice that is logged when the account stops answering."""
        if is_local_development(account.connection):
            account.standstill.advice = "" if self.was_started else FOREIGN_AZURITE

    async def stop(self) -> None:
        """Stop the Azurite that this host started."""
        if self._azurite is not None:
            await self._azurite.stop()

    def kill(self) -> None:
        """Stop a container immediately. An Azurite process saves its data and ends by itself."""
        if self._azurite is not None:
            self._azurite.stop_container()

    async def ensure(self, connection: Connection) -> None:
        """Start Azurite if `connection` is the development account and nothing answers. Raises AzuriteError."""
        if not is_local_development(connection) or self._azurite is not None:
            return
        azurite = OwnAzurite(connection, self._options.azurite, self._root, self._options.presenter.progress)
        self._azurite = azurite
        try:
            await azurite.ensure()
        except AzuriteError:
            self._azurite = None
            raise
