"""Leaves out a warning of the 1.x SDK that misleads.

The SDK keeps an external event that arrives before its wait, and warns of a "Potential duplicate Task completion". It
is neither a duplicate nor a mistake. The host reports events that no wait takes, and those whose names differ only in
case.
"""

from __future__ import annotations

import re
import warnings
from importlib import import_module
from typing import Any

from .drivable import EXECUTOR_MODULE

_OF_AN_EVENT = re.compile(r"Potential duplicate Task completion for TaskId: (?!\d+$)", re.DOTALL)
"""Tasks of other kinds have numbers. Their completions should never come early or twice."""


class _Warnings:
    """The module `warnings` as the SDK's executor uses it."""

    def warn(self, message: Any, *arguments: Any, **options: Any) -> None:
        if not (isinstance(message, str) and _OF_AN_EVENT.match(message)):
            warnings.warn(message, *arguments, **{"stacklevel": 2, **options})

    def __getattr__(self, name: str) -> Any:
        return getattr(warnings, name)


def leave_out_early_events() -> None:
    """Make the SDK accept events before their waits without that warning. Its other warnings stay."""
    executors: Any = import_module(EXECUTOR_MODULE)
    if getattr(executors, "warnings", None) is warnings:
        executors.warnings = _Warnings()
