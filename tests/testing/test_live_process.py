"""What the host of a live app writes while it stops."""

import io
import sys

import pytest

from durable_host.host.host_process import WAITING
from durable_host.testing.live.live_process import LiveProcess

pytestmark = pytest.mark.unit


class Broken(io.StringIO):
    def write(self, text: str, /) -> int:
        raise BrokenPipeError


def _closed() -> io.StringIO:
    stream = io.StringIO()
    stream.close()
    return stream


@pytest.mark.parametrize("stream", [_closed(), Broken()], ids=["closed", "broken"])
def test_a_stderr_that_takes_nothing_does_not_end_the_thread_that_reads(
    stream: io.StringIO, monkeypatch: pytest.MonkeyPatch
) -> None:
    process = LiveProcess.__new__(LiveProcess)
    process._is_stopping = True
    monkeypatch.setattr(sys, "stderr", stream)
    process._read_line("Warning", f"{WAITING} 4 s for running functions: hangs.")
