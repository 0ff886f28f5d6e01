"""Values, and the differences between them, as lines for people."""

import difflib
import json
from typing import Any


def value_text(value: Any) -> str:
    """A value as JSON with one member per line if it is long; what JSON does not have as Python shows it."""
    try:
        short = json.dumps(value, ensure_ascii=False, default=repr)
        return short if len(short) <= _LONGEST else json.dumps(value, ensure_ascii=False, default=repr, indent=2)
    except (TypeError, ValueError):
        return repr(value)


def short_text(value: Any) -> str:
    """A value as JSON on one line, cut off if it is very long."""
    try:
        text = json.dumps(value, ensure_ascii=False, default=repr)
    except (TypeError, ValueError):
        text = repr(value)
    return text if len(text) <= _MOST_IN_LINE else f"{text[:_MOST_IN_LINE]}…"


def difference(expected: Any, actual: Any) -> str:
    """The lines of both values: `-` marks what is only expected, `+` what is only actual, `?` where they differ."""
    before, after = _lines(expected), _lines(actual)
    if before == after:
        before, after = [repr(expected)], [repr(actual)]
    return "\n".join(line.rstrip("\n") for line in difflib.ndiff(before, after))


def indented(text: str, by: str = "  ") -> str:
    return "\n".join(f"{by}{line}" for line in text.splitlines())


_LONGEST = 100
_MOST_IN_LINE = 300


def _lines(value: Any) -> list[str]:
    if isinstance(value, str):
        return value.splitlines() or [""]
    try:
        return json.dumps(value, ensure_ascii=False, default=repr, indent=2).splitlines()
    except (TypeError, ValueError):
        return [repr(value)]
