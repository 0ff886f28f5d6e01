"""The note for users who publish a port of a container."""

from pathlib import Path

import pytest

from durable_host.config.container import container_gateway, container_note


@pytest.fixture
def mark(tmp_path: Path) -> Path:
    mark = tmp_path / ".dockerenv"
    mark.touch()
    return mark


def test_loopback_in_a_container_is_reported(mark: Path) -> None:
    note = container_note("127.0.0.1", marks=(mark,), environ={})
    assert note is not None
    assert "--address 0.0.0.0" in note


def test_hosts_outside_a_container_get_no_note(tmp_path: Path) -> None:
    assert container_note("127.0.0.1", marks=(tmp_path / "none",), environ={}) is None


def test_hosts_that_listen_everywhere_get_no_note(mark: Path) -> None:
    assert container_note("0.0.0.0", marks=(mark,), environ={}) is None


@pytest.mark.parametrize("name", ["REMOTE_CONTAINERS", "CODESPACES", "CI"])
def test_there_is_no_note_where_ports_are_forwarded_or_nobody_looks(mark: Path, name: str) -> None:
    assert container_note("localhost", marks=(mark,), environ={name: "true"}) is None


def test_gateway_is_that_of_the_default_route(mark: Path, tmp_path: Path) -> None:
    routes = tmp_path / "route"
    routes.write_text(
        "Iface\tDestination\tGateway \tFlags\neth0\t000011AC\t00000000\t0001\neth0\t00000000\t010011AC\t0003\n"
    )
    assert container_gateway((mark,), routes) == "172.17.0.1"


def test_there_is_no_gateway_outside_of_a_container(tmp_path: Path) -> None:
    assert container_gateway((tmp_path / "none",), tmp_path / "route") is None


def test_a_container_without_a_network_has_no_gateway(mark: Path, tmp_path: Path) -> None:
    assert container_gateway((mark,), tmp_path / "none") is None
