"""Checks whether a text can be the ID of an instance or execution.

An ID must fit into the key of a table row, where characters that are not allowed are escaped as two, and must be
Unicode that UTF-8 can represent.

Source: docs/protocol/task-hub-storage.md#instance-id-limits
"""

import re

LONGEST_ID = 512
"""In UTF-16 units."""

_ESCAPED_IN_KEYS = re.compile(r"[/\\#?^\x00-\x1f\x7f-\x9f]")
_SURROGATE = re.compile("[\ud800-\udfff]")


def is_well_formed(text: str) -> bool:
    """True when the text contains no unpaired surrogate."""
    return text.isascii() or not _SURROGATE.search(text)


def utf16_units(text: str) -> int:
    """Return the length of the text as .NET and Azure Storage count it."""
    return len(text) if text.isascii() else len(text.encode("utf-16-le", "surrogatepass")) // 2


def is_too_long(id: str) -> bool:
    """True when the ID does not fit into a table key."""
    if len(id) * 2 <= LONGEST_ID:
        return False
    return utf16_units(id) + len(_ESCAPED_IN_KEYS.findall(id)) > LONGEST_ID
