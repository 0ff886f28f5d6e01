"""Breaks lines at spaces where the terminal would break them inside a word. Files and pipes get whole lines."""

import shutil
import textwrap
from typing import Final, TextIO

NARROWEST: Final = 40


def width_of(stream: TextIO) -> int | None:
    """The width of the terminal in columns, at least 40; None if `stream` is not a terminal."""
    try:
        is_terminal = stream.isatty()
    except ValueError:  # it is closed
        return None
    return max(NARROWEST, shutil.get_terminal_size().columns) if is_terminal else None


def broken_lines(text: str, width: int | None, first: str = "", following: str = "") -> list[str]:
    """The text in lines of at most `width` columns, unless a word is longer. None: one line.

    `first` stands before the first line and `following` before each of the others.
    """
    if width is None or len(first) + len(text) <= width:
        return [first + text]
    return textwrap.wrap(
        text,
        width,
        initial_indent=first,
        subsequent_indent=following,
        break_long_words=False,
        break_on_hyphens=False,
    )
