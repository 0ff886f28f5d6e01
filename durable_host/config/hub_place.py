"""Decides where the task hub is stored if host.json does not: in a storage account, or in a SQLite file.

That is the case if host.json names a service that is not on this machine (Durable Task Scheduler, SQL Server,
Netherite), or if the user chooses with `func start --task-hub` or `DURABLE_HOST_TASK_HUB`.
"""

from collections.abc import Mapping
from typing import Final, Literal

import msgspec

from durable_host.config import connections
from durable_host.config.settings import AppSettings
from durable_host.errors import ConfigurationError

SETTING: Final = "DURABLE_HOST_TASK_HUB"
CHOICES: Final = ("storage", "sqlite")
OTHER_SERVICES: Final[Mapping[str, str]] = {
    "azuremanaged": "Durable Task Scheduler",
    "mssql": "SQL Server",
    "netherite": "Netherite",
}
"""Storage providers of Durable Functions that are separate services: type in lower case → name."""

Place = Literal["storage", "sqlite"]

_PROVIDER: Final[Mapping[Place, str]] = {"storage": "AzureStorage", "sqlite": "sqlite"}


class HubPlace(msgspec.Struct, frozen=True):
    """`chosen`: what the user asks for, None for nothing. `has_emulator`: AzureWebJobsStorage is the development
    account."""

    chosen: Place | None = None
    has_emulator: bool = False

    def provider(self, provider: str) -> str:
        """The provider to use if host.json names `provider`: AzureStorage or sqlite.

        A service that is not available is replaced by the development account, or by a file if the app does not use
        that account, so that no task hub is created in a real account without a request.
        """
        if self.chosen is not None:
            return _PROVIDER[self.chosen]
        if provider.casefold() in OTHER_SERVICES:
            return _PROVIDER["storage" if self.has_emulator else "sqlite"]
        return provider


def place_of(settings: AppSettings, option: str | None) -> HubPlace:
    """The place according to `option` (from the command line) or the setting. Raises ConfigurationError."""
    chosen = option or settings.get(SETTING, "").strip().casefold() or None
    if chosen is not None and chosen not in CHOICES:
        raise ConfigurationError(
            f"The setting '{SETTING}' is '{settings[SETTING]}', expected storage or sqlite.",
            remedy=f"Set {SETTING} to storage (the account of AzureWebJobsStorage) or sqlite (a file), or remove it.",
            code="DH1002",
        )
    return HubPlace(chosen, _has_emulator(settings))


def _has_emulator(settings: AppSettings) -> bool:
    try:
        return connections.resolve(settings).is_development
    except ConfigurationError:
        return False
