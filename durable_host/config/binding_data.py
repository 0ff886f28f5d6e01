"""Binding data from a payload: the properties of a JSON object in the trigger's text.

Source: docs/protocol/functions-host-expressions.md#binding-data
"""

import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final, cast

from durable_host.config.expressions import json_primitive

_DATE: Final = re.compile(
    r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d{1,7}))?(Z|[+-]\d\d:\d\d)?",
)


def from_json_text(text: str) -> dict[str, Any]:
    """The top-level properties if `text` is a JSON object, otherwise nothing.

    Strings, numbers and booleans become text (`True`, ISO dates as `MM/dd/yyyy HH:mm:ss`), objects are kept for dotted
    access, arrays and nulls are left out.
    """
    if not text.lstrip().startswith("{"):
        return {}
    try:
        content: Any = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    data: dict[str, Any] = {}
    for name, value in cast("dict[str, Any]", content).items():
        if isinstance(value, str):
            data[name] = _date_text(value) or value
        elif isinstance(value, bool | int | float):
            data[name] = json_primitive(value)
        elif isinstance(value, dict):
            data[name] = value
    return data


def merged(own: Mapping[str, Any], text: str) -> dict[str, Any]:
    """`own`, overridden by the properties of a JSON object in `text`. The case of names is ignored."""
    return overlaid(own, from_json_text(text))


def overlaid(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    """The entries of both mappings. Those in `above` take precedence; the case of names is ignored."""
    taken = {name.casefold() for name in above}
    return {**{name: value for name, value in below.items() if name.casefold() not in taken}, **above}


def _date_text(text: str) -> str | None:
    match = _DATE.fullmatch(text)
    if match is None:
        return None
    try:
        moment = datetime.fromisoformat(match[1] + (match[3] or ""))
    except ValueError:
        return None
    return (moment.astimezone(UTC) if moment.tzinfo else moment).strftime("%m/%d/%Y %H:%M:%S")
