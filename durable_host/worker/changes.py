"""Finds the names that a piece of code changes or reads, from its source."""

from __future__ import annotations

import ast
import inspect
import textwrap
from collections.abc import Iterator
from functools import lru_cache
from types import CodeType
from typing import NamedTuple

_CHANGING_METHODS = frozenset(
    {
        "add",
        "append",
        "appendleft",
        "clear",
        "difference_update",
        "discard",
        "extend",
        "extendleft",
        "insert",
        "intersection_update",
        "pop",
        "popitem",
        "popleft",
        "remove",
        "reverse",
        "rotate",
        "setdefault",
        "sort",
        "symmetric_difference_update",
        "update",
    }
)
_CHANGING_FUNCTIONS = frozenset(
    {"chdir", "getcontext", "putenv", "seed", "setcontext", "setlocale", "setstate", "tzset", "umask", "unsetenv"}
)


class Change(NamedTuple):
    """`root.path... = `, `root.path...[...] = `, or `root.path....method(...)`; also `next(root)`."""

    root: str
    path: tuple[str, ...]
    method: str = ""


@lru_cache(maxsize=1024)
def changes_in(code: CodeType) -> tuple[Change, ...]:
    """Everything in the code that may change a named object, local names included. Empty without source."""
    return tuple(dict.fromkeys(_changes(_tree_of(code))))


@lru_cache(maxsize=1024)
def names_in(code: CodeType) -> tuple[tuple[str, ...], ...]:
    """The names that the code reads, with their attributes; without source, the names in the code object."""
    tree = _tree_of(code)
    if not tree.body:
        return tuple((name,) for name in (*code.co_names, *code.co_freevars))
    paths = [_path(node) for node in ast.walk(tree) if isinstance(node, (ast.Name, ast.Attribute))]
    return tuple(dict.fromkeys(path for path in paths if path is not None))


def _tree_of(code: CodeType) -> ast.Module:
    try:
        return ast.parse(textwrap.dedent(inspect.getsource(code)))
    except (OSError, TypeError, SyntaxError, ValueError):
        return ast.Module(body=[], type_ignores=[])


def _changes(tree: ast.AST) -> Iterator[Change]:
    for node in ast.walk(tree):
        if isinstance(node, (ast.Attribute, ast.Subscript)) and not isinstance(node.ctx, ast.Load):
            target = node.value
            while isinstance(target, ast.Subscript):
                target = target.value
            if (path := _path(target)) is not None:
                yield Change(path[0], path[1:])
        elif isinstance(node, ast.Call):
            yield from _changes_of_call(node)


def _changes_of_call(node: ast.Call) -> Iterator[Change]:
    path = _path(node.func)
    if path in (("setattr",), ("delattr",), ("next",)) and node.args:
        of = _path(node.args[0])
        if of is not None:
            yield Change(of[0], of[1:], "next" if path == ("next",) else "")
    elif path is not None and len(path) > 1 and path[-1] in _CHANGING_METHODS | _CHANGING_FUNCTIONS:
        yield Change(path[0], path[1:-1], path[-1])


def _path(node: ast.AST) -> tuple[str, ...] | None:
    """`a.b.c` as a tuple, `globals()` as a name; None for other expressions."""
    names: list[str] = []
    while isinstance(node, ast.Attribute):
        names.append(node.attr)
        node = node.value
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "globals":
        node = node.func
    return (node.id, *reversed(names)) if isinstance(node, ast.Name) else None
