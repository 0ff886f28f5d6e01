"""Authorizes requests to Azure Storage: account key, shared access signature, or token.

Each class has the two members that the transport uses: `query_tail` (appended to every URL) and `authorize` (adds
headers).
"""

import asyncio
import base64
import binascii
import hmac
import time
from collections.abc import Sequence
from typing import Any, Protocol

from durable_host.config.connection import Connection
from durable_host.storage.errors import AccessDenied

API_VERSION = "2021-08-06"
TOKEN_SCOPE = "https://storage.azure.com/.default"
_REFRESH_BEFORE_EXPIRY = 300.0

_last_date = (0, "")


def http_date() -> str:
    """The value of the date header, computed once a second."""
    global _last_date
    now = int(time.time())
    if _last_date[0] != now:
        moment = time.gmtime(now)
        day = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")[moment.tm_wday]
        month = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")[moment.tm_mon - 1]
        _last_date = (now, time.strftime(f"{day}, %d {month} %Y %H:%M:%S GMT", moment))
    return _last_date[1]


class Authorization(Protocol):
    """Adds credentials to a request."""

    query_tail: str

    def is_ready(self) -> bool:
        """False if `prepare` must be awaited before `authorize`."""
        ...

    async def prepare(self) -> None:
        """Fetch the data that `authorize` needs."""
        ...

    def authorize(
        self, method: str, path: str, query: Sequence[tuple[str, str]], headers: dict[str, str], length: int
    ) -> None:
        """Add headers. `path` is percent-encoded and absolute, `query` sorted by name with decoded values."""
        ...


class _AlwaysReady:
    query_tail = ""

    def is_ready(self) -> bool:
        return True

    async def prepare(self) -> None:
        return None


class SharedKey(_AlwaysReady):
    """The account key scheme of the queue and blob services."""

    def __init__(self, account: str, key: str) -> None:
        self._key = decode_key(account, key)
        self._prefix = f"SharedKey {account}:"
        self._resource = f"/{account}"

    def authorize(
        self, method: str, path: str, query: Sequence[tuple[str, str]], headers: dict[str, str], length: int
    ) -> None:
        headers["x-ms-date"] = http_date()
        headers["x-ms-version"] = API_VERSION
        plain = headers.get
        parameters = "".join([f"\n{name}:{value}" for name, value in query])
        own = sorted([(name.lower(), value) for name, value in headers.items() if name.startswith("x-ms-")])
        special = "".join([f"{name}:{value}\n" for name, value in own])
        text = (
            f"{method}\n\n\n{length or ''}\n\n{plain('Content-Type', '')}\n\n{plain('If-Modified-Since', '')}\n"
            f"{plain('If-Match', '')}\n{plain('If-None-Match', '')}\n\n{plain('Range', '')}\n"
            f"{special}{self._resource}{path}{parameters}"
        )
        headers["Authorization"] = self._prefix + _signature(self._key, text)


class TableSharedKey(_AlwaysReady):
    """The account key scheme of the table service (SharedKeyLite)."""

    def __init__(self, account: str, key: str) -> None:
        self._key = decode_key(account, key)
        self._prefix = f"SharedKeyLite {account}:"
        self._resource = f"\n/{account}"

    def authorize(
        self, method: str, path: str, query: Sequence[tuple[str, str]], headers: dict[str, str], length: int
    ) -> None:
        date = http_date()
        headers["x-ms-date"] = date
        headers["x-ms-version"] = API_VERSION
        component = "".join([f"?comp={value}" for name, value in query if name == "comp"])
        headers["Authorization"] = self._prefix + _signature(self._key, f"{date}{self._resource}{path}{component}")


class SharedAccessSignature(_AlwaysReady):
    """A signature in the query string."""

    def __init__(self, sas: str) -> None:
        self.query_tail = sas.lstrip("?&")

    def authorize(
        self, method: str, path: str, query: Sequence[tuple[str, str]], headers: dict[str, str], length: int
    ) -> None:
        headers["x-ms-version"] = API_VERSION


class Token:
    """A bearer token of an `azure.identity.aio` credential, cached until shortly before it expires."""

    query_tail = ""

    def __init__(self, credential: Any) -> None:
        self._credential = credential
        self._header = ""
        self._good_until = 0.0
        self._refreshing = asyncio.Lock()

    def is_ready(self) -> bool:
        return time.time() < self._good_until

    async def prepare(self) -> None:
        async with self._refreshing:
            if self.is_ready():
                return
            try:
                token = await self._credential.get_token(TOKEN_SCOPE)
            except Exception as error:
                if time.time() < self._good_until + _REFRESH_BEFORE_EXPIRY - 30.0 and self._header:
                    return
                raise AccessDenied(401, "NoToken", f"No token for Azure Storage: {error}") from error
            self._header = f"Bearer {token.token}"
            self._good_until = float(token.expires_on) - _REFRESH_BEFORE_EXPIRY

    def authorize(
        self, method: str, path: str, query: Sequence[tuple[str, str]], headers: dict[str, str], length: int
    ) -> None:
        headers["x-ms-version"] = API_VERSION
        headers["x-ms-date"] = http_date()
        headers["Authorization"] = self._header


def authorization(connection: Connection, *, tables: bool, token: Token | None) -> Authorization:
    """The authorization for one service of `connection`. `token` is used for connections without key or SAS."""
    if connection.account_key:
        try:
            return (TableSharedKey if tables else SharedKey)(connection.account_name, connection.account_key)
        except AccessDenied as error:
            error.setting = connection.setting
            raise
    if connection.sas:
        return SharedAccessSignature(connection.sas)
    if token is None:
        raise AccessDenied(401, "NoCredential", f"Connection '{connection.setting}' has no key, SAS or credential")
    return token


def create_credential(settings: tuple[tuple[str, str], ...]) -> Any:
    """The `azure.identity.aio` credential for the identity settings of a connection.

    Source: docs/protocol/functions-host-config.md#connections
    """
    from azure.identity import aio

    known = {name.lower(): value for name, value in settings}
    client_id = known.get("clientid") or None
    if known.get("credential", "").lower() in ("managedidentity", "managedidentitycredential"):
        return aio.ManagedIdentityCredential(client_id=client_id) if client_id else aio.ManagedIdentityCredential()
    tenant, secret = known.get("tenantid"), known.get("clientsecret")
    if tenant and client_id and secret:
        return aio.ClientSecretCredential(tenant, client_id, secret)
    if client_id:
        return aio.DefaultAzureCredential(managed_identity_client_id=client_id)
    return aio.DefaultAzureCredential()


def decode_key(account: str, key: str) -> bytes:
    """The bytes of an account key. Raises AccessDenied if it is not base64."""
    try:
        return base64.b64decode(key, validate=True)
    except (binascii.Error, ValueError):
        raise AccessDenied(403, "InvalidAccountKey", f"The account key of '{account}' is not base64") from None


def _signature(key: bytes, text: str) -> str:
    return binascii.b2a_base64(hmac.digest(key, text.encode(), "sha256"), newline=False).decode()
