"""Converts between the values in tests and the JSON text that the host stores."""

import json
from typing import Any

from durable_host.durable.user_code import UserCode, dialect_of, numbers_its_actions

__tracebackhide__ = True


def as_json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


def value_of(text: str | None) -> Any:
    """The decoded JSON, or the text itself: errors of failed instances are plain text."""
    if text is None:
        return None
    try:
        return json.loads(text)
    except ValueError:
        return text


def encodes_inputs_twice(code: UserCode | None) -> bool:
    """Whether the app's SDK sends inputs as JSON text in JSON strings."""
    return code is not None and not numbers_its_actions(code) and dialect_of(code).encodes_inputs_twice


def sent_text(value: Any, *, encodes_twice: bool) -> str:
    """An input in the form that the SDK's client sends: with 1.x, JSON text in a JSON string.

    Source: docs/protocol/durable-payload.md#encoding-of-inputs
    """
    return as_json(as_json(value)) if encodes_twice else as_json(value)


def received_value(text: str | None, *, encodes_twice: bool) -> Any:
    """An input as `context.get_input()` returns it."""
    value = value_of(text)
    return value_of(value) if encodes_twice and isinstance(value, str) else value
