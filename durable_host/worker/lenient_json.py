"""JSON as people write it in host.json and function.json: comments, trailing commas and duplicate keys are accepted.

Of duplicate keys the last wins. The worker imports only the standard library, so no package reads it.

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
    """Text that is not JSON; carries the position (line and column from 1) and what is wrong there."""

    def __init__(self, problem: str, line: int, column: int) -> None:
        super().__init__(f"{problem} (line {line}, column {column})")
        self.problem = problem
        self.line = line
        self.column = column


def parse(text: str) -> Any:
    """Parse JSON leniently; raise JsonSyntaxError with a position of the original text."""
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
    """The same text with comments and trailing commas blanked out, so that positions stay what they were."""
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
