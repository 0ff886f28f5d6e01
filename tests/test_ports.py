"""Ports in use, and the processes that use them."""

import os
import socket
import sys

import pytest

from durable_host import ports
from durable_host.errors import EXIT_PORT, PortError


def test_free_port_is_available():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    assert ports.unavailable("127.0.0.1", port) is None


def test_any_free_port_is_always_available():
    ports.check("127.0.0.1", 0)


@pytest.mark.skipif(sys.platform != "linux", reason="other systems do not reserve")
def test_a_reserved_port_is_kept_for_the_server_that_will_listen_on_it():
    with ports.reserved("127.0.0.1") as port, socket.socket() as other:
        with pytest.raises(OSError, match="Address already in use"):
            other.bind(("127.0.0.1", port))
        with socket.create_server(("127.0.0.1", port)):
            pass
    assert ports.unavailable("127.0.0.1", port) is None


@pytest.mark.skipif(sys.platform != "linux", reason="other systems are asked through their own programs")
def test_process_that_holds_the_port_is_named():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        port = listener.getsockname()[1]
        with pytest.raises(PortError) as caught:
            ports.check("127.0.0.1", port)
    assert caught.value.message == (
        f"Port {port} is unavailable. Close the process using that port, or specify another port using --port [-p]."
    )
    assert f"Process {os.getpid()} listens on it: " in (caught.value.cause or "")
    assert f"--port {port + 1}" in (caught.value.remedy or "")
    assert caught.value.exit_code == EXIT_PORT


def test_address_of_another_machine_is_refused_and_no_port_is_blamed():
    with pytest.raises(PortError) as caught:
        ports.check("192.0.2.1", 7071)
    assert caught.value.code == "DH3002"
    assert caught.value.message == "Cannot listen on 192.0.2.1: it is not an address of this machine."
