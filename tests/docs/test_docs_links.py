"""The targets of links between the pages exist."""

import re
from pathlib import Path

import pytest
from doc_pages import ROOT, Page, all_pages


@pytest.mark.parametrize("page", all_pages(), ids=lambda page: page.name)
def test_links_lead_to_files_and_headings_that_exist(page: Page) -> None:
    wrong: list[str] = []
    for line, target in page.links():
        if target.startswith(("http://", "https://")):
            continue
        name, _, anchor = target.partition("#")
        path = (ROOT / page.name).parent / name if name else ROOT / page.name
        if not path.exists() or (anchor and anchor not in Page.read(path.resolve()).anchors()):
            wrong.append(f"{page.name}:{line}: {target}")
    assert wrong == []


@pytest.mark.parametrize("page", all_pages(), ids=lambda page: page.name)
def test_headings_have_lines_of_their_own(page: Page) -> None:
    merged = re.compile(r"[^#\s`|][^#`|]* #{2,6} ")
    assert [f"{page.name}:{line}: {text}" for line, text in page.lines if merged.match(text)] == []


def test_every_page_is_reached_from_the_index() -> None:
    """An index links its pages, and the indexes of folders below it."""
    reached: set[Path] = set()
    indexes = [ROOT / "docs" / "README.md"]
    while indexes:
        index = indexes.pop()
        targets = (target.partition("#")[0] for _, target in Page.read(index).links())
        linked = {(index.parent / target).resolve() for target in targets if target} - reached
        reached |= linked | {index}
        indexes += [path for path in linked if path.name == "README.md" and path.is_relative_to(ROOT / "docs")]
    pages = {path.resolve() for path in (ROOT / "docs").rglob("*.md")}
    assert {path.relative_to(ROOT) for path in pages - reached} == set()


def test_readme_links_to_the_documentation() -> None:
    targets = {Path(target).as_posix() for _, target in Page.read(ROOT / "README.md").links()}
    assert {"docs/README.md", "docs/quickstart.md", "docs/reference/differences.md"} <= targets
