"""Reads the policy of `@app.retry` and checks it by the rules of Azure's worker.

In Azure, an invalid policy stops the whole app.

Source: docs/protocol/functions-host-worker.md#retry-policies
"""

from __future__ import annotations

import sys
import time
from typing import Any

FIXED, EXPONENTIAL = "fixed_delay", "exponential_backoff"
_NEEDED = {FIXED: ("delay_interval",), EXPONENTIAL: ("minimum_interval", "maximum_interval")}
_LARGEST_COUNT = 2**31
INTERVALS = ("delay_interval", "minimum_interval", "maximum_interval")


def read(settings: dict[str, Any] | None, python: tuple[int, int] = sys.version_info[:2]) -> dict[str, Any] | None:
    """The policy with intervals in seconds; None without one. Raises ValueError.

    From Python 3.13 on, Azure runs another worker, which has defaults for the intervals of `exponential_backoff`.
    """
    if not settings:
        return None
    strategy = _strategy(settings.get("strategy"))
    found: dict[str, Any] = {"strategy": strategy, "max_retry_count": _count(settings.get("max_retry_count"))}
    for name in INTERVALS:
        value = settings.get(name)
        if name not in _NEEDED[strategy]:
            found[name] = None
        elif value is None or value == "":
            if strategy == FIXED or python < (3, 13):
                raise ValueError(f'strategy="{strategy}" of @app.retry needs {name}: write {name}="00:00:10"')
            found[name] = None
        else:
            found[name] = _seconds(name, value)
    return found


def _strategy(value: Any) -> str:
    if isinstance(value, str) and value in _NEEDED:
        return value
    meant = str(value).replace("_", "").replace("-", "").lower()
    close = next((name for name in _NEEDED if name.replace("_", "") == meant), None)
    remedy = f'write strategy="{close}"' if close else f'write strategy="{FIXED}" or strategy="{EXPONENTIAL}"'
    shown = f'"{value}"' if isinstance(value, str) else repr(value)
    raise ValueError(f"strategy={shown} of @app.retry is not a strategy: {remedy}")


def _count(value: Any) -> int:
    try:
        count = int(value)
    except (TypeError, ValueError):
        count = None
    if count is None or not -_LARGEST_COUNT <= count < _LARGEST_COUNT:
        raise ValueError(
            f'max_retry_count={value!r} of @app.retry is not a whole number: write max_retry_count="3", or "-1" for '
            "no limit"
        )
    return count


def _seconds(name: str, value: Any) -> float:
    try:
        parsed = time.strptime(value, "%H:%M:%S")
    except (TypeError, ValueError) as error:
        raise ValueError(
            f"{name}={value!r} of @app.retry is not a time below 24 hours in the form HH:MM:SS: write "
            f'{name}="00:00:10" (in Azure: {error})'
        ) from None
    return parsed.tm_hour * 3600.0 + parsed.tm_min * 60.0 + parsed.tm_sec
