"""Formats dates and GUIDs like .NET with the invariant culture.

Source: docs/protocol/functions-host-expressions.md#built-in-values
"""

import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Final
from uuid import UUID

_DAYS: Final = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
MONTHS: Final = (
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
)
_STANDARD: Final[Mapping[str, str]] = {
    "d": "MM/dd/yyyy",
    "D": "dddd, dd MMMM yyyy",
    "f": "dddd, dd MMMM yyyy HH:mm",
    "F": "dddd, dd MMMM yyyy HH:mm:ss",
    "g": "MM/dd/yyyy HH:mm",
    "G": "MM/dd/yyyy HH:mm:ss",
    "m": "MMMM dd",
    "M": "MMMM dd",
    "o": "yyyy'-'MM'-'dd'T'HH':'mm':'ss.fffffffK",
    "O": "yyyy'-'MM'-'dd'T'HH':'mm':'ss.fffffffK",
    "r": "ddd, dd MMM yyyy HH':'mm':'ss 'GMT'",
    "R": "ddd, dd MMM yyyy HH':'mm':'ss 'GMT'",
    "s": "yyyy'-'MM'-'dd'T'HH':'mm':'ss",
    "t": "HH:mm",
    "T": "HH:mm:ss",
    "u": "yyyy'-'MM'-'dd HH':'mm':'ss'Z'",
    "U": "dddd, dd MMMM yyyy HH:mm:ss",
    "y": "yyyy MMMM",
    "Y": "yyyy MMMM",
}
_TOKEN = re.compile(
    r"""(?P<quoted>'(?:\\.|[^'])*'|"(?:\\.|[^"])*")|\\(?P<escaped>.)|%(?=.)"""
    r"""|(?P<run>(?P<letter>[dfFghHKmMstyz:/])(?P=letter)*)|(?P<literal>.)""",
    re.VERBOSE | re.DOTALL,
)
_FRACTION_BEFORE = re.compile(r"\.$")


def format_datetime(value: datetime, pattern: str) -> str:
    """`value` in a .NET standard (one letter) or custom format. Raises ValueError for a format that .NET refuses.

    A naive value has no zone (`K` is empty); UTC is `Z`, other zones are `+hh:mm`.
    """
    if len(pattern) == 1:
        if pattern not in _STANDARD:
            raise ValueError(f"'{pattern}' is not a date format")
        if pattern in "uUrR":
            value = value.astimezone(UTC) if value.tzinfo else value
        pattern = _STANDARD[pattern]
    output = ""
    for match in _TOKEN.finditer(pattern):
        if match["quoted"] is not None:
            output += re.sub(r"\\(.)", r"\1", match["quoted"][1:-1])
        elif match["escaped"] is not None:
            output += match["escaped"]
        elif match["literal"] is not None:
            if match["literal"] in "\"'\\":
                raise ValueError(f"'{pattern}' is not a date format: a quotation is not closed")
            output += match["literal"]
        elif (letter := match["letter"]) is not None:
            text = _part(value, letter, len(match["run"]))
            if letter == "F" and not text:
                output = _FRACTION_BEFORE.sub("", output)
            output += text
    return output


def _part(value: datetime, letter: str, count: int) -> str:
    if letter in "fF":
        if count > 7:
            raise ValueError("a date format has at most 7 digits of a fraction")
        digits = f"{value.microsecond:06}0"[:count]
        return digits.rstrip("0") if letter == "F" else digits
    if letter in ":/":
        return letter * count
    return _PARTS[letter](value, count)


def _day(value: datetime, count: int) -> str:
    if count <= 2:
        return f"{value.day:0{count}}"
    name = _DAYS[value.weekday()]
    return name[:3] if count == 3 else name


def _month(value: datetime, count: int) -> str:
    if count <= 2:
        return f"{value.month:0{count}}"
    name = MONTHS[value.month - 1]
    return name[:3] if count == 3 else name


def _year(value: datetime, count: int) -> str:
    return f"{value.year % 100:0{count}}" if count <= 2 else f"{value.year:0{count}}"


def _half(value: datetime, count: int) -> str:
    name = "AM" if value.hour < 12 else "PM"
    return name[:1] if count == 1 else name


def _offset(value: datetime, count: int) -> str:
    delta = value.utcoffset()
    minutes = 0 if delta is None else round(delta.total_seconds() / 60)
    sign, (hours, rest) = "-" if minutes < 0 else "+", divmod(abs(minutes), 60)
    return f"{sign}{hours:0{min(count, 2)}}" if count <= 2 else f"{sign}{hours:02}:{rest:02}"


def _zone(value: datetime, count: int) -> str:
    if value.tzinfo is None:
        return ""
    return ("Z" if value.tzinfo is UTC or value.utcoffset() == UTC.utcoffset(None) else _offset(value, 3)) * count


_PARTS: Final[Mapping[str, Callable[[datetime, int], str]]] = {
    "d": _day,
    "g": lambda _value, _count: "A.D.",
    "h": lambda value, count: f"{value.hour % 12 or 12:0{min(count, 2)}}",
    "H": lambda value, count: f"{value.hour:0{min(count, 2)}}",
    "K": _zone,
    "m": lambda value, count: f"{value.minute:0{min(count, 2)}}",
    "M": _month,
    "s": lambda value, count: f"{value.second:0{min(count, 2)}}",
    "t": _half,
    "y": _year,
    "z": _offset,
}


def format_guid(value: UUID, pattern: str | None) -> str:
    """`value` in one of .NET's formats N, D, B, P, X (case is ignored; None or empty: D)."""
    kind = (pattern or "D").upper()
    if kind == "N":
        return value.hex
    if kind == "D":
        return str(value)
    if kind == "B":
        return f"{{{value}}}"
    if kind == "P":
        return f"({value})"
    if kind == "X":
        tail = ",".join(f"0x{byte:02x}" for byte in value.bytes[8:])
        return f"{{0x{value.time_low:08x},0x{value.time_mid:04x},0x{value.time_hi_version:04x},{{{tail}}}}}"
    raise ValueError(f"'{pattern}' is not a GUID format: expected N, D, B, P or X")
