"""A run in which a process of pytest-xdist died does not pass."""

from pathlib import Path

import pytest
from parallel_pytest import run_in_parallel, write_project

pytestmark = pytest.mark.process
ALL_BUT_THE_FIRST_DIE = """
import os

if os.environ.get("PYTEST_XDIST_WORKER", "gw0") != "gw0":
    os._exit(1)
"""
DIES_AT_ITS_END = """
import os


def pytest_sessionfinish():
    if os.environ.get("PYTEST_XDIST_WORKER") == "gw1":
        os._exit(1)
"""
DIES_IN_A_TEST = """
import os


def test_dies():
    os._exit(1)


def test_passes(): pass
"""
DIES_WHEN_IT_IS_COLLECTED = """
import os
from pathlib import Path

has_died = Path(__file__).with_suffix(".died")
if not has_died.exists():
    has_died.touch()
    os._exit(1)


def test_passes(): pass
"""
REASON = "a process of pytest died outside of a test"


@pytest.fixture
def project(tmp_path: Path) -> Path:
    return write_project(tmp_path)


def test_a_run_whose_processes_die_before_their_tests_fails(project: Path) -> None:
    (project / "conftest.py").write_text(ALL_BUT_THE_FIRST_DIE)
    run = run_in_parallel(project, "--max-worker-restart", "1")
    assert "maximum crashed workers reached: 1" in run.stdout
    assert "no tests ran" in run.stdout
    assert REASON in run.stdout
    assert run.returncode == pytest.ExitCode.INTERNAL_ERROR


def test_a_run_in_which_a_process_dies_while_it_collects_runs_all_tests_and_fails(project: Path) -> None:
    (project / "tests" / "test_dies.py").write_text(DIES_WHEN_IT_IS_COLLECTED)
    run = run_in_parallel(project)
    assert " 3 passed in " in run.stdout
    assert REASON in run.stdout
    assert run.returncode == pytest.ExitCode.INTERNAL_ERROR


def test_a_run_in_which_a_process_dies_after_its_last_test_fails(project: Path) -> None:
    (project / "conftest.py").write_text(DIES_AT_ITS_END)
    run = run_in_parallel(project)
    assert " 2 passed in " in run.stdout
    assert REASON in run.stdout
    assert run.returncode == pytest.ExitCode.INTERNAL_ERROR


@pytest.mark.parametrize("option", ["-v", "-x"])
def test_a_test_whose_process_dies_fails_as_others_do(project: Path, option: str) -> None:
    (project / "tests" / "test_dies.py").write_text(DIES_IN_A_TEST)
    run = run_in_parallel(project, option, "--max-worker-restart", "1")
    assert "crashed while running 'tests/test_dies.py::test_dies'" in run.stdout
    assert REASON not in run.stdout
    assert run.returncode == pytest.ExitCode.TESTS_FAILED


def test_processes_that_end_at_once_have_not_died(project: Path) -> None:
    run = run_in_parallel(project)
    assert " 2 passed in " in run.stdout
    assert run.returncode == pytest.ExitCode.OK
