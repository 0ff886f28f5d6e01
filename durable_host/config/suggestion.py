"""Did you mean: which known name somebody probably meant."""

import difflib
from collections.abc import Iterable

TYPO = 0.82
"""How alike (0 to 1) an unknown name and a known one are when the unknown one can only be a typo."""

RELATED = 0.7
"""How alike they are when the known one is worth mentioning."""


def closest(name: str, known: Iterable[str], cutoff: float = RELATED) -> str | None:
    """The known name most like `name`, or None. Case, `_` and `-` are ignored."""
    by_key = {_key(candidate): candidate for candidate in known}
    matches = difflib.get_close_matches(_key(name), by_key, n=1, cutoff=cutoff)
    return by_key[matches[0]] if matches else None


def _key(name: str) -> str:
    return name.casefold().replace("_", "").replace("-", "")
