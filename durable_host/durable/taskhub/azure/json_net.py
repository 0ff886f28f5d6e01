"""JSON text as Json.NET writes it: without whitespace, non-ASCII characters unescaped, few escapes.

Characters that XML cannot represent (unpaired surrogates, U+FFFE, U+FFFF) are also escaped, so that every message can
be sent as plain text.

Source: docs/protocol/task-hub-storage-messages.md#json-form,
    docs/protocol/task-hub-storage-messages.md#text-encoding
"""

import json
import re
from json.encoder import encode_basestring as _quote_ascii_controls  # pyright: ignore[reportUnknownVariableType]
from typing import Any, cast

import msgspec

from durable_host import timestamp

_SPECIAL = re.compile("[\x85\u2028\u2029\ud800-\udfff\ufffe\uffff]")
_base = cast("Any", _quote_ascii_controls)
_decode = msgspec.json.Decoder().decode

DICTIONARY_TYPE = (
    "System.Collections.Generic.Dictionary`2[[System.String, System.Private.CoreLib],"
    "[System.String, System.Private.CoreLib]]"
)


def quote(text: str) -> str:
    """Return a JSON string literal."""
    literal: str = _base(text)
    if literal.isascii():
        return literal
    return _SPECIAL.sub(_escape, literal)


def _escape(match: re.Match[str]) -> str:
    return f"\\u{ord(match.group()):04x}"


def nullable(text: str | None) -> str:
    """Return a JSON string literal, or null."""
    return "null" if text is None else quote(text)


def boolean(value: bool) -> str:
    return "true" if value else "false"


def number(value: int | None) -> str:
    return "null" if value is None else str(value)


def time_json(ticks: int | None) -> str:
    """Return a quoted UTC timestamp with a trimmed fraction, or null. The minimum date has no time zone."""
    if ticks is None:
        return "null"
    return f'"{timestamp.to_text(ticks)}"' if ticks else '"0001-01-01T00:00:00"'


def value(anything: Any) -> str:
    """Return any JSON value in compact form."""
    return json.dumps(anything, ensure_ascii=False, separators=(",", ":"))


def parse(text: str | bytes) -> Any:
    """Return the JSON value of `text`. Raises ValueError. Accepts unpaired surrogate escapes, as .NET does, but not
    `NaN`.
    """
    try:
        return _decode(text)
    except (msgspec.DecodeError, UnicodeEncodeError):
        return json.loads(text, parse_constant=_refuse)


def _refuse(constant: str) -> Any:
    raise ValueError(f"{constant} is not JSON")
