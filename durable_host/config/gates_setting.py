"""The setting for gates: whether a step begins only when the previous one has settled, as in Azure."""

from typing import Final

from durable_host.config import connections
from durable_host.config.durable import StorageProviderOptions
from durable_host.config.settings import AppSettings
from durable_host.errors import ConfigurationError

SETTING: Final = "DURABLE_HOST_GATES"


def are_kept(settings: AppSettings) -> bool:
    """Whether gates are kept; true by default. Raises ConfigurationError."""
    text = settings.get(SETTING, "").strip().casefold()
    if text in ("", "keep"):
        return True
    if text == "lift":
        return False
    raise ConfigurationError(
        f"The setting '{SETTING}' is '{settings[SETTING]}', expected keep or lift.",
        remedy=f"Set {SETTING} to keep (steps begin when they would in Azure) or lift (steps begin as soon as the code "
        "asks for them), or remove it.",
        code="DH1002",
    )


def lifted_note(settings: AppSettings, storage: StorageProviderOptions) -> str | None:
    """A warning if gates are lifted on a hub that a host in Azure could use; None for a hub on this machine."""
    if storage.type == "sqlite" or _is_development(settings, storage.connection_name):
        return None
    return (
        f"{SETTING} is lift, and the task hub is in a storage account: if a host in Azure takes over an instance "
        "that is ahead of its gates, the instance fails. Use the setting only for hubs that no host in Azure will use."
    )


def _is_development(settings: AppSettings, connection: str) -> bool:
    try:
        return connections.resolve(settings, connection).is_development
    except ConfigurationError:
        return True
