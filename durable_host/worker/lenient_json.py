"""Parses host.json and function.json: JSON with comments, trailing commas and duplicate keys.

The last of duplicate keys wins. No package is used, because the worker imports only the standard library.

Source: docs/protocol/functions-host-config.md#hostjson-file
"""

from __future__ import annotations

import json
import re
from typing import Any

_TOKENS = re.compile(
    r"""(?P<string>"(?:[^"\\\n]|\\.)*")  |  (?P<comment>//[^\n]*|/\*.*?\*/)  |  (?P<comma>,)  |  (?P<end>[\]}])"""
    r"""|  (?P<space>\s+)  |  (?P<other>.)""",
    re.VERBOSE | re.DOTALL,
)


class JsonSyntaxError(ValueError):
    """The text is not JSON; has the position (line and column from 1) and the problem."""

    def __init__(self, problem: str, line: int, column: int) -> None:
        super().__init__(f"{problem} (line {line}, column {column})")
        self.problem = problem
        self.line = line
        self.column = column


def parse(text: str) -> Any:
    """Parse JSON leniently. Raises JsonSyntaxError with the position in the original text."""
    text = text.removeprefix("\ufeff")
    try:
        return json.loads(without_comments(text))
    except json.JSONDecodeError as error:
        raise JsonSyntaxError(error.msg, error.lineno, error.colno) from error
    except RecursionError as error:
        raise JsonSyntaxError("nested too deeply", 1, 1) from error
    except ValueError as error:
        raise JsonSyntaxError(str(error), 1, 1) from error


def without_comments(text: str) -> str:
    """The text with comments and trailing commas replaced by spaces, so that positions do not change."""
    pieces: list[str] = []
    comma: int | None = None
    for match in _TOKENS.finditer(text):
        kind, piece = match.lastgroup, match.group()
        if kind == "comment":
            piece = re.sub(r"[^\n]", " ", piece)
        elif kind == "comma":
            comma = len(pieces)
        elif kind == "end":
            if comma is not None:
                pieces[comma] = " "
            comma = None
        elif kind != "space":
            comma = None
        pieces.append(piece)
    return "".join(pieces)
