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

_GUID = r"[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}"
_OF_AN_EVENT = re.compile(rf"Potential duplicate Task completion for TaskId: (?!(?:\d+|{_GUID})\Z)")
"""Calls of entities have GUIDs, other tasks numbers. Their completions should never come early or twice.

So the warning stays for an event whose name is a number or a GUID.
"""


class _Warnings:
    """The module `warnings` as the SDK's executor uses it."""

    def warn(
        self, message: Any, category: type[Warning] | None = None, stacklevel: int = 1, *more: Any, **options: Any
    ) -> None:
        if not (isinstance(message, str) and _OF_AN_EVENT.match(message)):
            # This method is one more call between the caller and the module.
            warnings.warn(message, category, max(stacklevel, 1) + 1, *more, **options)

    def __getattr__(self, name: str) -> Any:
        return getattr(warnings, name)


def leave_out_early_events() -> None:
    """Make the SDK accept events before their waits without that warning. Its other warnings stay."""
    try:
        executors: Any = import_module(EXECUTOR_MODULE)
    except (ImportError, AttributeError):  # an SDK of another form
        return
    if getattr(executors, "warnings", None) is warnings:
        executors.warnings = _Warnings()
