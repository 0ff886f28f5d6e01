"""An exchange over a socket ends in time, with and without TLS, whatever the other side does."""

import datetime
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from durable_host.config.connection import Connection
from durable_host.socket_deadline import done_in_time
from durable_host.storage.azurite.probe import probe


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        yield ours, theirs


def test_a_silent_side_needs_no_shutdown(
    pair: tuple[socket.socket, socket.socket], monkeypatch: pytest.MonkeyPatch
) -> None:
    """As where a shutdown does not end a wait in another thread."""
    monkeypatch.setattr(socket.socket, "shutdown", lambda *_: None)
    limits: list[float | None] = []

    def exchange() -> bytes:
        limits.append(pair[0].gettimeout())
        return pair[0].recv(1) if limits[0] else b""

    with pytest.raises(TimeoutError, match="The answer took too long"):
        done_in_time(pair[0], time.monotonic() + 0.1, exchange)
    assert limits[0] is not None
    assert 0 < limits[0] <= 0.1


def test_a_limit_in_the_past_does_not_make_the_socket_non_blocking(pair: tuple[socket.socket, socket.socket]) -> None:
    with pytest.raises(TimeoutError, match="The answer took too long"):
        done_in_time(pair[0], time.monotonic() - 1, lambda: pair[0].recv(1))


def _certificate(folder: Path) -> Path:
    """A file with a key and its own certificate for `localhost`."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .sign(key, hashes.SHA256())
    )
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    place = folder / "server.pem"
    place.write_bytes(pem + made.public_bytes(serialization.Encoding.PEM))
    return place


def test_a_tls_connection_that_was_ended_between_two_reads_is_a_time_out(
    pair: tuple[socket.socket, socket.socket], tmp_path: Path
) -> None:
    server = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    server.load_cert_chain(_certificate(tmp_path))
    client = ssl.create_default_context()
    client.check_hostname = False
    client.verify_mode = ssl.CERT_NONE
    has_ended = threading.Event()

    def serve() -> None:
        with suppress(OSError), server.wrap_socket(pair[1], server_side=True) as connection:
            while connection.recv(1):
                pass
        has_ended.set()

    thread = threading.Thread(target=serve)
    thread.start()
    with client.wrap_socket(pair[0]) as connection:

        def exchange() -> bytes:
            assert has_ended.wait(60)
            return connection.read(1)

        with pytest.raises(TimeoutError, match="The answer took too long"):
            done_in_time(connection, time.monotonic() + 0.05, exchange)
    thread.join(60)


def test_a_tls_handshake_in_drips_is_no_answer() -> None:
    """The connection is a program's that begins the longest record of TLS."""
    may_end = threading.Event()
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        with listener, listener.accept()[0] as connection, suppress(OSError):
            connection.sendall(b"\x16\x03\x03\x40\x00")
            while not may_end.wait(0.01):
                connection.sendall(b"\x02")

    thread = threading.Thread(target=serve)
    thread.start()
    host, port = listener.getsockname()
    connection = Connection("account", table_endpoint=f"https://{host}:{port}", account_key="a2V5")
    try:
        health = probe(connection, timeout=0.2)
    finally:
        may_end.set()
        thread.join(60)
    assert [service.state for service in health.services] == ["mute"]
