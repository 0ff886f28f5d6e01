"""Makes a process of pytest-xdist send the messages about a test together, and only those that are read.

It sends six messages for each test, and each of them would wake the controller. Two only say that the fixtures were
set up and torn down without a failure. Writing and reading these messages takes longer than many tests.
"""

from collections.abc import Generator
from typing import Any

import pytest

_UNREAD = {"is_unread": True}


class BatchedMessages:
    """Holds back the messages about a test until the first message after it, which says that the test has ended."""

    def __init__(self, config: pytest.Config) -> None:
        worker: Any = next(plugin for plugin in config.pluginmanager.get_plugins() if hasattr(plugin, "torun"))
        pipe = worker.channel.gateway._io
        self._write, self._flush = pipe._write, pipe.outfile.flush
        pipe.write = self._send
        self._are_held = False
        self._send_event = worker.sendevent
        worker.sendevent = self._send_read_event
        self._all_are_read = bool(config.option.durations or config.option.xmlpath)

    def _send(self, data: bytes) -> None:
        self._write(data)
        if not self._are_held:
            self._flush()

    def _send_read_event(self, name: str, **event: Any) -> None:
        if "is_unread" not in event.get("data", ()):
            self._send_event(name, **event)

    @pytest.hookimpl(tryfirst=True)
    def pytest_report_to_serializable(self, report: object) -> dict[str, Any] | None:
        is_read = self._all_are_read or not isinstance(report, pytest.TestReport) or report.when == "call"
        return None if is_read or not report.passed else _UNREAD.copy()

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_protocol(self) -> Generator[None, object, object]:
        self._are_held = True
        try:
            return (yield)
        finally:
            self._are_held = False
