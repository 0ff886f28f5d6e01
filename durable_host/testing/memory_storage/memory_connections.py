"""The connections of an app under test: each setting that names a storage account names one in memory instead."""

from dataclasses import dataclass

from durable_host.config.connections import DEVELOPMENT_ACCOUNT, DEVELOPMENT_KEY
from durable_host.config.settings import AppSettings, setting_key
from durable_host.testing.account_settings import accounts_of_sections, accounts_of_texts

HOST_CONNECTION = "AzureWebJobsStorage"
_SERVICES = ("blob", "queue", "table")


@dataclass(frozen=True, slots=True)
class MemoryPorts:
    """Where the services listen on this machine."""

    blob: int
    queue: int
    table: int

    def connection_string(self, account: str = DEVELOPMENT_ACCOUNT) -> str:
        """A connection string for clients of the storage SDKs."""
        endpoints = "".join(
            f"{service.capitalize()}Endpoint=http://127.0.0.1:{getattr(self, service)}/{account};"
            for service in _SERVICES
        )
        return f"DefaultEndpointsProtocol=http;AccountName={account};AccountKey={DEVELOPMENT_KEY};{endpoints}"


def settings_in_memory(settings: AppSettings, ports: MemoryPorts) -> AppSettings:
    """The settings of an app, without any storage account outside of this process.

    The accounts keep their names, so that two connections to one account remain two connections to one account.
    Without `AzureWebJobsStorage`, the app gets one.
    """
    values = dict(settings.items())
    for name, account in accounts_of_texts(settings).items():
        values[name] = ports.connection_string(account.account_name)
    for name, account in accounts_of_sections(settings).items():
        prefix = setting_key(f"{name}__")
        values = {key: value for key, value in values.items() if not setting_key(key).startswith(prefix)}
        values[name] = ports.connection_string(account.account_name)
    values = {
        name: value
        for name, value in values.items()
        if value.strip() or setting_key(name) != setting_key(HOST_CONNECTION)
    }
    changed = AppSettings(values, settings.local_names)
    return changed.with_default(HOST_CONNECTION, ports.connection_string())
