"""A slow stop reports what it waits for."""

import asyncio
import logging
from collections.abc import Mapping

import pytest

from durable_host.config.start_options import SilentPresenter
from durable_host.errors import HostError
from durable_host.host import process_lifetime


class _Arrived(logging.Handler):
    """Remembers the first line."""

    def __init__(self) -> None:
        super().__init__(logging.INFO)
        self.text = asyncio.get_running_loop().create_future()

    def emit(self, record: logging.LogRecord) -> None:
        if not self.text.done():
            self.text.set_result(record.getMessage())


class _Services:
    """Fails at once, and stops when a line was logged."""

    def __init__(self, arrived: _Arrived) -> None:
        self._arrived = arrived

    async def start(self, started_at: float) -> None:
        await asyncio.Event().wait()

    async def failure(self) -> HostError:
        return HostError("It has failed.")

    async def stop(self, grace: float) -> None:
        await self._arrived.text

    def running_functions(self) -> Mapping[str, bool]:
        return {"hangs": True}

    def kill(self) -> None:
        pass


@pytest.mark.parametrize(
    ("running", "grace", "text"),
    [
        ({"a": True, "b": True}, 5, "8 s for running functions: a, b"),
        ({"a": False, "b": False}, 5, "4 s for running functions: a, b"),
        ({"a": True, "b": False}, 5, "4 s for running functions: b; up to 8 s for running functions: a"),
        ({"a": True, "b": False}, 0.5, "8 s for running functions: a"),
        ({"a": False}, 0.5, "8 s for the rest of the host"),
        ({}, 5, "8 s for the rest of the host"),
    ],
)
def test_functions_in_threads_have_more_time(running: Mapping[str, bool], grace: float, text: str) -> None:
    assert process_lifetime.waits_of_stop(running, grace) == text


async def test_a_long_stop_says_what_it_waits_for_and_for_how_long(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "Host.Startup")
    monkeypatch.setattr(process_lifetime, "SILENT_STOP", 0.0)
    logger = logging.getLogger("Host.Startup")
    arrived = _Arrived()
    logger.addHandler(arrived)

    async def make() -> process_lifetime.HostServices:
        return _Services(arrived)

    try:
        with pytest.raises(HostError, match="It has failed"):
            await process_lifetime._run_services(make, SilentPresenter())
    finally:
        logger.removeHandler(arrived)
    assert arrived.text.result() == "The host waits up to 9 s for running functions: hangs."
