"""Annotations that are good Python and that Azure's worker refuses, although this one takes them.

From Python 3.11 on, `list[str]` is not a type to azure-functions-runtime.

Source: docs/protocol/functions-host-app.md#parameters-and-annotations
"""

from __future__ import annotations

import typing
from typing import Any

_ALIASES = tuple(getattr(typing, name) for name in ("_GenericAlias", "_SpecialGenericAlias"))
_NOT_GENERIC: tuple[Any, ...] = (typing.Union, tuple, typing.ClassVar, typing.get_origin(typing.Callable))


def is_refused(annotation: Any, *, is_return: bool = False) -> bool:
    """Whether it is none of the classes and generic types that Azure's worker knows."""
    if isinstance(annotation, type):
        return False
    return is_return or not (isinstance(annotation, _ALIASES) and annotation.__origin__ not in _NOT_GENERIC)
