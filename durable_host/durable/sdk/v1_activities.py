"""The results of activities in the 1.x protocol. Source: docs/protocol/durable-activities.md#result"""

from contextlib import suppress

import msgspec


def stored_result(returned: str | None) -> str | None:
    """Return what TaskCompleted stores for the JSON text from an activity: compact JSON, or None for `null`."""
    if returned is None:
        return None
    text = returned.strip()
    with suppress(msgspec.MsgspecError, UnicodeEncodeError):
        text = msgspec.json.format(text, indent=-1)
    return None if text in {"", "null"} else text
