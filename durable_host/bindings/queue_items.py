"""Splits an output value into messages.

Lists and texts of JSON arrays become one message per element. Objects, and texts that only look like JSON, are sent
unchanged. A `QueueMessage` is stored as its JSON, with `id` and `body`.

Source: docs/protocol/functions-host-values.md#items-of-an-output
"""

import json
from typing import Any, cast

from durable_host.config.expressions import json_primitive


def split_text(text: str) -> list[str]:
    """The messages for a text from the function."""
    trimmed = text.strip()
    if not (trimmed.startswith("[") and trimmed.endswith("]")):
        return [text]
    try:
        value: Any = json.loads(trimmed)
    except (ValueError, RecursionError):
        return [text]
    return [_element(item) for item in cast("list[Any]", value)]


def split_json(text: str) -> list[str]:
    """The messages for a JSON value, which the SDK creates from a dict, a list or a `QueueMessage`."""
    value: Any = json.loads(text)
    if isinstance(value, list):
        return [_element(item) for item in cast("list[Any]", value)]
    return [_element(value) if is_queue_message(value) else text]


def is_queue_message(item: Any) -> bool:
    """Whether `item` has the form of the SDK's `QueueMessage`."""
    if not isinstance(item, dict):
        return False
    members = cast("dict[str, Any]", item)
    return members.keys() == {"id", "body"} and isinstance(members["body"], str)


def holds_queue_message(text: str) -> bool:
    """Whether a JSON value is a new `QueueMessage` (without an ID), or contains one as an element."""
    if '"body"' not in text:
        return False
    value: Any = json.loads(text)
    items = cast("list[Any]", value) if isinstance(value, list) else [value]
    return any(is_queue_message(item) and item["id"] is None for item in items)


def _element(item: Any) -> str:
    """An element as text. Null, Booleans and numbers are printed like .NET: an empty text, `True`, `1.5`."""
    if item is None:
        return ""
    if isinstance(item, str):
        return item
    if isinstance(item, bool | int | float):
        return json_primitive(item)
    return json.dumps(item, ensure_ascii=False, indent=2 if is_queue_message(item) else None)
