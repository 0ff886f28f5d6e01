"""Help that fits into the terminal: click wraps its paragraphs, this module wraps examples and tables in them."""

import re
import sys
from collections.abc import Iterator
from typing import Final

import click

from durable_host.cli.line_width import broken_lines

_VERBATIM: Final = "\b"
_WORD: Final = re.compile(r"""(?:"[^"]*"|'[^']*'|\S)+""")
_QUOTED: Final = re.compile(r"""(?<!\w)(?:"[^"]*"|'[^']*')""")
_COLUMN: Final = re.compile(r"\S {2,}(?=\S)")
_CONTINUED: Final = " \\"
_DEEPER: Final = "    "


class HelpFormatter(click.HelpFormatter):
    """Wraps the lines of a verbatim paragraph, one that begins with a line `\\b`, if they are too long."""

    def write_text(self, text: str) -> None:
        width = self.width - self.current_indent
        lines: list[str] = []
        is_verbatim = False
        for line in text.splitlines():
            is_verbatim = line.strip() == _VERBATIM or (is_verbatim and bool(line))
            lines += fitted(line, width) if is_verbatim else [line]
        super().write_text("\n".join(lines))


class HelpContext(click.Context):
    """A context whose help fits into the terminal."""

    formatter_class = HelpFormatter


def fitted(line: str, width: int) -> list[str]:
    """The line in parts of at most `width` characters, unless a word is longer.

    A command continues after a backslash, so that it can be copied. On Windows it stays whole: its shells have no
    such sign in common.
    """
    if len(line) <= width:
        return [line]
    body = line.lstrip()
    indent = line[: len(line) - len(body)]
    without_quotes = _QUOTED.sub(lambda quoted: "x" * len(quoted[0]), body)
    if (column := _COLUMN.search(without_quotes)) is not None:
        return _row(indent, body[: column.start() + 1], body[column.start() + 1 :], width)
    if body.startswith("func "):
        return [line] if sys.platform == "win32" else list(_command(indent, body, width))
    return broken_lines(body, width, indent, indent)


def _row(indent: str, term: str, rest: str, width: int) -> list[str]:
    text = rest.lstrip()
    column = len(indent) + len(term) + len(rest) - len(text)
    if column + max(map(len, text.split())) > width:
        return [indent + term, *broken_lines(text, width, indent + _DEEPER, indent + _DEEPER)]
    return broken_lines(text, width, (indent + term).ljust(column), " " * column)


def _command(indent: str, command: str, width: int) -> Iterator[str]:
    line = indent
    for part in _parts(command):
        longer = f"{line} {part}" if line.strip() else line + part
        if len(longer) > width - len(_CONTINUED) and line.strip():
            yield line + _CONTINUED
            longer = indent + _DEEPER + part
        line = longer
    yield line


def _parts(command: str) -> list[str]:
    """The words of the command, each option together with its values."""
    parts: list[str] = []
    for word in _WORD.findall(command):
        if parts and not word.startswith("-"):
            parts[-1] += f" {word}"
        else:
            parts.append(word)
    return parts
