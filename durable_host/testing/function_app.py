"""Tests an app in virtual time.

    from durable_host.testing import FunctionApp

    with FunctionApp("path/of/the/app") as app:
        instance = app.start("BudgetApproval", {"amount": 100})
        app.advance(days=3)
        assert instance.output == {"status": "expired"}

In pytest, the fixture `function_app` is such an app.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Self

from durable_host.testing.app_under_test import AppUnderTest
from durable_host.testing.memory_backend import MemoryBackend

__tracebackhide__ = True

_START = datetime(2024, 1, 1, tzinfo=UTC)


class FunctionApp(AppUnderTest):
    """An app in a worker process; its task hub and its storage are in memory, its time is virtual.

    `root` is the app's folder or one below it. `settings` take precedence over the environment and local.settings.json,
    `python` over the app's virtual environment. Time begins at `start`. Raises HostError if the app does not load.
    Use it as a context manager, or close it.
    """

    def __init__(
        self,
        root: str | Path = ".",
        *,
        settings: Mapping[str, str] | None = None,
        python: str | Path | None = None,
        start: datetime = _START,
    ) -> None:
        self._memory = MemoryBackend(
            Path(root).resolve(), settings or {}, Path(python).absolute() if python is not None else None, start
        )
        super().__init__(self._memory)

    def reset(self, *, start: datetime | None = None) -> Self:
        """Begin again: a fresh task hub, storage and time, nothing replaced or recorded. The worker stays.

        Time begins at `start`, by default at the time that the constructor got.
        """
        self._memory.reset(start)
        return self
