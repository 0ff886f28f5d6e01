"""Every test has one tier, and tests in the fastest tier start no process."""

import subprocess
import sys

import pytest
from tiers import TIERS, tier


@pytest.mark.parametrize(
    ("folder", "fixtures", "marks", "expected"),
    [
        ("engine", [], [], "unit"),
        ("storage", ["azurite", "tmp_path"], [], "storage"),
        ("app", ["azurite", "start_host"], [], "process"),
        ("docs", ["azurite"], [], "docs"),
        ("cli", ["azurite"], ["process", "parametrize"], "process"),
        ("taskhub", ["bench"], ["storage"], "storage"),
    ],
)
def test_marks_decide_then_the_folder_then_the_fixtures(
    folder: str, fixtures: list[str], marks: list[str], expected: str
) -> None:
    assert tier(folder, fixtures, marks) == expected


def test_every_collected_test_has_one_tier(request: pytest.FixtureRequest) -> None:
    for item in request.session.items:
        assert len({mark.name for mark in item.iter_markers()} & set(TIERS)) == 1, item.nodeid


def test_a_unit_test_cannot_start_a_process() -> None:
    with pytest.raises(RuntimeError, match=r"Mark it with pytest\.mark\.process"):
        subprocess.run([sys.executable, "-c", ""], check=True)
