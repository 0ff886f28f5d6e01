"""The documentation for the tests: pages, headings, links, code blocks with their markers, tables.

A marker is a comment on the line above a block:

* `<!-- file: NAME -->`        the reader saves the block as this file
* `<!-- run -->`               the reader runs the Python in the block
* `<!-- host says -->`         the host that was started last prints this
* `<!-- not run: REASON -->`   the commands cannot run in a test
"""

import re
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]

_FENCE = re.compile(r"^(?P<indent> *)```(?P<kind>\S*)\s*$")
_MARKER = re.compile(r"^\s*<!-- (?P<text>.+?) -->\s*$")
_HEADING = re.compile(r"^(#{1,6}) (?P<text>.+?)\s*$")
_LINK = re.compile(r"(?<!!)\[(?:[^\]\[]|\[[^\]]*\])*\]\((?P<target>[^)\s]+)\)")
_CODE = re.compile(r"`([^`]+)`")
_ANCHOR = re.compile(r'<a id="(?P<id>[^"]+)"></a>')


@dataclass(frozen=True)
class Command:
    """A line after `$`, and the output that the page shows below it."""

    text: str
    expected: tuple[str, ...] = ()


@dataclass(frozen=True)
class Block:
    """A fenced block; `line` is the number of its first line in the page."""

    page: str
    line: int
    kind: str
    text: str
    marker: str = ""

    @property
    def place(self) -> str:
        return f"{self.page}:{self.line}"

    @property
    def file(self) -> str | None:
        return self.marker.removeprefix("file: ") if self.marker.startswith("file: ") else None

    @property
    def reason_not_run(self) -> str | None:
        return self.marker.removeprefix("not run: ") if self.marker.startswith("not run: ") else None

    @property
    def is_run(self) -> bool:
        return self.marker == "run"

    @property
    def is_of_host(self) -> bool:
        return self.marker == "host says"

    def commands(self) -> list[Command]:
        """The commands of a console block; a line that ends in a backslash continues on the next line."""
        found: list[tuple[str, list[str]]] = []
        for line in self.text.splitlines():
            if line.startswith("$ "):
                found.append((line[2:], []))
            elif found and not found[-1][1] and found[-1][0].endswith("\\"):
                found[-1] = (f"{found[-1][0]}\n{line}", [])
            elif found:
                found[-1][1].append(line)
            else:
                raise AssertionError(f"{self.place}: output without a command: {line}")
        return [Command(text, tuple(expected)) for text, expected in found]


@dataclass
class Row:
    """One row of a table: its cells, and the heading above it."""

    heading: str
    cells: list[str]

    @property
    def key(self) -> str:
        """The ID that the row sets in its first cell, or ""."""
        found = _ANCHOR.match(self.cells[0])
        return found["id"] if found is not None else ""

    def code(self, column: int = 0) -> list[str]:
        """The texts in backticks in a cell."""
        return _CODE.findall(self.cells[column])


@dataclass
class Page:
    """`name` is the path from the top of the repository; `lines` have no code blocks in them."""

    name: str
    text: str
    lines: list[tuple[int, str]] = field(default_factory=list[tuple[int, str]])
    blocks: list[Block] = field(default_factory=list[Block])

    @classmethod
    def read(cls, path: Path) -> "Page":
        page = cls(path.relative_to(ROOT).as_posix(), path.read_text("utf-8"))
        fence: re.Match[str] | None = None
        start, inside, marker = 0, list[str](), ""
        for number, line in enumerate(page.text.splitlines(), 1):
            if fence is None:
                if (fence := _FENCE.match(line)) is not None:
                    start, inside = number + 1, []
                    continue
                found = _MARKER.match(line)
                marker = found["text"] if found is not None else ""
                page.lines.append((number, line))
            elif line.strip() == "```":
                page.blocks.append(Block(page.name, start, fence["kind"], "\n".join(inside), marker))
                fence, marker = None, ""
            else:
                inside.append(line.removeprefix(fence["indent"]))
        assert fence is None, f"{page.name}: a block is not closed"
        return page

    def headings(self) -> list[str]:
        return [found["text"] for _, line in self.lines if (found := _HEADING.match(line)) is not None]

    def anchors(self) -> set[str]:
        """Anchors that GitHub makes from headings, and those that the page sets itself."""
        texts = (re.sub(r"[^\w\- ]", "", text.lower().replace("`", "")) for text in self.headings())
        return {text.replace(" ", "-") for text in texts} | set(self.own_anchors())

    def own_anchors(self) -> list[str]:
        """The IDs that are set with `<a id="..."></a>`."""
        return [found["id"] for _, line in self.lines for found in _ANCHOR.finditer(line)]

    def links(self) -> list[tuple[int, str]]:
        """Targets with the number of the line where the link begins; the text of a link may span lines."""
        text, starts, size = "\n".join(line for _, line in self.lines), list[int](), 0
        for _, line in self.lines:
            starts.append(size)
            size += len(line) + 1
        return [
            (self.lines[bisect_right(starts, found.start()) - 1][0], found["target"]) for found in _LINK.finditer(text)
        ]

    def rows(self) -> Iterator[Row]:
        """The rows of all tables, without their heads."""
        heading, in_body = "", False
        for _, line in self.lines:
            if (found := _HEADING.match(line)) is not None:
                heading = found["text"]
            if not line.startswith("|"):
                in_body = False
            elif re.fullmatch(r"[|:\- ]+", line):
                in_body = True
            elif in_body:
                yield Row(heading, [cell.strip() for cell in re.split(r"(?<!\\)\|", line.strip().strip("|"))])

    def code(self) -> set[str]:
        """Everything in backticks."""
        return {text for _, line in self.lines for text in _CODE.findall(line)}


def all_pages() -> list[Page]:
    tops = ("README.md", "CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md", "tests/README.md")
    paths = [*(ROOT / name for name in tops), *sorted((ROOT / "docs").rglob("*.md"))]
    return [Page.read(path) for path in paths]


def page(name: str) -> Page:
    return Page.read(ROOT / name)
