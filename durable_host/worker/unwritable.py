"""Finds the part of a value that cannot be serialized as JSON."""

from __future__ import annotations

from typing import Any, cast

_LONGEST_LOOK = 10_000


def first_not_json(value: Any) -> str | None:
    """The first part that `json.dumps` refuses, such as `result['when'][0]`; None if there is too much to check."""
    todo: list[tuple[str, Any, tuple[int, ...]]] = [("result", value, ())]
    for _ in range(_LONGEST_LOOK):
        if not todo:
            return None
        path, part, above = todo.pop()
        if id(part) in above:
            return None
        inner = _parts(path, part)
        if isinstance(inner, str):
            return inner
        todo += [(name, item, (*above, id(part))) for name, item in reversed(inner)]
    return None


def _parts(path: str, value: Any) -> list[tuple[str, Any]] | str:
    """The members by path, or the path of a part that is not JSON."""
    if isinstance(value, (str, int, float, bool, type(None))):
        return []
    if isinstance(value, (list, tuple)):
        return [(f"{path}[{number}]", item) for number, item in enumerate(cast("list[Any]", value))]
    if not isinstance(value, dict):
        return path
    members = cast("dict[Any, Any]", value)
    if any(not isinstance(key, (str, int, float, bool, type(None))) for key in members):
        return f"a key of {path}"
    return [(f"{path}[{key!r}]", item) for key, item in members.items()]
