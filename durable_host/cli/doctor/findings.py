"""What `func doctor` found."""

from typing import Literal

import msgspec

from durable_host.errors import HostError

Level = Literal["ok", "warning", "error"]


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """One fact about `area`; `remedy` says how to mend it."""

    area: str
    level: Level
    message: str
    remedy: str | None = None


def ok(area: str, message: str) -> Finding:
    return Finding(area=area, level="ok", message=message)


def warning(area: str, message: str, remedy: str | None = None) -> Finding:
    return Finding(area=area, level="warning", message=message, remedy=remedy)


def problem(area: str, message: str, remedy: str | None = None) -> Finding:
    return Finding(area=area, level="error", message=message, remedy=remedy)


def of_error(area: str, error: HostError) -> Finding:
    """An error that the host would end with. Of a longer cause, such as a traceback, the last line counts."""
    lines = (error.cause or "").strip().splitlines()
    cause = f" ({lines[-1].strip()})" if lines and lines[-1].strip() not in error.message else ""
    return problem(area, f"{error.code}: {error.message}{cause}", error.remedy)
