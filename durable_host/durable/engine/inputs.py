"""How inputs of activities are stored: in arrays of one element.

Source: docs/protocol/durable-payload.md#encoding-of-inputs, docs/protocol/durable-actions.md#sub-orchestrations,
    docs/protocol/durable-activities.md#input
"""

import json
from typing import Any

import msgspec

from durable_host.durable.model.actions import CallActivity, CallHttp


def json_string(text: str | None) -> str | None:
    """Encode `text` as a JSON string. None stays None."""
    if text is None:
        return None
    try:
        return msgspec.json.encode(text).decode()
    except UnicodeEncodeError:
        return json.dumps(text)


def stored_activity_input(action: CallActivity | CallHttp) -> str:
    """Return the Input of the activity's TaskScheduled message."""
    return f"[{action.request}]" if isinstance(action, CallHttp) else f"[{action.input or 'null'}]"


def activity_trigger_text(stored: str | None) -> str:
    """Return the trigger text of an activity whose request stores `stored` (its TaskScheduled.Input).

    This is the content of the array's only element if it is a string, otherwise the element as compact JSON. Text that
    is not an array is passed on unchanged, so that hubs written by other hosts can be read.
    """
    if stored is None:
        return "null"
    if not stored.startswith("["):
        return stored
    try:
        elements = msgspec.json.decode(stored, type=list[msgspec.Raw])
        if len(elements) != 1:
            return stored
        element = bytes(elements[0])
        if element.startswith(b'"'):
            return msgspec.json.decode(element, type=str)
        return msgspec.json.format(element, indent=-1).decode()
    except msgspec.MsgspecError:
        return _lenient_trigger_text(stored)


def _lenient_trigger_text(stored: str) -> str:
    """Return the trigger text for JSON that contains `NaN` or lone surrogates."""
    try:
        elements: Any = json.loads(stored)
    except ValueError:
        return stored
    if len(elements) != 1:
        return stored
    element = elements[0]
    return element if isinstance(element, str) else json.dumps(element, separators=(",", ":"))
