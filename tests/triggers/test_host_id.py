"""The host ID and the instance ID.

Source: docs/protocol/functions-host.md#host-id, docs/protocol/functions-host.md#instance-id
"""

from pathlib import Path

import pytest

from durable_host.bindings.queue_text import queue_name
from durable_host.errors import ConfigurationError
from durable_host.host_id import host_id, host_id_of, instance_id
from durable_host.triggers.blob.message import internal_queue


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


@pytest.mark.parametrize("machine", ["BÜRO-PC", "机器", "", "x" * 40])
def test_whatever_the_machine_is_called_its_queue_has_a_valid_name(machine: str) -> None:
    name = internal_queue(host_id(machine, "/home/me/app"))
    assert queue_name(name) == name


@pytest.mark.parametrize("given", ["My_Host", "Upper", "x" * 33, "-a", "a--b", "a b"])
def test_a_host_id_that_storage_cannot_hold_is_refused(given: str) -> None:
    with pytest.raises(ConfigurationError, match="which is not a valid host ID"):
        host_id_of(Path("/app"), {"AzureFunctionsWebHost__hostid": given})


def test_a_host_id_may_be_given() -> None:
    assert host_id_of(Path("/app"), {"AzureFunctionsWebHost__hostid": "team-7"}) == "team-7"


def test_the_instance_id_is_the_hash_of_the_machine() -> None:
    assert instance_id("devbox") == "000000000000000000000000711A586D"
