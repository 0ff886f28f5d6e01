"""Makes text safe for a terminal: escapes characters that move the cursor, ring the bell or rewrite lines.

Log lines and errors contain text from requests, messages and exceptions, and a terminal executes control characters.
"""

import re
from typing import Final

# C0 and C1 controls except the tab, and the marks that change the direction of the text.
_CONTROLS: Final = re.compile("[\x00-\x08\x0a-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")
_COLOURS: Final = re.compile("(\x1b\\[[0-9;]{0,32}m)")


def printable(line: str, *, keep_colours: bool = False) -> str:
    """One line with control characters written as `\\x1b`. `keep_colours` leaves the colour codes of terminals."""
    if _CONTROLS.search(line) is None:
        return line
    if not keep_colours:
        return _CONTROLS.sub(_spelled, line)
    pieces = _COLOURS.split(line)
    text = "".join(piece if at % 2 else _CONTROLS.sub(_spelled, piece) for at, piece in enumerate(pieces))
    return f"{text}\x1b[0m" if len(pieces) > 1 else text


def printable_lines(text: str) -> str:
    """`printable` for each line of a text."""
    return "\n".join(printable(line) for line in text.splitlines())


def _spelled(match: re.Match[str]) -> str:
    code = ord(match[0])
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"
