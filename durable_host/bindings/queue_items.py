"""One output value as the messages it makes.

Lists and JSON-array texts make one message an element; an object is stored as it was written; text that only looks
like JSON is sent as it is.

Source: docs/protocol/functions-host-values.md#items-of-an-output
"""

import json
from typing import Any, cast


def split_text(text: str) -> list[str]:
    """Messages of a text that the function gave."""
    trimmed = text.strip()
    if not (trimmed.startswith("[") and trimmed.endswith("]")):
        return [text]
    try:
        value: Any = json.loads(trimmed)
    except (ValueError, RecursionError):
        return [text]
    return [_element(item) for item in cast("list[Any]", value)]


def split_json(text: str) -> list[str]:
    """Messages of a JSON value: what the SDK made of a dict, a list or a `QueueMessage`."""
    value: Any = json.loads(text)
    if isinstance(value, list):
        return [_element(_body_of(item)) for item in cast("list[Any]", value)]
    body = _body_of(value)
    return [text if body is value else _element(body)]


def _element(item: Any) -> str:
    return item if isinstance(item, str) else json.dumps(item, ensure_ascii=False)


def _body_of(item: Any) -> Any:
    """The body when `item` is the SDK's form of a `QueueMessage` without an ID, else `item`."""
    if isinstance(item, dict):
        members = cast("dict[str, Any]", item)
        if members.keys() == {"id", "body"} and members["id"] is None and isinstance(members["body"], str):
            return members["body"]
    return cast("Any", item)
