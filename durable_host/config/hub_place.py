"""Where the task hub lives when host.json does not decide it: in a storage account, or in a SQLite file.

host.json does not decide when it names a service that is not on this machine (Durable Task Scheduler, SQL Server,
Netherite), and when the user chooses with `func start --task-hub` or `DURABLE_HOST_TASK_HUB`.
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
"""Storage providers of Durable Functions that are services of their own: type in lower case → name."""

Place = Literal["storage", "sqlite"]

_PROVIDER: Final[Mapping[Place, str]] = {"storage": "AzureStorage", "sqlite": "sqlite"}


class HubPlace(msgspec.Struct, frozen=True):
    """`chosen`: what the user asks for, None for nothing. `has_emulator`: AzureWebJobsStorage is the development
    account."""

    chosen: Place | None = None
    has_emulator: bool = False

    def provider(self, provider: str) -> str:
        """The provider that serves the hub of an app whose host.json names `provider`: AzureStorage or sqlite.

        A service that is not here is replaced by the development account, and by a file where the app does not use
        that account: a real account gets no task hub that nobody asked for.
        """
        if self.chosen is not None:
            return _PROVIDER[self.chosen]
        if provider.casefold() in OTHER_SERVICES:
            return _PROVIDER["storage" if self.has_emulator else "sqlite"]
        return provider


def place_of(settings: AppSettings, option: str | None) -> HubPlace:
    """The choice that `option` (of the command line) or the setting makes. Raises ConfigurationError."""
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
