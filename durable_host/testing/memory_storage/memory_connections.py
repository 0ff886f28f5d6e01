"""The connections of an app under test: each setting that names a storage account names one in memory instead."""

from collections.abc import Mapping
from dataclasses import dataclass

from durable_host.config.connections import (
    DEVELOPMENT_ACCOUNT,
    DEVELOPMENT_KEY,
    ConnectionInvalid,
    parse_connection_string,
    resolve,
)
from durable_host.config.settings import AppSettings

HOST_CONNECTION = "AzureWebJobsStorage"
_SERVICES = ("blob", "queue", "table")
_OF_STORAGE = frozenset({"accountname", "blobserviceuri", "queueserviceuri", "tableserviceuri"})
_OTHER_SERVICES = ("sb://", "accountendpoint=", "instrumentationkey=", "hostname=")


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
    values: dict[str, str] = {}
    for name, value in settings.items():
        account = _account_of_text(name, value)
        values[name] = value if account is None else ports.connection_string(account)
    for name in _sections(settings):
        account = _account_of_section(settings, name)
        if account is not None:
            prefix = _key(f"{name}__")
            values = {key: value for key, value in values.items() if not _key(key).startswith(prefix)}
            values[name] = ports.connection_string(account)
    values = {name: value for name, value in values.items() if value.strip() or _key(name) != _key(HOST_CONNECTION)}
    changed = AppSettings(values, settings.local_names)
    return changed.with_default(HOST_CONNECTION, ports.connection_string())


def _account_of_text(name: str, value: str) -> str | None:
    """The account of a storage connection string; None for any other value."""
    text = value.casefold()
    if any(mark in text for mark in _OTHER_SERVICES):
        return None
    is_storage = "usedevelopmentstorage=" in text or "accountname=" in text or "endpoint=http" in text
    if not is_storage:
        return None
    try:
        return parse_connection_string(value, name).account_name
    except ConnectionInvalid:
        return None


def _sections(settings: Mapping[str, str]) -> list[str]:
    """The names of settings whose parts describe a storage account with an identity."""
    found: dict[str, str] = {}
    for name in settings:
        section, separator, child = name.replace(":", "__").rpartition("__")
        if separator and child.casefold() in _OF_STORAGE:
            found.setdefault(section.casefold(), section)
    return list(found.values())


def _account_of_section(settings: AppSettings, name: str) -> str | None:
    try:
        return resolve(settings, name).account_name
    except ConnectionInvalid:
        return None


def _key(name: str) -> str:
    return name.replace("__", ":").casefold()
