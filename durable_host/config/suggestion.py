"""Suggests a known name for a misspelled one ("did you mean")."""

import difflib
from collections.abc import Iterable

TYPO = 0.82
"""The similarity (0 to 1) at which an unknown name counts as an obvious typo of a known one."""

RELATED = 0.7
"""The similarity at which the known name is suggested."""


def closest(name: str, known: Iterable[str], cutoff: float = RELATED) -> str | None:
    """The known name most similar to `name`, or None. Case, `_` and `-` are ignored."""
    by_key = {_key(candidate): candidate for candidate in known}
    matches = difflib.get_close_matches(_key(name), by_key, n=1, cutoff=cutoff)
    return by_key[matches[0]] if matches else None


def _key(name: str) -> str:
    return name.casefold().replace("_", "").replace("-", "")
