"""The warning if other machines can reach the host."""

import pytest

from durable_host.config.exposure import exposure_warning


@pytest.mark.parametrize("address", ["127.0.0.1", "localhost", "::1"])
def test_a_host_for_this_machine_only_says_nothing(address: str) -> None:
    assert exposure_warning(address, asks_for_keys=False) is None


@pytest.mark.parametrize(
    ("address", "listens"),
    [
        ("0.0.0.0", "on all addresses of this machine"),
        ("::", "on all addresses of this machine"),
        ("192.168.1.5", "on 192.168.1.5"),
    ],
)
def test_who_can_reach_what_is_said(address: str, listens: str) -> None:
    told = exposure_warning(address, asks_for_keys=False) or ""
    assert f"The host listens {listens}" in told
    assert "Every machine that reaches it can call the HTTP functions of the app without a key" in told
    assert "/runtime and /admin, answer this machine only" in told


def test_keys_are_spoken_of_where_they_are_asked_for() -> None:
    told = exposure_warning("0.0.0.0", asks_for_keys=True) or ""
    assert "with a key" in told
    assert "without a key" not in told
