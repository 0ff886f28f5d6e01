"""A failed function, and the places that may have caused the failure."""

from __future__ import annotations

import ast
import inspect
import linecache
import os
import textwrap
from typing import Any

from . import failures


class Suspect:
    """The facts about a failed function.

    `position` is the position of its generator, `file:line in function`; `output` is its return value if that cannot be
    serialized as JSON; `event` is the external event that the SDK was reading.
    """

    def __init__(
        self,
        error: BaseException,
        function: Any,
        *,
        position: str | None = None,
        output: Any = None,
        event: str | None = None,
        kind: str,
    ) -> None:
        self.error = error
        self.text = failures.text_of(error)
        if error.__cause__ is not None and "output must be json serializable" in self.text:
            self.text = failures.text_of(error.__cause__)
        self.function = function
        self.kind = kind
        self.event = event
        self.output = output
        self.sdk_calls = failures.sdk_calls(error)
        self.place = failures.place_of(error)
        self._position = position

    @property
    def name(self) -> str:
        return getattr(self.function, "__name__", "the function")

    @property
    def where(self) -> str:
        """The user's line in the traceback, or the position of the generator, or the start of the function."""
        if self.place is not None:
            return short_place(*self.place)
        if self._position is not None:
            file, _, line = self._position.partition(" in ")[0].rpartition(":")
            return short_place(file, int(line))
        return self._definition or f"'{self.name}'"

    @property
    def named(self) -> str:
        """The function and its start."""
        return f"'{self.name}' ({self._definition})" if self._definition else f"'{self.name}'"

    @property
    def returning(self) -> str:
        """The function and the place where it returns a value, if there is exactly one."""
        lines = _lines_of_returns(self.function)
        if len(lines) != 1:
            return self.named
        return f"'{self.name}' ({short_place(self.function.__code__.co_filename, lines[0])})"

    @property
    def _definition(self) -> str:
        code = getattr(self.function, "__code__", None)
        if code is None or not failures.is_users(code.co_filename):
            return ""
        return short_place(code.co_filename, code.co_firstlineno)

    @property
    def line(self) -> str:
        """The text of the user's line in the traceback."""
        return "" if self.place is None else linecache.getline(*self.place)


def _lines_of_returns(function: Any) -> list[int]:
    """The lines in which a function returns a value."""
    try:
        source, first = inspect.getsourcelines(function)
        body = ast.parse(textwrap.dedent("".join(source))).body
    except (OSError, TypeError, SyntaxError):
        return []
    lines: list[int] = []
    todo = [child for node in body[:1] for child in ast.iter_child_nodes(node)]
    while todo:
        node = todo.pop()
        if isinstance(node, ast.Return) and node.value is not None:
            lines.append(first + node.lineno - 1)
        if not isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda, ast.ClassDef)):
            todo += ast.iter_child_nodes(node)
    return lines


def short_place(file: str, line: int) -> str:
    """`file:line`, with the file relative to the app's folder."""
    path = os.path.abspath(file)
    folder = os.getcwd() + os.sep
    return f"{path[len(folder) :] if path.startswith(folder) else path}:{line}"
