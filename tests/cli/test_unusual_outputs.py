"""Host names that cannot be encoded, and an output that nobody reads."""

import io
import sys

import pytest

from durable_host.cli.running_host import Address, HostNotRunning, request_host
from durable_host.cli.standard_streams import separate_stdout


def test_a_host_name_that_cannot_be_encoded_does_not_answer() -> None:
    with pytest.raises(HostNotRunning):
        request_host(Address("a" * 64 + ".example", 7071), "GET", "/")


class Closed(io.StringIO):
    """A stream whose reader has ended."""

    def flush(self) -> None:
        raise BrokenPipeError


def test_stdout_is_separated_although_its_reader_has_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    stdout = Closed()
    monkeypatch.setattr(sys, "stdout", stdout)
    assert separate_stdout() is stdout
