"""The tutorial of the test kit, on both generations of the SDK, and the same tests in other kits."""

import os
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from doc_console import DEFAULT_HUB, Desk, new_hub
from doc_pages import page
from user_cache import user_cache
from v2_environment import v2_interpreter

from bench.durable_environments import app_environment, environment_with

TUTORIAL, OTHER_KITS = page("docs/how-to/test-your-app.md"), page("docs/how-to/other-test-kits.md")

pytestmark = [
    pytest.mark.skipif(sys.platform == "win32" or not shutil.which("bash"), reason="needs bash"),
    pytest.mark.timeout(300),
]


@pytest.fixture
def desk_with(tmp_path: Path, connection_string: str) -> Iterator[Callable[[Path | None], Desk]]:
    """A desk in an empty folder, with an active environment."""
    folder = tmp_path / "work"
    folder.mkdir()
    desks: list[Desk] = []

    def desk_with(virtual_env: Path | None) -> Desk:
        hub = new_hub()
        desk = Desk(tmp_path, folder, connection_string, hub=hub, shown_hub=DEFAULT_HUB, virtual_env=virtual_env)
        desks.append(desk)
        return desk

    yield desk_with
    for desk in desks:
        desk.close()


@pytest.fixture
def other_kits() -> Path:
    """The environment with the packages that the page names. Skips where they cannot be installed."""
    (command,) = (
        command.text
        for block in OTHER_KITS.blocks
        if block.reason_not_run is not None
        for command in block.commands()
        if " pip install " in command.text
    )
    packages = [word.strip('"') for word in command.partition(" install ")[2].split()]
    try:
        return environment_with(packages, user_cache() / "other-test-kits").parents[1]
    except RuntimeError as error:
        pytest.skip(str(error))


def test_the_tutorial_works(desk_with: Callable[[Path | None], Desk]) -> None:
    desk = desk_with(app_environment(user_cache()).parents[1])
    for block in TUTORIAL.blocks:
        desk.take(block)


def test_the_tutorial_works_with_the_2x_sdk(desk_with: Callable[[Path | None], Desk]) -> None:
    """In both styles. The last command runs the tests of all files, so those that run one file are left out here."""
    desk = desk_with(v2_interpreter().parents[1])
    for block in TUTORIAL.blocks:
        if not block.text.startswith("$ python -m pytest -q tests/"):
            desk.take(block)
    (run_all,) = (block for block in TUTORIAL.blocks if block.text.startswith("$ python -m pytest -q tests\n24"))
    shutil.copy(desk.folder / "workflow_2x.py", desk.folder / "workflow.py")
    desk.take(run_all)


def test_the_examples_of_all_kits_work(desk_with: Callable[[Path | None], Desk], other_kits: Path) -> None:
    desk = desk_with(app_environment(user_cache()).parents[1])
    for block in OTHER_KITS.blocks:
        if block.reason_not_run is not None:
            os.symlink(other_kits, desk.folder / "kits", target_is_directory=True)
        desk.take(block)


def test_each_ability_in_the_comparison_leads_to_its_example() -> None:
    anchors = OTHER_KITS.anchors()
    cells = [cell for row in OTHER_KITS.rows() for cell in row.cells[1:] if cell]
    links = [cell.rpartition("(#")[2].removesuffix(")") for cell in cells]
    assert len(cells) >= 20
    assert [link for link in links if link not in anchors] == []
