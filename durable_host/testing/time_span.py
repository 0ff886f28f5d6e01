"""How far a test advances the time."""

from datetime import timedelta
from typing import Any

__tracebackhide__ = True


def time_span(by: Any, units: dict[str, float]) -> timedelta:
    """The timedelta, or the one that the units make.

    Raises TypeError for other values and for both together, ValueError if the time would go back.
    """
    if by is not None and (units or not isinstance(by, timedelta)):
        raise TypeError("advance needs either a timedelta or units such as days=3.")
    span = timedelta(**units) if by is None else by
    if span < timedelta():
        raise ValueError(f"Time cannot go back: advance({span!r}).")
    return span
