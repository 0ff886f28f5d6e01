"""The launcher of Azurite: what it finds on the ports, starts, and leaves running."""

import http.server
import os
import socket
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from durable_host.config.connection import Connection
from durable_host.storage import StorageAccount
from durable_host.storage.azurite import AzuriteProcess, ensure_azurite, free_connection, probe, start_azurite
from durable_host.storage.azurite.azurite_process import command_line
from durable_host.storage.azurite.errors import (
    AccountKeyRefused,
    AzuriteError,
    AzuriteIncomplete,
    AzuriteNotInstalled,
    AzuriteNotRunning,
    AzuriteStartFailed,
    DockerUnavailable,
    NoAnswer,
    PortHeld,
)
from durable_host.storage.azurite.install import VERSION, find_azurite
from durable_host.storage.azurite.launcher import Mode, Patience
from durable_host.storage.azurite.probe import address_of

pytestmark = pytest.mark.storage


def quiet(_: str) -> None:
    """Progress that nobody wants to see."""


def port_of(endpoint: str | None) -> int:
    assert endpoint is not None
    return address_of(endpoint)[1]


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    """A program that holds a port and never says anything sensible."""
    server = socket.create_server(("127.0.0.1", 0))

    def greet() -> None:
        while True:
            try:
                client, _ = server.accept()
            except OSError:
                return
            with client:
                client.settimeout(1)
                try:
                    if client.recv(100):
                        client.sendall(b"220 mail.example ESMTP\r\n")
                except OSError:
                    pass

    thread = threading.Thread(target=greet, daemon=True)
    thread.start()
    yield server
    server.shutdown(socket.SHUT_RDWR)
    server.close()
    thread.join()


async def test_azurite_in_memory_is_started_and_stopped() -> None:
    connection = free_connection()
    reports: list[str] = []
    azurite = ensure_azurite(connection, data_dir=None, mode="auto", report=reports.append)
    assert isinstance(azurite, AzuriteProcess)
    try:
        assert probe(connection).is_ready
        assert "ready" in reports[-1]
        async with StorageAccount(connection) as account:
            assert await account.queues.create("started")
    finally:
        azurite.stop()
    assert not azurite.is_running
    assert probe(connection).is_silent
    azurite.stop()


def test_an_azurite_that_runs_already_is_left_alone(azurite: Connection, tmp_path: Path) -> None:
    for mode in ("auto", "off", "docker"):
        assert ensure_azurite(azurite, data_dir=tmp_path / "data", mode=mode, report=quiet) is None
    assert probe(azurite).is_ready


def test_accounts_elsewhere_are_left_alone(tmp_path: Path) -> None:
    for connection in (
        Connection("real", "https://real.blob.core.windows.net", account_key="a2V5"),
        Connection("acct", "http://storage.test:1/acct", "http://storage.test:2/acct", account_key="a2V5"),
    ):
        assert ensure_azurite(connection, data_dir=tmp_path, mode="auto", report=quiet) is None


async def test_data_outlive_a_restart(tmp_path: Path) -> None:
    connection = free_connection()
    data = tmp_path / ".azurite"
    first = start_azurite(connection, data_dir=data)
    async with StorageAccount(connection) as account:
        await account.queues.create("kept")
        await account.queues.put("kept", "message")
        await account.tables.create_table("Kept")
        await account.tables.insert("Kept", {"PartitionKey": "p", "RowKey": "r"})
        await account.blobs.create_container("kept")
        await account.blobs.put("kept", "b", b"blob")
        first.stop()
    assert data.stat().st_mode & 0o077 == 0
    assert [path.name for path in data.iterdir() if path.stat().st_mode & 0o077] == []
    data.chmod(0o755)
    (data / "azurite.log").chmod(0o644)
    second = start_azurite(connection, data_dir=data)
    assert (data.stat().st_mode & 0o777, (data / "azurite.log").stat().st_mode & 0o777) == (0o700, 0o600)
    try:
        async with StorageAccount(connection) as account:
            assert [message.text for message in await account.queues.get("kept")] == ["message"]
            assert await account.tables.get("Kept", "p", "r") is not None
            blob = await account.blobs.get("kept", "b")
            assert blob is not None
            assert blob.data == b"blob"
    finally:
        second.stop()


def test_nothing_listening_and_not_to_be_started_is_said() -> None:
    connection = free_connection("MyStorage")
    with pytest.raises(AzuriteNotRunning, match="'MyStorage' is not running") as caught:
        ensure_azurite(connection, data_dir=None, mode="off", report=quiet)
    assert caught.value.exit_code == 4


@pytest.mark.skipif(sys.platform != "linux", reason="other systems do not keep ports")
def test_the_ports_of_a_free_connection_are_kept_for_its_azurite() -> None:
    for endpoint in msgspec.structs.astuple(free_connection())[1:4]:
        address = address_of(endpoint)
        with socket.socket() as other, pytest.raises(OSError, match="Address already in use"):
            other.bind(address)
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(address)
        with socket.create_server(address):
            pass


def test_a_port_held_by_a_program_without_http_is_named(listener: socket.socket) -> None:
    port = listener.getsockname()[1]
    connection = msgspec.structs.replace(free_connection(), queue_endpoint=f"http://127.0.0.1:{port}/devstoreaccount1")
    with pytest.raises(PortHeld, match=f"Port {port} of the queue service") as caught:
        ensure_azurite(connection, data_dir=None, mode="auto", report=quiet)
    assert "does not speak HTTP" in str(caught.value.cause)


def test_a_port_held_by_another_web_server_is_named() -> None:
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), http.server.SimpleHTTPRequestHandler)
    server.RequestHandlerClass.log_message = lambda *_: None  # type: ignore[method-assign]
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        port = server.server_address[1]
        connection = msgspec.structs.replace(
            free_connection(), blob_endpoint=f"http://127.0.0.1:{port}/devstoreaccount1"
        )
        with pytest.raises(PortHeld, match=f"Port {port} of the blob service") as caught:
            ensure_azurite(connection, data_dir=None, mode="auto", report=quiet)
        assert "SimpleHTTP" in str(caught.value.cause)
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _SlowServer:
    """Accepts connections; answers as Azurite does once `may_answer` is set."""

    def __init__(self) -> None:
        self.may_answer = threading.Event()
        self.connections: list[socket.socket] = []
        self._server = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._server.getsockname()[1]
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def connection(self) -> Connection:
        endpoint = f"http://127.0.0.1:{self.port}/devstoreaccount1"
        return msgspec.structs.replace(
            free_connection(), blob_endpoint=endpoint, queue_endpoint=endpoint, table_endpoint=endpoint
        )

    def close(self) -> None:
        self._server.close()
        for client in self.connections:
            client.close()

    def _serve(self) -> None:
        while True:
            try:
                client, _ = self._server.accept()
            except OSError:
                return
            self.connections.append(client)
            threading.Thread(target=self._answer, args=(client,), daemon=True).start()

    def _answer(self, client: socket.socket) -> None:
        try:
            if client.recv(1000) and self.may_answer.wait(30):
                client.sendall(b"HTTP/1.1 200 OK\r\nServer: Azurite-Blob/3\r\nContent-Length: 0\r\n\r\n")
        except OSError:
            pass


@pytest.fixture
def slow() -> Iterator[_SlowServer]:
    server = _SlowServer()
    yield server
    server.close()


class _DrippingServer(_SlowServer):
    """Sends a header without an end, byte by byte."""

    def _answer(self, client: socket.socket) -> None:
        try:
            client.sendall(b"HTTP/1.1 200 OK\r\nServer: ")
            while not self.may_answer.wait(0.01):
                client.sendall(b"x")
        except OSError:
            pass


def test_what_never_ends_its_answer_does_not_answer() -> None:
    server = _DrippingServer()
    try:
        health = probe(server.connection(), timeout=0.1)
    finally:
        server.close()
    assert {service.state for service in health.services} == {"mute"}


@pytest.mark.parametrize("mode", ["auto", "off"])
def test_what_does_not_answer_is_waited_for_and_both_causes_are_named(slow: _SlowServer, mode: Mode) -> None:
    reports: list[str] = []
    with pytest.raises(NoAnswer, match="not answered within 1 s") as caught:
        ensure_azurite(
            slow.connection(), data_dir=None, mode=mode, report=reports.append, patience=Patience(busy=0.6, answer=0.2)
        )
    assert caught.value.code == "DH2018"
    cause = caught.value.cause or ""
    assert f"127.0.0.1:{slow.port}" in cause
    assert "Azurite that is too busy" in cause
    assert "another program" in cause
    assert len(reports) == 1
    assert f"127.0.0.1:{slow.port}" in reports[0]
    assert "Waiting up to 1 s" in reports[0]


def test_an_azurite_that_is_busy_for_a_while_is_used_when_it_answers(slow: _SlowServer) -> None:
    reports: list[str] = []

    def report(line: str) -> None:
        reports.append(line)
        slow.may_answer.set()

    patience = Patience(busy=30.0, answer=0.1)
    assert ensure_azurite(slow.connection(), data_dir=None, mode="auto", report=report, patience=patience) is None
    assert ["does not answer yet" in reports[0], "Storage answers after" in reports[1]] == [True, True]


def test_the_wait_for_a_busy_azurite_can_be_cancelled(slow: _SlowServer) -> None:
    cancelled = threading.Event()
    with pytest.raises(AzuriteStartFailed, match="interrupted"):
        ensure_azurite(
            slow.connection(),
            data_dir=None,
            mode="auto",
            report=lambda _: cancelled.set(),
            cancelled=cancelled,
            patience=Patience(busy=60.0, answer=0.1),
        )


def test_something_else_is_refused_at_once_beside_a_service_that_does_not_answer(
    slow: _SlowServer, listener: socket.socket
) -> None:
    port = listener.getsockname()[1]
    connection = msgspec.structs.replace(slow.connection(), table_endpoint=f"http://127.0.0.1:{port}/devstoreaccount1")
    reports: list[str] = []
    with pytest.raises(PortHeld, match=f"Port {port} of the table service"):
        ensure_azurite(
            connection, data_dir=None, mode="auto", report=reports.append, patience=Patience(busy=60.0, answer=0.2)
        )
    assert reports == []


def test_only_some_services_answering_is_said(azurite: Connection, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("durable_host.storage.azurite.launcher._SETTLE_TIMEOUT", 0.1)
    connection = msgspec.structs.replace(azurite, table_endpoint=free_connection().table_endpoint)
    with pytest.raises(AzuriteIncomplete, match="Only the blob and queue service") as caught:
        ensure_azurite(connection, data_dir=None, mode="auto", report=quiet)
    assert str(port_of(connection.table_endpoint)) in str(caught.value.cause)


@pytest.mark.parametrize("change", [{"account_key": "d3Jvbmc="}, {"account_name": "stranger"}])
def test_a_refused_account_is_said(azurite: Connection, change: dict[str, str]) -> None:
    connection = msgspec.structs.replace(azurite, **change)
    if "account_name" in change:
        connection = msgspec.structs.replace(
            connection,
            **{
                f"{service}_endpoint": getattr(azurite, f"{service}_endpoint").replace(azurite.account_name, "stranger")
                for service in ("blob", "queue", "table")
            },
        )
    with pytest.raises(AccountKeyRefused) as caught:
        ensure_azurite(connection, data_dir=None, mode="auto", report=quiet)
    assert "d3Jvbmc" not in str(caught.value) + str(caught.value.cause)


async def test_an_account_of_its_own_is_served() -> None:
    connection = free_connection()
    connection = msgspec.structs.replace(
        connection,
        account_name="mine",
        account_key="bXkga2V5",
        **{
            f"{service}_endpoint": getattr(connection, f"{service}_endpoint").replace("devstoreaccount1", "mine")
            for service in ("blob", "queue", "table")
        },
    )
    azurite = start_azurite(connection)
    try:
        async with StorageAccount(connection) as account:
            assert await account.queues.create("own-account")
    finally:
        azurite.stop()


def test_an_azurite_that_cannot_start_shows_its_log(tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir()
    (data / "__azurite_db_table__.json").write_text("{broken", "utf-8")
    with pytest.raises(AzuriteStartFailed) as caught:
        start_azurite(free_connection(), data_dir=data)
    assert caught.value.cause
    assert "JSON" in caught.value.cause


def test_a_data_folder_that_cannot_be_made_is_said(tmp_path: Path) -> None:
    (tmp_path / "app").write_text("no folder")
    with pytest.raises(AzuriteStartFailed, match="cannot be written") as caught:
        ensure_azurite(free_connection(), data_dir=tmp_path / "app" / ".azurite", mode="auto", report=lambda _: None)
    assert "Not a directory" in (caught.value.cause or "")


def test_a_start_that_is_cancelled_leaves_nothing_behind(tmp_path: Path) -> None:
    connection = free_connection()
    cancelled = threading.Event()
    cancelled.set()
    with pytest.raises(AzuriteStartFailed, match="interrupted"):
        ensure_azurite(connection, data_dir=tmp_path / "data", mode="auto", report=quiet, cancelled=cancelled)
    assert probe(connection).is_silent


def test_two_hosts_starting_at_once_share_one_azurite(tmp_path: Path) -> None:
    connection = free_connection()
    results: list[AzuriteProcess | None] = []

    def start() -> None:
        results.append(ensure_azurite(connection, data_dir=tmp_path / "data", mode="auto", report=quiet))  # type: ignore[arg-type]

    threads = [threading.Thread(target=start) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    started = [azurite for azurite in results if azurite is not None]
    assert len(results) == 3
    assert len(started) == 1
    assert probe(connection).is_ready
    started[0].stop()


@pytest.fixture
def nothing_installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder in which Azurite would be installed; there is none on this machine."""
    monkeypatch.setenv("npm_config_cache", str(tmp_path / "npm"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("LOCALAPPDATA", str(tmp_path / "cache"))
    monkeypatch.setenv("PATH", str(tmp_path) + os.pathsep + "/usr/bin" + os.pathsep + "/bin")
    return tmp_path / "cache" / "durable-host"


def test_without_network_and_installation_the_message_is_clear(
    nothing_installed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        monkeypatch.setenv("npm_config_registry", f"http://127.0.0.1:{taken.getsockname()[1]}/")
        reports: list[str] = []
        with pytest.raises(AzuriteNotInstalled, match="no network") as caught:
            ensure_azurite(free_connection(), data_dir=tmp_path / "app" / "d", mode="auto", report=reports.append)
    assert "ECONNREFUSED" in str(caught.value.cause)
    assert any(VERSION in text for text in reports)
    assert [path.name for path in nothing_installed.iterdir()] == [f"azurite-{VERSION}.lock"]


def test_an_installation_that_is_cancelled_ends_at_once_and_leaves_nothing_behind(
    nothing_installed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cancelled = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as silent:
        monkeypatch.setenv("npm_config_registry", f"http://127.0.0.1:{silent.getsockname()[1]}/")
        with pytest.raises(AzuriteNotInstalled, match="interrupted"):
            ensure_azurite(
                free_connection(),
                data_dir=tmp_path / "app" / "d",
                mode="auto",
                report=lambda _: cancelled.set(),
                cancelled=cancelled,
            )
    assert [path.name for path in nothing_installed.iterdir()] == [f"azurite-{VERSION}.lock"]


def test_an_azurite_in_node_modules_of_the_app_comes_first(tmp_path: Path) -> None:
    script = tmp_path / "node_modules" / "azurite" / "dist" / "src" / "azurite.js"
    script.parent.mkdir(parents=True)
    script.write_text("", "utf-8")
    found = find_azurite(tmp_path)
    assert found is not None
    assert found.path == script


def test_options_that_an_old_azurite_does_not_know_are_left_out(tmp_path: Path) -> None:
    script = tmp_path / "node_modules" / "azurite" / "dist" / "src" / "azurite.js"
    (script.parent / "common").mkdir(parents=True)
    script.write_text("", "utf-8")
    (script.parent / "common" / "Environment.js").write_text('["s", "silent"] ["", "skipApiVersionCheck"]', "utf-8")
    found = find_azurite(tmp_path)
    assert found is not None
    arguments = command_line(free_connection(), tmp_path, program=found)
    assert "--silent" in arguments
    assert "--disableTelemetry" not in arguments
    assert "--blobKeepAliveTimeout" not in arguments
    assert arguments[-2:] == ["--location", str(tmp_path)]


def test_a_missing_docker_engine_is_said(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/no-engine.sock")
    with pytest.raises(DockerUnavailable, match="no Docker engine"):
        ensure_azurite(free_connection(), data_dir=None, mode="docker", report=quiet)


def test_a_connection_without_all_services_is_not_started(tmp_path: Path) -> None:
    connection = msgspec.structs.replace(free_connection(), table_endpoint=None)
    with pytest.raises(AzuriteError, match="no table endpoint"):
        ensure_azurite(connection, data_dir=tmp_path / "data", mode="auto", report=quiet)
