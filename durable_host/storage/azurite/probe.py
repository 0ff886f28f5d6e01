"""Finds out what listens on the three ports of a development storage account."""

import http.client
import socket
import ssl
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Literal
from urllib.parse import urlsplit

import msgspec

from durable_host.config.connection import Connection
from durable_host.socket_deadline import done_in_time
from durable_host.storage.auth import authorization
from durable_host.storage.azurite.errors import (
    AccountKeyRefused,
    AzuriteError,
    AzuriteIncomplete,
    AzuriteNotRunning,
    NoAnswer,
    PortHeld,
)

State = Literal["ready", "silent", "mute", "foreign", "refused"]

_QUERIES: dict[str, tuple[str, tuple[tuple[str, str], ...]]] = {
    "blob": ("/", (("comp", "list"), ("maxresults", "1"))),
    "queue": ("/", (("comp", "list"), ("maxresults", "1"))),
    "table": ("/Tables", (("$top", "1"),)),
}
ANSWER_TIMEOUT = 5.0
_CONNECT_TIMEOUT = 1.0


class ServiceHealth(msgspec.Struct, frozen=True):
    """The state of one service.

    `ready`: it answers as expected. `silent`: nothing listens. `mute`: something listens but has not answered yet.
    `foreign`: another program listens. `refused`: the account name or key is not accepted. `detail` describes the
    answer.
    """

    service: str
    host: str
    port: int
    state: State
    detail: str = ""

    @property
    def address(self) -> str:
        """`host:port`."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


class StorageHealth(msgspec.Struct, frozen=True):
    """The states of the services in the connection."""

    services: tuple[ServiceHealth, ...]

    @property
    def is_ready(self) -> bool:
        """Whether all services answer."""
        return all(service.state == "ready" for service in self.services)

    @property
    def is_silent(self) -> bool:
        """Whether nothing listens on any port."""
        return all(service.state == "silent" for service in self.services)

    @property
    def mute(self) -> tuple[ServiceHealth, ...]:
        """The services that accept connections but do not answer."""
        return tuple(service for service in self.services if service.state == "mute")

    def problem(self, setting: str, waited: float = ANSWER_TIMEOUT) -> AzuriteError | None:
        """The error for the user; None if all services are ready.

        `setting` is the connection's name, `waited` the number of seconds that the host waited for an answer.
        """
        for service in self.services:
            if service.state == "foreign":
                return PortHeld(
                    f"Port {service.port} of the {service.service} service is used by a program that is not Azurite.",
                    cause=f"{service.address} {service.detail}.",
                    remedy=f"Stop the program that listens on port {service.port}, or give '{setting}' other ports.",
                )
        if self.mute:
            return _not_answering(self.mute, setting, waited)
        for service in self.services:
            if service.state == "refused":
                return AccountKeyRefused(
                    f"The storage service at {service.address} refuses the account of '{setting}'.",
                    cause=service.detail,
                    remedy=f"Set '{setting}' to 'UseDevelopmentStorage=true', or to the name and key that the running "
                    "Azurite was given (AZURITE_ACCOUNTS).",
                )
        if self.is_ready:
            return None
        silent = [f"{service.service} ({service.address})" for service in self.services if service.state == "silent"]
        if self.is_silent:
            return AzuriteNotRunning(
                f"The development storage account of '{setting}' is not running.",
                cause="Nothing listens on " + ", ".join(silent) + ".",
                remedy="Start Azurite, or let the host start it (omit --no-azurite).",
            )
        ready = [service.service for service in self.services if service.state == "ready"]
        return AzuriteIncomplete(
            f"Only the {' and '.join(ready)} service of the development storage account answers.",
            cause="Nothing listens on " + ", ".join(silent) + ".",
            remedy="Stop that Azurite and start it with all three services (the command 'azurite'), or stop it and "
            "let the host start its own.",
        )


def _not_answering(mute: Sequence[ServiceHealth], setting: str, waited: float) -> NoAnswer:
    addresses = ", ".join(f"{service.service} ({service.address})" for service in mute)
    return NoAnswer(
        f"Something accepts connections for the development storage account of '{setting}' and has not answered within "
        f"{waited:.0f} s.",
        cause=f"No response from {addresses}. This is either an Azurite that is too busy, for example because it "
        "deletes a large task hub or thousands of messages, or another program.",
        remedy="If it is Azurite, wait and start again, or stop it and let the host start its own. If it is another "
        f"program, stop it, or give '{setting}' other ports.",
    )


def probe(connection: Connection, timeout: float = ANSWER_TIMEOUT) -> StorageHealth:
    """Send one request to each service of a connection, in parallel.

    Blocking: takes milliseconds, or `timeout` seconds if a service does not answer.
    """
    endpoints = {
        "blob": connection.blob_endpoint,
        "queue": connection.queue_endpoint,
        "table": connection.table_endpoint,
    }
    with ThreadPoolExecutor(max_workers=len(endpoints)) as pool:
        asked = [pool.submit(_ask, connection, name, url, timeout) for name, url in endpoints.items() if url]
        return StorageHealth(tuple(one.result() for one in asked))


def address_of(endpoint: str) -> tuple[str, int]:
    """Host and port of an endpoint URL."""
    url = urlsplit(endpoint)
    return url.hostname or "", url.port or (443 if url.scheme == "https" else 80)


def _ask(connection: Connection, service: str, endpoint: str, timeout: float) -> ServiceHealth:
    host, port = address_of(endpoint)

    def health(state: State, detail: str = "") -> ServiceHealth:
        return ServiceHealth(service, host, port, state, detail)

    until = time.monotonic() + timeout
    try:
        plain = socket.create_connection((host, port), timeout=min(_CONNECT_TIMEOUT, timeout))
    except OSError as error:
        return health("silent", error.strerror or str(error))
    try:
        status, headers, body = _request(connection, service, endpoint, plain, until)
    except ConnectionError as error:
        # Azurite closes its connections when it stops: check again whether anything listens.
        try:
            socket.create_connection((host, port), timeout=_CONNECT_TIMEOUT).close()
        except OSError:
            return health("silent", error.strerror or str(error))
        return health("foreign", "accepts connections and closes them")
    except http.client.HTTPException:
        return health("foreign", "does not speak HTTP")
    except TimeoutError:
        return health("mute", "accepts connections and does not answer")
    except OSError as error:
        return health("foreign", f"does not accept a request ({error})")
    return _classify(health, status, headers, body)


def _request(
    connection: Connection, service: str, endpoint: str, plain: socket.socket, until: float
) -> tuple[int, http.client.HTTPMessage, bytes]:
    """Send a request over `plain`, which is connected, and close it. The answer must have ended at `until`."""
    url = urlsplit(endpoint)
    client = http.client.HTTPConnection(*address_of(endpoint))
    client.sock = plain
    try:
        if url.scheme == "https":
            client.sock = _in_tls(plain, address_of(endpoint)[0])
        path, query = _QUERIES[service]
        path = url.path.rstrip("/") + path
        text = "&".join(f"{name}={value}" for name, value in query)
        headers = {"Accept": "application/json"} if service == "table" else {}
        if connection.account_key or connection.sas:
            authority = authorization(connection, tables=service == "table", token=None)
            authority.authorize("GET", path, query, headers, 0)
            if authority.query_tail:
                text += "&" + authority.query_tail

        def exchange() -> tuple[int, http.client.HTTPMessage, bytes]:
            if isinstance(client.sock, ssl.SSLSocket):
                client.sock.do_handshake()
            client.request("GET", f"{path}?{text}", headers=headers)
            with client.getresponse() as response:
                return response.status, response.headers, response.read(4096)

        return done_in_time(client.sock, until, exchange)
    finally:
        client.close()


def _in_tls(plain: socket.socket, host: str) -> ssl.SSLSocket:
    """The connection with TLS, whose handshake has not begun. Any certificate is accepted."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context.wrap_socket(plain, server_hostname=host, do_handshake_on_connect=False)


def _classify(
    health: Callable[[State, str], ServiceHealth], status: int, headers: http.client.HTTPMessage, body: bytes
) -> ServiceHealth:
    server = headers.get("Server", "")
    if "azurite" not in server.lower() and "x-ms-request-id" not in headers:
        return health("foreign", f"answers as '{server or 'an unnamed server'}'")
    if status < 300:
        return health("ready", server)
    code = headers.get("x-ms-error-code", "")
    if status in (401, 403, 404) or "Auth" in code or b"Authentication" in body:
        return health("refused", f"{server} answers HTTP {status} {code}".rstrip())
    if code == "InvalidHeaderValue" or b"API version" in body:
        return health("foreign", "is an Azurite that is too old for this host")
    return health("ready", server)
