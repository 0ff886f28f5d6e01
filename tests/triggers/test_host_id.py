"""Vectors of spec/functions-host.md, sections 8.3 and 12."""

import pytest

from durable_host.host_id import host_id, instance_id


@pytest.mark.parametrize(
    ("machine", "path", "expected"),
    [
        ("MY-Machine", "/home/me/app", "mymachine-754397598"),
        ("MY-Machine", "/home/me/app/", "mymachine-1911489011"),
        ("a-very-long-machine-name-indeed-01", "/x", "averylongmachinenameindeed01-236"),
    ],
)
def test_the_host_id_is_that_of_the_real_host(machine: str, path: str, expected: str) -> None:
    assert host_id(machine, path) == expected


def test_the_instance_id_is_the_hash_of_the_machine() -> None:
    assert instance_id("devbox") == "000000000000000000000000711A586D"
