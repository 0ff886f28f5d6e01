"""Fails a run in which a process of pytest-xdist has died.

A process that dies in a test fails that test. One that dies at another time is only replaced: while tests are
collected, until too many have died, and then the run ends without the tests that are left; and after its last test.
"""

from typing import Any

import pytest


class DeadProcesses:
    """In the controller: the run ends with status 3 if a process has died and nothing else has failed."""

    def __init__(self) -> None:
        self._died = False
        self._decides = False

    def pytest_testnodedown(self, error: object) -> None:
        self._died = self._died or error is not None

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        if self._died and session.exitstatus in (pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED):
            self._decides = True
            session.exitstatus = pytest.ExitCode.INTERNAL_ERROR

    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        if self._decides:
            terminalreporter.write_sep(
                "=", "the run fails, because a process of pytest died outside of a test", red=True
            )
