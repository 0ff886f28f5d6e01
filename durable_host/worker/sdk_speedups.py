"""Faster versions of slow parts of the 1.x SDK in an episode, with the same results.

The SDK parses each event's timestamp with dateutil's general parser (0.1 ms), and each new executor creates a new class
(0.4 ms). For each JSON text it looks for a variable of the environment, which takes longer than to write a short text.
If the SDK does not have the expected form, nothing is changed.
"""

from __future__ import annotations

import copy
import os
from collections.abc import Callable
from datetime import datetime
from importlib import import_module
from typing import Any

_EXECUTOR_FIELDS = frozenset(
    {
        "event_to_SetTaskValuePayload",
        "task_completion_events",
        "current_task",
        "output",
        "exception",
        "orchestrator_returned",
        "_is_processing_new_events",
    }
)

_STRICT_MODE_NAMES = frozenset({"os", "environ", "get", "_STRICT_ENV_VAR", "strip", "lower", "_TRUTHY"})
"""What the check for strict types uses, if the variable alone decides."""


def executor_factory(executor_type: Any) -> Callable[[], Any]:
    """A factory that creates executors like `executor_type()`, by copying a first one that never ran."""
    pattern: Any = executor_type()
    fields: dict[str, Any] = pattern.__dict__
    if not fields.keys() <= _EXECUTOR_FIELDS or not hasattr(pattern, "initialize"):
        return executor_type

    def make() -> Any:
        executor = copy.copy(pattern)
        executor.initialize()
        return executor

    return make


def speed_up_timestamps() -> None:
    """Make the SDK's history events use a parser for the protocol's format of timestamps."""
    module: Any = import_module("azure.durable_functions.models.history.HistoryEvent")
    if getattr(module.dt_parse, "is_quick", False):
        return
    module.dt_parse = timestamp_parser(module.dt_parse)


def speed_up_strict_mode() -> None:
    """Make the SDK see quickly that the environment does not ask for strict types."""
    try:
        codec: Any = import_module("azure.functions._durable_functions")
        original: Callable[[], bool] = codec._is_strict_mode
        variable: str = codec._STRICT_ENV_VAR
    except (ImportError, AttributeError):
        return
    if not getattr(original, "is_quick", False):
        codec._is_strict_mode = strict_mode_check(original, variable)


def strict_mode_check(original: Any, variable: str) -> Callable[[], bool]:
    """A function like `original`, which reads `variable`. It is quick while the environment does not have it.

    Returns `original` if it is not the function that is known.
    """
    environment: Any = os.environ
    try:
        values, key = environment._data, environment.encodekey(variable)
        if frozenset(original.__code__.co_names) != _STRICT_MODE_NAMES or (key not in values and original()):
            return original
    except (AttributeError, TypeError):
        return original

    def is_strict_mode() -> bool:
        return (key in values or os.environ is not environment) and original()

    is_strict_mode.is_quick = True  # pyright: ignore[reportFunctionMemberAccess]
    return is_strict_mode


def timestamp_parser(general: Callable[[str], datetime]) -> Callable[[str], datetime]:
    """A parser for `YYYY-MM-DDThh:mm:ss[.fffffff]Z`, which passes other texts to `general`."""
    utc = general("2000-01-01T00:00:00Z").tzinfo

    def parse(text: str) -> datetime:
        digits = text[:19]
        if len(text) in _LENGTHS and text[-1] == "Z" and digits[4::3] == "--T::" and digits.isascii():
            fraction = text[20:-1]
            try:
                if len(text) == 20 or (text[19] == "." and fraction.isdecimal()):
                    return datetime(
                        int(digits[:4]),
                        int(digits[5:7]),
                        int(digits[8:10]),
                        int(digits[11:13]),
                        int(digits[14:16]),
                        int(digits[17:19]),
                        int(fraction[:6].ljust(6, "0")) if fraction else 0,
                        utc,
                    )
            except ValueError:
                pass
        return general(text)

    parse.is_quick = True  # pyright: ignore[reportFunctionMemberAccess]
    return parse


_LENGTHS = frozenset(range(20, 29)) - {21}
