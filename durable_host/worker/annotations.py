"""Finds annotations that are valid Python but that Azure's worker refuses; this worker accepts them.

From Python 3.11 on, `list[str]` is not a type for azure-functions-runtime.

Source: docs/protocol/functions-host-app.md#parameters-and-annotations
"""

from __future__ import annotations

import typing
from typing import Any

_ALIASES = tuple(getattr(typing, name) for name in ("_GenericAlias", "_SpecialGenericAlias"))
_NOT_GENERIC: tuple[Any, ...] = (typing.Union, tuple, typing.ClassVar, typing.get_origin(typing.Callable))


def is_refused(annotation: Any, *, is_return: bool = False) -> bool:
    """Whether Azure's worker refuses an annotation: it is neither a class nor a known generic type."""
    if isinstance(annotation, type):
        return False
    return is_return or not (isinstance(annotation, _ALIASES) and annotation.__origin__ not in _NOT_GENERIC)
