"""Finds the account for the `connection` of a binding, from a connection string or identity settings.

Source: docs/protocol/functions-host-config.md#connections
"""

import base64
import binascii
from collections.abc import Callable, Mapping
from typing import Final
from urllib.parse import urlsplit

from durable_host.config.connection import Connection
from durable_host.config.settings import AppSettings
from durable_host.errors import ConfigurationError
from durable_host.redaction import looks_like_connection_string

DEFAULT: Final = "Storage"
DEVELOPMENT_ACCOUNT: Final = "devstoreaccount1"
DEVELOPMENT_KEY: Final = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="

_SERVICES: Final = ("blob", "queue", "table")
_DEVELOPMENT_PORTS: Final = {"blob": 10000, "queue": 10001, "table": 10002}
_CREDENTIAL_KEYS: Final = (
    "credential",
    "tenantId",
    "clientId",
    "clientSecret",
    "certificate",
    "username",
    "password",
    "managedIdentityResourceId",
    "managedIdentityObjectId",
    "managedIdentityClientId",
    "additionallyAllowedTenants",
)


class ConnectionMissing(ConfigurationError):
    """A binding's connection has no app setting: add it to local.settings.json or the environment."""

    code = "DH1101"


class ConnectionInvalid(ConfigurationError):
    """The app setting of a connection is not valid. Its value is never shown."""

    code = "DH1102"


def resolve(settings: AppSettings, name: str | None = None) -> Connection:
    """The account of the connection `name` (None or empty: AzureWebJobsStorage).

    Raises ConnectionMissing if there is no such setting, and ConnectionInvalid if it is not valid.
    """
    name = name or DEFAULT
    require_name(name)
    for section in (f"AzureWebJobs{name}", name):
        for setting in (f"ConnectionStrings:{section}", section):
            if value := settings.get(setting, "").strip():
                return parse_connection_string(value, setting)
            if children := settings.section(setting):
                return _from_identity(children, setting)
    written = name if name.casefold().startswith("azurewebjobs") else f"AzureWebJobs{name}"
    remedy = f"Add '{written}' to Values in local.settings.json (\"UseDevelopmentStorage=true\" means Azurite)."
    raise ConnectionMissing(
        f"Storage account connection string '{_prefixed(name)}' does not exist. "
        "Make sure that it is a defined App Setting.",
        remedy=remedy,
    )


def require_name(connection: str) -> None:
    """Raise ConnectionMissing if `connection` is a connection string instead of the name of a setting."""
    if looks_like_connection_string(connection):
        raise ConnectionMissing(
            "The 'connection' of a binding is a connection string, but must be the name of an app setting.",
            cause="Azure looks for a setting with that name and finds none, and the secret is in the code.",
            remedy='Move the connection string to Values in local.settings.json, as "MyStorage" for example, and '
            'write connection="MyStorage" in the code.',
        )


def require(connection: Connection, service: str) -> None:
    """Raise ConnectionInvalid if the connection does not have `service` (blob, queue or table)."""
    if getattr(connection, f"{service}_endpoint") is None:
        setting = connection.setting
        raise ConnectionInvalid(
            f"The connection '{setting}' has no address for the {service} service.",
            remedy=f"Set '{setting}__{service}ServiceUri' or '{setting}__accountName'; in a connection string, "
            f"AccountName or {service.capitalize()}Endpoint.",
        )


def _prefixed(name: str) -> str:
    return name if name.casefold() == "azurewebjobsstorage" else f"AzureWebJobs{name}"


def parse_connection_string(text: str, setting: str = "AzureWebJobsStorage") -> Connection:
    """Parse a storage connection string. Raises ConnectionInvalid, which names `setting` but never the secret."""

    def invalid(problem: str) -> ConnectionInvalid:
        return ConnectionInvalid(
            f"The app setting '{setting}' is not a storage connection string: {problem}.",
            remedy='Write "UseDevelopmentStorage=true" for Azurite, or the connection string from the access keys of '
            "the account in the Azure portal.",
        )

    parts = _parts(text, invalid)
    if parts.get("usedevelopmentstorage", "").casefold() == "true":
        return _development(parts.get("developmentstorageproxyuri"), setting, invalid)
    account = parts.get("accountname", "")
    key, sas = parts.get("accountkey"), parts.get("sharedaccesssignature")
    endpoints = {service: _explicit(parts.get(f"{service}endpoint"), invalid) for service in _SERVICES}
    if not any(endpoints.values()) and not account:
        raise invalid("it has neither an AccountName nor endpoints")
    if account:
        protocol = parts.get("defaultendpointsprotocol", "https").casefold()
        if protocol not in {"http", "https"}:
            raise invalid("DefaultEndpointsProtocol is neither http nor https")
        suffix = parts.get("endpointsuffix", "core.windows.net").strip("/")
        for service in _SERVICES:
            endpoints[service] = endpoints[service] or f"{protocol}://{account}.{service}.{suffix}"
    else:
        account = _account_of(next(endpoint for endpoint in endpoints.values() if endpoint))
    if key is not None and not _is_base64(key):
        raise invalid("its AccountKey is not base64")
    if key is None and sas is None and account == DEVELOPMENT_ACCOUNT:
        key = DEVELOPMENT_KEY
    if key is None and sas is None:
        raise invalid("it has neither an AccountKey nor a SharedAccessSignature")
    return Connection(
        account_name=account,
        blob_endpoint=endpoints["blob"],
        queue_endpoint=endpoints["queue"],
        table_endpoint=endpoints["table"],
        account_key=key,
        sas=None if key is not None or sas is None else sas.lstrip("?"),
        setting=setting,
    )


def development(setting: str = "AzureWebJobsStorage", origin: str = "http://127.0.0.1") -> Connection:
    """The development account at `origin` (scheme and host), on its default ports."""
    endpoint = {service: f"{origin}:{port}/{DEVELOPMENT_ACCOUNT}" for service, port in _DEVELOPMENT_PORTS.items()}
    return Connection(
        account_name=DEVELOPMENT_ACCOUNT,
        blob_endpoint=endpoint["blob"],
        queue_endpoint=endpoint["queue"],
        table_endpoint=endpoint["table"],
        account_key=DEVELOPMENT_KEY,
        setting=setting,
    )


def _development(proxy: str | None, setting: str, invalid: Callable[[str], ConnectionInvalid]) -> Connection:
    if not proxy:
        return development(setting)
    parts = urlsplit(proxy)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise invalid("DevelopmentStorageProxyUri is not an http address")
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    return development(setting, f"{parts.scheme}://{host}")


def _parts(text: str, invalid: Callable[[str], ConnectionInvalid]) -> dict[str, str]:
    parts: dict[str, str] = {}
    for piece in text.strip().strip("\"'").split(";"):
        if not piece.strip():
            continue
        key, equals, value = piece.partition("=")
        if not equals:
            raise invalid("a part of it is not of the form Name=Value")
        parts[key.strip().casefold()] = value.strip()
    return parts


def _explicit(endpoint: str | None, invalid: Callable[[str], ConnectionInvalid]) -> str | None:
    if not endpoint:
        return None
    parts = urlsplit(endpoint)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise invalid("one of its endpoints is not an http address")
    return endpoint.rstrip("/")


def _account_of(endpoint: str) -> str:
    """The account in an endpoint: the first path segment for an emulator, otherwise the first label of the host."""
    parts = urlsplit(endpoint)
    segments = [segment for segment in parts.path.split("/") if segment]
    return segments[0] if segments else (parts.hostname or "").split(".")[0]


def _is_base64(text: str) -> bool:
    try:
        return bool(base64.b64decode(text, validate=True))
    except (binascii.Error, ValueError):
        return False


def _from_identity(children: Mapping[str, str], setting: str) -> Connection:
    """The endpoints and the credential in a section such as `AzureWebJobsStorage__accountName`."""
    account = children.get("accountname")
    endpoints: dict[str, str | None] = {}
    for service in _SERVICES:
        if account:
            endpoints[service] = f"https://{account}.{service}.core.windows.net"
        else:
            uri = children.get(f"{service}serviceuri") or children.get("serviceuri") or children.get("endpoint")
            endpoints[service] = _service_uri(uri, service, setting) if uri else None
    known = [endpoint for endpoint in endpoints.values() if endpoint]
    if not known:
        raise ConnectionInvalid(
            f"The app settings '{setting}__…' do not name a storage account.",
            remedy=f"Set '{setting}__accountName', or '{setting}__blobServiceUri', '{setting}__queueServiceUri' and "
            f"'{setting}__tableServiceUri'.",
        )
    credential = tuple((key, children[key.casefold()]) for key in _CREDENTIAL_KEYS if key.casefold() in children)
    return Connection(
        account_name=account or _account_of(known[0]),
        blob_endpoint=endpoints["blob"],
        queue_endpoint=endpoints["queue"],
        table_endpoint=endpoints["table"],
        credential_settings=credential,
        setting=setting,
    )


def _service_uri(uri: str, service: str, setting: str) -> str:
    parts = urlsplit(uri)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise ConnectionInvalid(
            f"The app setting '{setting}__{service}ServiceUri' is '{uri}', expected an http address such as "
            f"https://<account>.{service}.core.windows.net."
        )
    return uri.rstrip("/")
