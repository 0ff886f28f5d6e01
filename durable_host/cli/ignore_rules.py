"""`.funcignore`: the rules of `.gitignore`, for what is not deployed. Pure.

A pattern with a slash (not only at its end) is anchored at the app's folder, others match at any depth; `*` and `?`
stop at slashes, `**` does not; a slash at the end means folders only; `!` takes back what an earlier rule left out,
except below a folder that is left out itself. The last rule that matches decides.
"""

import re
from collections.abc import Iterable

import msgspec


class Rule(msgspec.Struct, frozen=True):
    """`pattern` matches the whole path (with slashes, without one at the end)."""

    pattern: "re.Pattern[str]"
    folders_only: bool
    keeps: bool


class IgnoreRules:
    """The rules of one file, in order."""

    def __init__(self, lines: Iterable[str]) -> None:
        self._rules = [rule for line in lines if (rule := _rule(line)) is not None]

    def leaves_out(self, path: str, *, is_folder: bool) -> bool:
        """Whether this path is left out, when none of the folders above it is."""
        outcome = False
        for rule in self._rules:
            if (is_folder or not rule.folders_only) and rule.pattern.fullmatch(path):
                outcome = not rule.keeps
        return outcome


def _rule(line: str) -> Rule | None:
    line = line.rstrip("\r\n")
    while line.endswith(" ") and not line.endswith("\\ "):
        line = line[:-1]
    keeps = line.startswith("!")
    if keeps:
        line = line[1:]
    if not line or line.startswith("#"):
        return None
    folders_only = line.endswith("/")
    line = line.rstrip("/")
    if not line:
        return None
    anchored = "/" in line
    try:
        pattern = re.compile(("" if anchored else "(?:.*/)?") + _translated(line.removeprefix("/")), re.DOTALL)
    except re.error:
        return None
    return Rule(pattern, folders_only, keeps)


def _translated(glob: str) -> str:
    pieces: list[str] = []
    position = 0
    while position < len(glob):
        rest = glob[position:]
        if rest.startswith("**/") and (position == 0 or glob[position - 1] == "/"):
            pieces.append("(?:.*/)?")
            position += 3
        elif rest == "**" and (position == 0 or glob[position - 1] == "/"):
            pieces.append(".+")
            position += 2
        elif rest[0] == "*":
            pieces.append("[^/]*")
            position += 1
        elif rest[0] == "?":
            pieces.append("[^/]")
            position += 1
        elif rest[0] == "[" and "]" in rest[2:]:
            end = glob.index("]", position + 2)
            members = glob[position + 1 : end]
            negated = members[0] in "!^"
            body = members[1:] if negated else members
            pieces.append(f"(?![/])[{'^' if negated else ''}{body.replace('[', chr(92) + '[')}]")
            position = end + 1
        elif rest[0] == "\\" and len(rest) > 1:
            pieces.append(re.escape(rest[1]))
            position += 2
        else:
            pieces.append(re.escape(rest[0]))
            position += 1
    return "".join(pieces)
