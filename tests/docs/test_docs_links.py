"""Links between the pages lead somewhere."""

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


def test_every_page_is_reached_from_the_index() -> None:
    index = ROOT / "docs" / "README.md"
    linked = {(index.parent / target.partition("#")[0]).resolve() for _, target in Page.read(index).links()}
    pages = {path.resolve() for path in (ROOT / "docs").rglob("*.md")} - {index.resolve()}
    assert {path.relative_to(ROOT) for path in pages - linked} == set()


def test_readme_links_to_the_documentation() -> None:
    targets = {Path(target).as_posix() for _, target in Page.read(ROOT / "README.md").links()}
    assert {"docs/README.md", "docs/quickstart.md", "docs/reference/differences.md"} <= targets
