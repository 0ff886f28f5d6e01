"""Every test has one tier, and tests in the fastest tier start no process."""

import subprocess
import sys

import pytest
from tiers import check_tier, tier


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


def test_a_test_with_two_tiers_fails(request: pytest.FixtureRequest) -> None:
    check_tier(request.node)
    request.node.add_marker("storage")
    with pytest.raises(pytest.fail.Exception, match="has the marks storage, unit"):
        check_tier(request.node)


def test_a_unit_test_cannot_start_a_process() -> None:
    with pytest.raises(RuntimeError, match=r"Mark it with pytest\.mark\.process"):
        subprocess.run([sys.executable, "-c", ""], check=True)
