"""References from code and tests to the protocol pages lead to existing headings."""

import re
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple

import pytest
from doc_pages import ROOT, Page

PLACES = ("durable_host", "tests", "bench", "docs")
TEXTS = {".py", ".md", ".js", ".json", ".toml", ".txt", ".yml", ".tmpl"}

_REFERENCE = re.compile(r"docs/protocol/(?P<page>\w[\w.-]*+)(?![*{])(?P<heading>#[\w-]*)?")
_OLD_REFERENCE = re.compile(
    r"\b[Ss]pec(?:/|: [\w-]+\.md|'s|s? section)|\bthe spec\b|\bsections? \d|\bdurable-protocol\.md"
)
_OTHER_STANDARD = re.compile(r"\bRFC \d")


class Line(NamedTuple):
    place: str
    text: str


def lines() -> Iterator[Line]:
    for top in PLACES:
        for path in sorted((ROOT / top).rglob("*")):
            if path.suffix in TEXTS and path.is_file() and path != Path(__file__):
                name = path.relative_to(ROOT).as_posix()
                for number, text in enumerate(path.read_text("utf-8", "replace").splitlines(), 1):
                    yield Line(f"{name}:{number}", text)


@cache
def anchors(page: str) -> frozenset[str]:
    path = ROOT / "docs" / "protocol" / page
    return frozenset(Page.read(path).anchors()) if path.exists() else frozenset()


def broken_references(line: Line) -> list[str]:
    return [
        f"{line.place}: {one[0]}"
        for one in _REFERENCE.finditer(line.text)
        if (one["heading"] or "").removeprefix("#") not in anchors(one["page"])
    ]


def test_references_lead_to_headings_that_exist() -> None:
    assert [one for line in lines() for one in broken_references(line)] == []


@pytest.mark.parametrize(
    "text",
    [
        "docs/protocol/durable-no-such-page.md#timers",
        "docs/protocol/durable-actions.md#no-such-heading",
        "docs/protocol/durable-actions.md#",
        "docs/protocol/durable-actions.md",
        "docs/protocol/durable-actions#timers",
        "docs/protocol/durable-actions.md#timers, docs/protocol/durable-actions.md#no-such-heading",
    ],
)
def test_a_reference_to_nothing_is_found(text: str) -> None:
    assert broken_references(Line("here", f"Source: {text}.")) != []


def test_headings_of_a_page_are_unique() -> None:
    """GitHub numbers the anchors of headings that occur twice, so a reference to the second one would not last."""
    for path in sorted((ROOT / "docs" / "protocol").glob("*.md")):
        headings = Page.read(path).headings()
        assert len(headings) == len(set(headings)), path.name


def old_references(found: Iterable[Line]) -> list[str]:
    return [line.place for line in found if _OLD_REFERENCE.search(line.text) and not _OTHER_STANDARD.search(line.text)]


def test_no_reference_to_the_old_specification_is_left() -> None:
    assert old_references(lines()) == []


@pytest.mark.parametrize(
    "text",
    [
        "Source: spec/task-hub-storage.md, section 5.",
        "Spec: functions-host.md, 2.1.",
        "(section 8.4)",
        "the spec's text",
    ],
)
def test_an_old_reference_is_found(text: str) -> None:
    assert old_references([Line("here", text)]) == ["here"]
