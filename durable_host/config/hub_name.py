"""The name of the task hub.

Source: docs/protocol/durable-host-json.md#hub-name
"""

import re

_VALID = re.compile(r"[A-Za-z][A-Za-z0-9]{2,49}")


def is_valid(name: str) -> bool:
    return _VALID.fullmatch(name) is not None


def problem(name: str) -> str | None:
    """The extension's error for an explicit name; None if it is valid."""
    if is_valid(name):
        return None
    if not name.strip():
        return "A non-empty HubName configuration is required."
    return (
        f"Task hub name '{name}' should contain only alphanumeric characters, start with a letter, "
        "and have length between 3 and 45."
    )


def repaired(name: str) -> str:
    """A default name (the site's) as a valid hub name: other characters removed, length and first letter corrected."""
    text = re.sub(r"[^A-Za-z0-9]", "", name)
    if not text:
        return "DefaultTaskHub"
    if text[0].isdigit():
        text = f"t{text}"
    text = text[:45]
    return text if len(text) >= 3 else f"{text}Hub"
