"""The findings of `func doctor`."""

from typing import Literal

import msgspec

from durable_host.errors import HostError

Level = Literal["ok", "warning", "error"]


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """One fact about `area`; `remedy` says how to fix it, `details` are further lines, such as a traceback."""

    area: str
    level: Level
    message: str
    remedy: str | None = None
    details: str | None = None


def ok(area: str, message: str) -> Finding:
    return Finding(area=area, level="ok", message=message)


def warning(area: str, message: str, remedy: str | None = None) -> Finding:
    return Finding(area=area, level="warning", message=message, remedy=remedy)


def problem(area: str, message: str, remedy: str | None = None, details: str | None = None) -> Finding:
    return Finding(area=area, level="error", message=message, remedy=remedy, details=details)


def of_error(area: str, error: HostError) -> Finding:
    """The finding for an error. A traceback becomes the details; of any other cause, only the last line is shown."""
    text = (error.cause or "").strip()
    lines = text.splitlines()
    cause = f" ({lines[-1].strip()})" if lines and lines[-1].strip() not in error.message else ""
    details = text if text.startswith("Traceback") else None
    return problem(area, f"{error.code}: {error.message}{cause}", error.remedy, details)
