"""`.funcignore`: files that are not deployed, in the syntax of `.gitignore`."""

import re
from collections.abc import Iterable

from pathspec import GitIgnoreSpec


class IgnoreRules:
    """The rules of one file, in order. A line that is not a pattern has no effect."""

    def __init__(self, lines: Iterable[str]) -> None:
        self._specs = GitIgnoreSpec.from_lines(line for line in lines if _is_pattern(line))

    def leaves_out(self, path: str, *, is_folder: bool) -> bool:
        """Whether the rules exclude this path. Call it only for paths in folders that are not excluded."""
        return self._specs.match_file(f"{path}/" if is_folder else path)


def _is_pattern(line: str) -> bool:
    try:
        GitIgnoreSpec.from_lines([line])
    except (re.error, ValueError):
        return False
    return True
