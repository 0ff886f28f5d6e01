"""Texts of the app (inputs, outputs, statuses, states) and times in the answers of the dashboard."""

from durable_host import timestamp

IN_LIST = 256
"""Characters of a text in a list."""
IN_DETAILS = 65_536
"""Characters of a text in the details of one thing."""


def cut(text: str | None, limit: int) -> tuple[str | None, bool]:
    """The beginning of a text, and whether something was cut off."""
    if text is None or len(text) <= limit:
        return text, False
    return text[:limit], True


def time_text(ticks: int | None) -> str | None:
    """ISO 8601 in UTC; None without a time."""
    return timestamp.to_text(ticks) if ticks else None


def milliseconds(ticks: int) -> float:
    """A duration in milliseconds, not below zero."""
    return max(0, ticks) / 10_000
