"""The settings of an app that name storage accounts."""

from collections.abc import Mapping

from durable_host.config.connection import Connection
from durable_host.config.connections import ConnectionInvalid, parse_connection_string, resolve
from durable_host.config.settings import AppSettings

_OF_STORAGE = frozenset({"accountname", "blobserviceuri", "queueserviceuri", "tableserviceuri"})
_OTHER_SERVICES = ("sb://", "accountendpoint=", "instrumentationkey=", "hostname=")


def accounts_of_texts(settings: AppSettings) -> dict[str, Connection]:
    """The settings whose values are connection strings of storage accounts."""
    found = {name: _account_of_text(name, value) for name, value in settings.items()}
    return {name: account for name, account in found.items() if account is not None}


def accounts_of_sections(settings: AppSettings) -> dict[str, Connection]:
    """The names of settings whose parts, such as `NAME__accountName`, describe a storage account with an identity."""
    found = {name: _account_of_section(settings, name) for name in _sections(settings)}
    return {name: account for name, account in found.items() if account is not None}


def _account_of_text(name: str, value: str) -> Connection | None:
    text = value.casefold()
    if any(mark in text for mark in _OTHER_SERVICES):
        return None
    is_storage = "usedevelopmentstorage=" in text or "accountname=" in text or "endpoint=http" in text
    if not is_storage:
        return None
    try:
        return parse_connection_string(value, name)
    except ConnectionInvalid:
        return None


def _sections(settings: Mapping[str, str]) -> list[str]:
    found: dict[str, str] = {}
    for name in settings:
        section, separator, child = name.replace(":", "__").rpartition("__")
        if separator and child.casefold() in _OF_STORAGE:
            found.setdefault(section.casefold(), section)
    return list(found.values())


def _account_of_section(settings: AppSettings, name: str) -> Connection | None:
    try:
        return resolve(settings, name)
    except ConnectionInvalid:
        return None
