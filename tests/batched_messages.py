"""A process of pytest-xdist sends what it reports of a test at once.

For each test it sends six messages, and each of them would wake the controller.
"""

from collections.abc import Generator
from typing import Any

import pytest


class BatchedMessages:
    """Holds the messages of a test back until the first one after it, which says that the test has ended."""

    def __init__(self, config: pytest.Config) -> None:
        worker: Any = next(plugin for plugin in config.pluginmanager.get_plugins() if hasattr(plugin, "torun"))
        pipe = worker.channel.gateway._io
        self._write, self._flush = pipe._write, pipe.outfile.flush
        pipe.write = self._send
        self._are_held = False

    def _send(self, data: bytes) -> None:
        self._write(data)
        if not self._are_held:
            self._flush()

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_protocol(self) -> Generator[None, object, object]:
        self._are_held = True
        try:
            return (yield)
        finally:
            self._are_held = False
