"""Local host names, and what callers with other names see of a failure."""

import pytest

from durable_host.http_port.local_names import is_address, is_local_host, is_local_origin
from durable_host.triggers.http.failure_reply import ErrorDetails

LOCAL = [
    "localhost", "localhost:7071", "LOCALHOST.", "app.localhost:1", "127.0.0.1", "127.1.2.3:80", "[::1]", "[::1]:7071",
]  # fmt: skip
ADDRESSES = ["192.168.1.5", "192.168.1.5:7071", "[fe80::1]:7071", "0.0.0.0"]
FOREIGN = [
    "evil.example", "localhost.evil.example", "127.0.0.1.evil.example:7071", "", "[::", "a b", "xn--9ca",
    "127.0.0.1@evil.example",
]  # fmt: skip
NO_HOSTS = ["evil.example@127.0.0.1", "localhost/evil", "localhost?", "localhost#x", "l\u00f6calhost"]


@pytest.mark.parametrize("host", LOCAL)
def test_local_names(host: str) -> None:
    assert is_local_host(host)
    assert is_local_origin(f"http://{host}")


@pytest.mark.parametrize("host", ADDRESSES + FOREIGN)
def test_other_names(host: str) -> None:
    assert not is_local_host(host)
    assert not is_local_origin(f"https://{host}")


@pytest.mark.parametrize("host", NO_HOSTS)
def test_what_is_not_a_host_names_nobody(host: str) -> None:
    assert not is_local_host(host)
    assert not is_address(host)


def test_addresses_are_distinguished_from_names() -> None:
    assert all(is_address(host) for host in ADDRESSES)
    assert not any(is_address(host) for host in FOREIGN)


@pytest.mark.parametrize(
    ("details", "hosts"),
    [
        (ErrorDetails(False), []),
        (ErrorDetails(True), LOCAL),
        (ErrorDetails(True, by_address=True), LOCAL + ADDRESSES),
    ],
)
def test_a_failure_is_explained_to_callers_that_no_foreign_page_can_be(details: ErrorDetails, hosts: list[str]) -> None:
    assert [host for host in LOCAL + ADDRESSES + FOREIGN if details.for_host(host)] == hosts
