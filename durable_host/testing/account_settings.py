"""The settings of an app that name storage accounts."""

import re
from collections.abc import Mapping
from urllib.parse import urlsplit

from durable_host.config.connection import Connection
from durable_host.config.connections import (
    DEVELOPMENT_ACCOUNT,
    ConnectionInvalid,
    ConnectionMissing,
    parse_connection_string,
    resolve,
)
from durable_host.config.settings import AppSettings, setting_key

_OF_STORAGE = frozenset({"accountname", "blobserviceuri", "queueserviceuri", "tableserviceuri"})
_OF_ANY_SERVICE = frozenset({"serviceuri", "endpoint"})
_IN_AZURE = re.compile(r"https?://([a-z0-9-]+)(?:\.z\d+)?\.(?:blob|queue|table)\.(?:core|storage)\.", re.IGNORECASE)
_OF_A_SERVICE = re.compile(r"\.(?:blob|queue|table)\.")
_OTHER_SERVICES = ("sb://", "accountendpoint=", "instrumentationkey=", "hostname=")


def accounts_of_texts(settings: AppSettings) -> dict[str, Connection]:
    """The settings whose values are connection strings of storage accounts."""
    found = {name: _account_of_text(name, value) for name, value in settings.items()}
    return {name: account for name, account in found.items() if account is not None}


def accounts_of_sections(settings: AppSettings) -> dict[str, Connection]:
    """The names of settings whose parts, such as `NAME__accountName`, describe a storage account with an identity."""
    found = {name: _account_of_section(settings, name) for name in _sections(settings)}
    return {name: account for name, account in found.items() if account is not None}


def accounts_of_addresses(settings: AppSettings) -> dict[str, str]:
    """The other settings with addresses in Azure Storage, such as SAS URLs: the names of the accounts."""
    found = {name: match[1] for name, value in settings.items() if (match := _IN_AZURE.search(value))}
    known = {*map(setting_key, accounts_of_texts(settings)), *map(setting_key, accounts_of_sections(settings))}
    return {
        name: account
        for name, account in found.items()
        if not {setting_key(name), setting_key(name).rpartition(":")[0]} & known
    }


def parts_of(settings: AppSettings, section: str) -> dict[str, str]:
    """The settings of a section that say where an account is, as they are written: the part in lower case."""
    parts = {name: setting_key(name).rpartition(":") for name in settings}
    return {
        name: part
        for name, (of, _, part) in parts.items()
        if of == setting_key(section) and part in _OF_STORAGE | _OF_ANY_SERVICE
    }


def service_of(part: str, value: str) -> str:
    """The service (blob, queue or table) whose address a part of a section is."""
    text = f".{part}" if part not in _OF_ANY_SERVICE else value
    marks = {"queue": (".queue", ":10001/"), "table": (".table", ":10002/")}
    return next((service for service, found in marks.items() if any(mark in text for mark in found)), "blob")


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
    for name, value in settings.items():
        section, separator, part = name.replace(":", "__").rpartition("__")
        if separator and _is_of_storage(part.casefold(), value):
            found.setdefault(section.casefold(), section)
    return list(found.values())


def _is_of_storage(part: str, value: str) -> bool:
    """Whether a part of a section describes a storage account. The names of some are those of other services too."""
    if part not in _OF_ANY_SERVICE:
        return part in _OF_STORAGE
    try:
        address = urlsplit(value.strip())
        host = address.hostname or ""
    except ValueError:
        return False
    return bool(_OF_A_SERVICE.search(host)) or address.path.split("/")[1:2] == [DEVELOPMENT_ACCOUNT]


def _account_of_section(settings: AppSettings, name: str) -> Connection | None:
    try:
        return resolve(settings, name)
    except (ConnectionInvalid, ConnectionMissing):
        return None
