"""Lines of the app's source files, for positions and tracebacks. Nothing outside the app's folder is read."""

import re
from pathlib import Path

import msgspec

_SUFFIXES = {".py", ".js", ".mjs", ".cjs", ".ts", ".mts", ".cts", ".cs", ".fs"}
_LONGEST_FILE = 2 * 1024 * 1024
_LONGEST_LINE = 500
_POSITION = re.compile(r"^(?P<file>.+):(?P<line>\d+)(?: in (?P<function>.+))?$")


class CodePlace(msgspec.Struct, frozen=True):
    """A line of the app's source. `file` is relative to the app's folder if it is in there."""

    file: str
    line: int
    function: str
    text: str | None = None


class SourceLines:
    """Reads lines of the files below `root`. With None, it reads nothing."""

    def __init__(self, root: Path | None) -> None:
        self._root = None if root is None else root.resolve()
        self._files: dict[Path, list[str]] = {}

    def place(self, position: str | None) -> CodePlace | None:
        """Return the place of a position such as `/app/function_app.py:12 in order`, with its line."""
        found = None if position is None else _POSITION.match(position)
        if found is None:
            return None
        file, line = found["file"], int(found["line"])
        return CodePlace(self.shown(file), line, found["function"] or "", self.line(file, line))

    def shown(self, file: str) -> str:
        """Return the name of a file for people: relative to the app's folder if it is in there."""
        path = self._inside(file)
        return file if path is None or self._root is None else path.relative_to(self._root).as_posix()

    def line(self, file: str, line: int) -> str | None:
        """Return a line without its indentation, or None if it cannot be read."""
        path = self._inside(file)
        if path is None or path.suffix not in _SUFFIXES:
            return None
        lines = self._lines(path)
        return lines[line - 1].strip()[:_LONGEST_LINE] if 0 < line <= len(lines) else None

    def _inside(self, file: str) -> Path | None:
        """Return the real path of a file below the root, or None."""
        if self._root is None:
            return None
        try:
            path = (self._root / file).resolve()
        except (OSError, ValueError):
            return None
        return path if path.is_relative_to(self._root) else None

    def _lines(self, path: Path) -> list[str]:
        if path not in self._files:
            self._files[path] = _read(path)
        return self._files[path]


def _read(path: Path) -> list[str]:
    try:
        if not path.is_file() or path.stat().st_size > _LONGEST_FILE:
            return []
        return path.read_text("utf-8", "replace").splitlines()
    except OSError:
        return []
