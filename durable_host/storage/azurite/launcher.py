"""Makes sure that the development storage account answers: uses a running Azurite, or starts one."""

import contextlib
import ipaddress
import itertools
import random
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Literal

import msgspec

from durable_host.config.connection import Connection
from durable_host.storage.azurite.azurite_process import (
    DEVELOPMENT_KEY,
    READY_TIMEOUT,
    AzuriteProcess,
    spawn,
    wait_until_ready,
)
from durable_host.storage.azurite.docker import AzuriteContainer, start_container
from durable_host.storage.azurite.errors import AzuriteError, AzuriteStartFailed
from durable_host.storage.azurite.install import AzuriteProgram, Node, find_azurite, find_node, install_azurite
from durable_host.storage.azurite.lock import exclusive
from durable_host.storage.azurite.note import is_alive, is_azurite, read_note
from durable_host.storage.azurite.probe import ANSWER_TIMEOUT, StorageHealth, address_of, probe

ACCOUNT = "devstoreaccount1"
LOCK = "azurite.lock"
Mode = Literal["auto", "off", "docker"]

_OWN_PORTS = range(20_000, 30_000)
_SETTLE_TIMEOUT = 5.0
_RELEASE_TIMEOUT = 40.0
_LOCK_TIMEOUT = 120.0
_POLL_SECONDS = 0.05


class Patience(msgspec.Struct, frozen=True):
    """Time limits in seconds: for a service that accepts connections but does not answer (`busy`), and per answer."""

    busy: float = 60.0
    answer: float = ANSWER_TIMEOUT


PATIENCE = Patience()


def ensure_azurite(
    connection: Connection,
    *,
    data_dir: Path | None,
    mode: Mode,
    report: Callable[[str], None],
    app_dir: Path | None = None,
    cancelled: threading.Event | None = None,
    patience: Patience = PATIENCE,
) -> AzuriteProcess | AzuriteContainer | None:
    """Make the development account of `connection` answer. Blocking: call it in a thread.

    Returns None if the connection is not a development account on this machine, or if an Azurite already answers (it is
    used, and never stopped). Otherwise returns the Azurite that was started; the caller stops it. `data_dir` None keeps
    data in memory; `app_dir` (default: the parent of `data_dir`) is searched for an installed Azurite.
    Raises AzuriteError.
    """
    if not is_local_development(connection):
        return None
    if data_dir is not None:
        data_dir = data_dir.absolute()
        _await_release(data_dir, report)
    health = _settled_health(connection, patience, report, cancelled)
    if health.is_ready:
        return None
    problem = health.problem(connection.setting, patience.busy)
    if problem is not None and (mode == "off" or not health.is_silent):
        raise problem
    if mode == "docker":
        return start_container(connection, data_dir, report, cancelled=cancelled)
    _require_three_services(connection)
    node = find_node()
    if app_dir is None and data_dir is not None:
        app_dir = data_dir.parent
    program = find_azurite(app_dir) or install_azurite(node, report, cancelled)
    if data_dir is None:
        return _start(connection, None, node, program, report, cancelled)
    with exclusive(
        data_dir / LOCK,
        timeout=_LOCK_TIMEOUT,
        waiting=lambda: report("Another host is starting Azurite on this folder; waiting for it"),
        cancelled=cancelled,
    ):
        if probe(connection).is_ready:
            return None
        return _start(connection, data_dir, node, program, report, cancelled)


def start_azurite(
    connection: Connection,
    *,
    data_dir: Path | None = None,
    app_dir: Path | None = None,
    report: Callable[[str], None] = lambda _: None,
) -> AzuriteProcess:
    """Start an Azurite for `connection` (in memory without `data_dir`) and wait until it is ready.

    For tests and tools that need their own Azurite: one that already answers is an error.
    """
    _require_three_services(connection)
    node = find_node()
    program = find_azurite(app_dir) or install_azurite(node, report)
    azurite = _start(connection, data_dir, node, program, report, None)
    if azurite is None:
        raise AzuriteStartFailed("Another Azurite already listens on the ports.", remedy="Use other ports.")
    return azurite


def free_connection(setting: str = "AzureWebJobsStorage") -> Connection:
    """A development account on three free ports of 127.0.0.1, for tests and tools.

    The system does not assign these ports itself, to outgoing connections or for port 0. On Linux, no other process
    that picks a free port gets them before this process ends; on other systems they are only free now.
    """
    numbers = itertools.islice(_picked_ports(), 3)
    blob, queue, table = (f"http://127.0.0.1:{number}/{ACCOUNT}" for number in numbers)
    return Connection(ACCOUNT, blob, queue, table, account_key=DEVELOPMENT_KEY, setting=setting)


def _picked_ports() -> Iterator[int]:
    """Free ports in any order.

    On Linux each stays bound until this process ends: a server can listen on a port that is bound with SO_REUSEADDR if
    nothing listens on it.
    """
    for port in random.SystemRandom().sample(_OWN_PORTS, len(_OWN_PORTS)):
        with contextlib.suppress(OSError):
            with socket.socket() as probing:
                probing.bind(("127.0.0.1", port))
            if sys.platform == "linux":
                with socket.socket() as holding:
                    holding.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                    holding.bind(("127.0.0.1", port))
                    holding.detach()
            yield port


def connection_string(connection: Connection) -> str:
    """The connection string of an account with a key, for SDKs and app settings."""
    return (
        f"DefaultEndpointsProtocol=http;AccountName={connection.account_name};AccountKey={connection.account_key};"
        f"BlobEndpoint={connection.blob_endpoint};QueueEndpoint={connection.queue_endpoint};"
        f"TableEndpoint={connection.table_endpoint};"
    )


def is_local_development(connection: Connection) -> bool:
    """Whether a connection refers to Azurite on this machine."""
    if not connection.is_development:
        return False
    endpoints = (connection.blob_endpoint, connection.queue_endpoint, connection.table_endpoint)
    return all(_is_loopback(address_of(endpoint)[0]) for endpoint in endpoints if endpoint)


def _start(
    connection: Connection,
    data_dir: Path | None,
    node: Node,
    program: AzuriteProgram,
    report: Callable[[str], None],
    cancelled: threading.Event | None,
) -> AzuriteProcess | None:
    azurite = spawn(connection, data_dir, node, program)
    started = time.monotonic()
    if not wait_until_ready(azurite, connection, timeout=READY_TIMEOUT, cancelled=cancelled):
        return None
    where = "in memory" if data_dir is None else f"data in {data_dir}"
    report(f"Azurite is ready after {time.monotonic() - started:.1f} s ({where})")
    return azurite


def _settled_health(
    connection: Connection, patience: Patience, report: Callable[[str], None], cancelled: threading.Event | None
) -> StorageHealth:
    """Wait for a definite health: a starting Azurite opens its ports one by one, and a busy one does not answer yet."""
    began, waited = time.monotonic(), 0.0
    asked_in_vain = False
    while True:
        health = probe(connection, min(patience.answer, max(patience.busy - waited, _POLL_SECONDS)))
        waited = time.monotonic() - began
        states = {service.state for service in health.services}
        if cancelled is not None and cancelled.is_set():
            raise AzuriteStartFailed("The start of Azurite was interrupted.")
        if "foreign" in states:
            return health
        if health.mute:
            if waited >= patience.busy:
                return health
            if not asked_in_vain:
                asked_in_vain = True
                addresses = ", ".join(service.address for service in health.mute)
                report(
                    f"Storage at {addresses} accepts connections and does not answer yet; it may be an Azurite that is "
                    f"busy. Waiting up to {patience.busy:.0f} s"
                )
        elif states != {"ready", "silent"} or waited >= _SETTLE_TIMEOUT:
            if asked_in_vain and health.is_ready:
                report(f"Storage answers after {waited:.0f} s")
            return health
        time.sleep(_POLL_SECONDS)


def _await_release(data_dir: Path, report: Callable[[str], None]) -> None:
    """Wait for an Azurite whose host died: it is still saving its data, which must not be opened until it has ended."""
    note = read_note(data_dir)
    if note is None or not is_azurite(note.pid) or is_alive(note.host):
        return
    report("Waiting for the Azurite of a killed host to save its data")
    deadline = time.monotonic() + _RELEASE_TIMEOUT
    while is_azurite(note.pid):
        if time.monotonic() > deadline:
            raise AzuriteStartFailed(
                f"The Azurite with process ID {note.pid} still uses '{data_dir}', although its host has ended.",
                remedy=f"Stop process {note.pid} and start again.",
            )
        time.sleep(_POLL_SECONDS)


def _require_three_services(connection: Connection) -> None:
    for service in ("blob", "queue", "table"):
        if not getattr(connection, f"{service}_endpoint"):
            raise AzuriteError(
                f"'{connection.setting}' has no {service} endpoint, so Azurite cannot be started for it.",
                remedy=f"Set '{connection.setting}' to 'UseDevelopmentStorage=true'.",
            )


def _is_loopback(host: str) -> bool:
    if host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
