"""Records the exceptions of operations in entity functions of the 1.x SDK.

For an operation that raises, the SDK returns only the text of the exception.
"""

from __future__ import annotations

from collections.abc import Callable
from types import CellType, FunctionType
from typing import Any

from . import failures
from .likely_causes import likely_cause

_MOST_REPORTED = 20


class FailedOperations:
    """The exceptions of the operations in a batch: `reported` has the first ones, `count` is their number."""

    def __init__(self) -> None:
        self.reported: list[dict[str, Any]] = []
        self.count = 0

    def watching(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """The result of `Entity.create`, with user code that records its exceptions. Other functions are unchanged."""
        user_code = entity_code_of(function)
        if user_code is None or not isinstance(function, FunctionType):
            return function

        def watched(context: Any) -> Any:
            try:
                return user_code(context)
            except Exception as error:
                self._note(error, user_code, getattr(context, "_operation", None))
                raise

        cells = zip(function.__code__.co_freevars, function.__closure__ or (), strict=True)
        closure = tuple(CellType(watched) if name == "fn" else cell for name, cell in cells)
        return FunctionType(function.__code__, function.__globals__, function.__name__, None, closure)

    def _note(self, error: Exception, user_code: Any, operation: str | None) -> None:
        self.count += 1
        if len(self.reported) < _MOST_REPORTED:
            hint = likely_cause(error, user_code, kind="entity")
            self.reported.append({**failures.describe(error), "hint": hint, "operation": operation})


def entity_code_of(function: Any) -> Any | None:
    """The user's function in the result of `Entity.create`; None for other functions."""
    if getattr(function, "__module__", "") != "azure.durable_functions.entity":
        return None
    cells = zip(function.__code__.co_freevars, function.__closure__ or (), strict=False)
    return {name: cell.cell_contents for name, cell in cells}.get("fn")
