"""Spans of time in the arguments of tests."""

from datetime import timedelta
from typing import Any

__tracebackhide__ = True

_UNITS = ("weeks", "days", "hours", "minutes", "seconds", "milliseconds", "microseconds")


def time_span(by: Any, units: dict[str, float]) -> timedelta:
    """The timedelta, or the one that the units make.

    Raises TypeError for other values and for both together, ValueError if the time would go back.
    """
    if by is not None and (units or not isinstance(by, timedelta)):
        raise TypeError("advance needs either a timedelta or units such as days=3.")
    try:
        span = timedelta(**units) if by is None else by
    except TypeError:
        raise TypeError(f"advance takes {', '.join(_UNITS)}, not {', '.join(units)}.") from None
    if span < timedelta():
        raise ValueError(f"Time cannot go back: advance({span!r}).")
    return span


def checked_span(name: str, value: timedelta | None) -> timedelta | None:
    """The value of the argument `name`. Raises TypeError for a number, which does not say its unit."""
    if value is not None and not isinstance(value, timedelta):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise TypeError(f"{name} needs a timedelta such as timedelta(days=3), not {value!r}.")
    return value
