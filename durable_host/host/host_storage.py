"""Sees to it that the storage which an app needs answers: starts Azurite for development accounts."""

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
    "when there are thousands; the one that the host starts does not. Stop this one and restart the host."
)

_log = logging.getLogger("Host.Startup")


class HostStorage:
    """Owner of the Azurite that this host started, if it did."""

    def __init__(self, options: StartOptions, root: Path) -> None:
        self._options = options
        self._root = root
        self._azurite: OwnAzurite | None = None

    @property
    def was_started(self) -> bool:
        """True when this host has started the Azurite that it uses."""
        return self._azurite is not None and self._azurite.was_started

    @property
    def is_ensured(self) -> bool:
        """True when the development account was needed, and answers."""
        return self._azurite is not None

    async def ensure_for_code(self, connection: Connection) -> None:
        """Start the storage that clients in the app's own code use. The app may run without it."""
        try:
            await self.ensure(connection)
        except AzuriteError as error:
            _log.warning("The app's code reads '%s', but: %s %s", connection.setting, error, error.remedy or "")

    async def ensure_for(self, app: ServedApp) -> None:
        """Raises AzuriteError, ConnectionMissing."""
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
        """What the log adds when the account stands still."""
        if is_local_development(account.connection):
            account.standstill.advice = "" if self.was_started else FOREIGN_AZURITE

    async def stop(self) -> None:
        """End the Azurite of this host."""
        if self._azurite is not None:
            await self._azurite.stop()

    def kill(self) -> None:
        """Azurite saves and ends by itself; a container does not."""
        if self._azurite is not None:
            self._azurite.stop_container()

    async def ensure(self, connection: Connection) -> None:
        """Start Azurite if `connection` means the development account and nothing answers. Raises AzuriteError."""
        if not is_local_development(connection) or self._azurite is not None:
            return
        azurite = OwnAzurite(connection, self._options.azurite, self._root, self._options.presenter.progress)
        self._azurite = azurite
        try:
            await azurite.ensure()
        except AzuriteError:
            self._azurite = None
            raise
