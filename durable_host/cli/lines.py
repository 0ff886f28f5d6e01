"""Renders an event for the console as plain, compact or JSON lines. Pure functions.

The plain form is that of Core Tools. A host writes thousands of lines: rendering one takes 0.01 ms, with rich 0.19 ms.

Source: docs/protocol/functions-host-cli.md#line-format
"""

import time
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, Final, Literal, cast

import msgspec

from durable_host.cli.colour import BOLD, CYAN, DIM, GREEN, GREY, RED, YELLOW, painted
from durable_host.cli.printable import printable
from durable_host.config.log_levels import TRACE

OutputMode = Literal["compact", "plain", "json"]

_NAMES: Final = ((50, "Critical"), (40, "Error"), (30, "Warning"), (20, "Information"), (10, "Debug"), (TRACE, "Trace"))


class Event(msgspec.Struct, frozen=True):
    """A log record to render. `created` is in seconds since 1970.

    `brief` replaces the message in compact output; if it is empty, the record is left out there. `status`,
    `duration_ms` and `exception` (type, message, file, line, hint) describe an outcome, for JSON output.
    """

    created: float
    level: int
    category: str
    message: str
    function: str | None = None
    invocation_id: str | None = None
    instance_id: str | None = None
    brief: str | None = None
    status: str | None = None
    duration_ms: int | None = None
    exception: dict[str, Any] | None = None


def level_name(level: int) -> str:
    """The .NET name of a level of the logging module."""
    return next((name for least, name in _NAMES if level >= least), "Trace")


def render(event: Event, mode: OutputMode, coloured: bool) -> str:
    """The lines for `event`, each with a line feed at the end; the empty text for an empty message."""
    if not event.message.strip():
        return ""
    if mode == "json":
        return json_line(event)
    return compact(event, coloured) if mode == "compact" else plain(event, coloured)


def plain(event: Event, coloured: bool = False) -> str:
    """`[2024-05-01T10:20:29.001Z] message`, with the prefix on every line of the message."""
    prefix = painted(f"[{timestamp(event.created)}]", GREY, coloured)
    codes = _codes(event.level)
    lines = _printable_lines(event, event.message, coloured)
    return "".join(f"{prefix} {painted(line, codes, coloured)}\n" for line in lines)


def compact(event: Event, coloured: bool = True) -> str:
    """Local time of day, function and message; further lines are indented below the message."""
    message = event.message if event.brief is None else event.brief
    if not message.strip():
        return ""
    head = painted(time.strftime("%H:%M:%S", time.localtime(event.created)), DIM, coloured)
    label = printable(event.function or "")
    mark = ""
    if event.level >= 30:
        mark = painted(f"{'error' if event.level >= 40 else 'warn'} ", _codes(event.level) + BOLD, coloured)
    named = f"{painted(label, CYAN, coloured)} " if label else ""
    first, *rest = _printable_lines(event, message, coloured)
    codes = _codes(event.level) if event.level >= 30 or event.level < 20 else ""
    if event.brief is not None and event.level == 20:
        codes = DIM
    text = f"{head} {mark}{named}{painted(first, codes, coloured)}\n"
    return text + "".join(f"{' ' * 9}{painted(line, codes, coloured)}\n" for line in rest)


def json_line(event: Event) -> str:
    """One JSON object on one line, without members whose value is unknown."""
    members = {
        "time": timestamp(event.created),
        "level": level_name(event.level),
        "category": event.category,
        "function": event.function,
        "invocationId": event.invocation_id,
        "instanceId": event.instance_id,
        "status": event.status,
        "durationMs": event.duration_ms,
        "message": event.message,
        "exception": event.exception,
    }
    known = {name: value for name, value in members.items() if value is not None}
    try:
        return msgspec.json.encode(known).decode() + "\n"
    except UnicodeEncodeError:  # an unpaired surrogate in the app's data, or bytes that are not UTF-8
        return msgspec.json.encode(_whole(known)).decode() + "\n"


def _whole(value: Any) -> Any:
    if isinstance(value, dict):
        members = cast("dict[str, Any]", value)
        return {name: _whole(member) for name, member in members.items()}
    return value.encode("utf-8", "replace").decode() if isinstance(value, str) else value


def timestamp(created: float) -> str:
    whole = int(created)
    more, microseconds = divmod(round((created - whole) * 1_000_000), 1_000_000)
    return f"{_second(whole + more)}.{microseconds // 1000:03}Z"


@lru_cache(maxsize=4)
def _second(second: int) -> str:
    return f"{datetime.fromtimestamp(second, UTC):%Y-%m-%dT%H:%M:%S}"


def _printable_lines(event: Event, text: str, coloured: bool) -> list[str]:
    """The lines with control characters escaped. If the output is coloured, the app's own colours stay."""
    keep_colours = coloured and (event.category == "Host.Function.Console" or event.category.endswith(".User"))
    return [printable(line, keep_colours=keep_colours) for line in text.rstrip().splitlines()]


def _codes(level: int) -> str:
    if level >= 50:
        return ""
    if level >= 40:
        return RED
    if level >= 30:
        return YELLOW
    return CYAN if level >= 20 else GREEN
