"""The app that the running test is about, as the plugin of pytest has chosen it."""

from __future__ import annotations

from collections.abc import Callable
from contextvars import ContextVar
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from durable_host.testing.function_app import FunctionApp

CHOSEN_APP: ContextVar[Callable[[], FunctionApp] | None] = ContextVar("chosen_app", default=None)
"""Returns the app, and loads it before if necessary. None outside of pytest. Importing this imports nothing else."""
