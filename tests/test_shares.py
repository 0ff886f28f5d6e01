"""The processes of pytest-xdist share the test files: each runs in one of them, even after a crash."""

import json
import re
from collections.abc import Mapping
from pathlib import Path

import pytest
import shares
from parallel_pytest import POOLED, run_in_parallel, write_project
from shares import divide


@pytest.mark.parametrize(
    ("seconds", "shares", "expected"),
    [
        ({"a": 3, "b": 2, "c": 2}, 2, {"a": 0, "b": 1, "c": 1}),
        ({"a": 1, "b": 1, "c": 1}, 3, {"c": 0, "b": 1, "a": 2}),
        ({"a": 1, "b": 9}, 1, {"a": 0, "b": 0}),
        ({"architecture/a": 2, "architecture/b": 2, "c": 3}, 2, {"architecture/a": 0, "architecture/b": 0, "c": 1}),
        ({}, 2, {}),
    ],
)
def test_shares_take_about_equally_long(seconds: Mapping[str, float], shares: int, expected: Mapping[str, int]) -> None:
    assert divide(seconds, shares) == expected


CRASH = """
import os

import pytest


@pytest.mark.parametrize("number", range(4))
def test_number(number):
    if number == {}:
        os._exit(1)
"""
FIXTURES = """
import pytest


@pytest.fixture
def unset():
    raise RuntimeError("not set up")


@pytest.fixture
def untorn():
    yield
    raise RuntimeError("not torn down")


def test_unset(unset): pass
def test_untorn(untorn): pass
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    return write_project(tmp_path)


@pytest.mark.process
@pytest.mark.parametrize("crashes_at", [2, 3])
def test_each_test_runs_once_and_those_after_a_crash_in_another_process(project: Path, crashes_at: int) -> None:
    (project / "tests" / "test_crash.py").write_text(CRASH.format(crashes_at))
    output = _run(project)
    assert "2 workers [6 items]" in output
    assert f"crashed while running 'tests/test_crash.py::test_number[{crashes_at}]'" in output
    assert " 1 failed, 5 passed in " in output


WAITS_FOR_ALL = """
import time
from pathlib import Path

import pytest


@pytest.mark.parametrize("number", range(3))
def test_waits(number):
    Path(__file__).with_suffix(f".{number}").touch()
    while len([*Path(__file__).parent.glob("*.0")]) < 2:
        time.sleep(0.01)
"""


@pytest.mark.process
def test_each_process_takes_a_file_of_the_pool_when_it_is_free(project: Path) -> None:
    (project / "tests" / POOLED).mkdir()
    for name in ("one", "two"):
        (project / "tests" / POOLED / f"test_{name}.py").write_text(WAITS_FOR_ALL)
    output = _run(project)
    assert "2 workers [8 items]" in output
    assert " 8 passed in " in output


@pytest.mark.process
@pytest.mark.parametrize("crashes_at", [0, 2, 3])
def test_what_is_left_of_a_file_of_the_pool_after_a_crash_runs_in_another_process(
    project: Path, crashes_at: int
) -> None:
    (project / "tests" / POOLED).mkdir()
    for name, number in {"a": 5, "crash": crashes_at, "z": 5}.items():
        (project / "tests" / POOLED / f"test_{name}.py").write_text(CRASH.format(number))
    output = _run(project)
    assert f"crashed while running 'tests/{POOLED}/test_crash.py::test_number[{crashes_at}]'" in output
    assert " 1 failed, 13 passed in " in output


@pytest.mark.process
def test_crashes_in_many_files_of_the_pool_lose_no_test(project: Path) -> None:
    (project / "tests" / POOLED).mkdir()
    for name in "abcdef":
        (project / "tests" / POOLED / f"test_{name}.py").write_text(CRASH.format(1))
    assert " 6 failed, 20 passed in " in _run(project)


@pytest.mark.process
def test_a_run_that_stops_at_the_first_failure_does_not_run_the_rest_of_its_shares(project: Path) -> None:
    (project / "tests" / "test_a_fails.py").write_text("def test_fails(): assert False")
    for number in range(6):
        many = "import pytest\n@pytest.mark.parametrize('n', range(60))\ndef test_many(n): pass"
        (project / "tests" / f"test_many_{number}.py").write_text(many)
    passed = re.search(r" 1 failed, (\d+) passed", _run(project, "-x"))
    assert passed is None or int(passed[1]) < 300


@pytest.mark.process
def test_fewer_processes_than_asked_for_run_all_tests(project: Path) -> None:
    assert " 2 passed in " in _run(project, "--maxprocesses", "1")


@pytest.mark.process
def test_processes_that_do_not_collect_the_same_pool_are_an_error(project: Path) -> None:
    (project / "tests" / POOLED).mkdir()
    file = project / "tests" / POOLED / "test_differs.py"
    file.write_text("import os\n\nglobals()['test_' + os.environ['PYTEST_XDIST_WORKER']] = lambda: None\n")
    assert "collected different tests, or in another order: tests/pooled/test_differs.py::test_gw0" in _run(project)


@pytest.mark.process
def test_shares_are_by_the_cpu_time_of_earlier_runs(project: Path) -> None:
    (project / "tests" / "test_computes.py").write_text("def test_computes(): sum(range(3_000_000))")
    assert " 3 passed in " in _run(project)
    seconds = json.loads((project / ".pytest_cache/v/durable_host/seconds/all").read_text())
    assert seconds["tests/test_computes.py"] > seconds["tests/test_whole.py"]


def test_the_table_has_no_files_that_are_gone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(shares, "_CHECKED_IN", tmp_path / "table.json")
    (tmp_path / "test_here.py").touch()
    cache = tmp_path / ".pytest_cache" / "v" / "durable_host" / "seconds" / "unit"
    cache.parent.mkdir(parents=True)
    cache.write_text('{"test_here.py": 2.04, "test_gone.py": 3, "test_short.py": 0.01}')
    (tmp_path / "test_short.py").touch()
    shares._check_in()  # pyright: ignore[reportPrivateUsage]
    assert json.loads((tmp_path / "table.json").read_text()) == {"test_here.py": 2.0}


@pytest.mark.process
def test_failures_of_fixtures_are_reported(project: Path) -> None:
    (project / "tests" / "test_fixtures.py").write_text(FIXTURES)
    output = _run(project)
    assert " 3 passed, 2 errors in " in output
    assert "not set up" in output
    assert "not torn down" in output


@pytest.mark.process
def test_only_the_tests_that_failed_run_again(project: Path) -> None:
    (project / "tests" / POOLED).mkdir()
    for folder in (project / "tests", project / "tests" / POOLED):
        (folder / f"test_half_{folder.name}.py").write_text("def test_fails(): assert False\ndef test_passes(): pass")
    assert " 2 failed, 4 passed in " in _run(project)
    assert " 2 failed in " in _run(project, "--lf")


def _run(folder: Path, *arguments: str) -> str:
    return run_in_parallel(folder, *arguments).stdout
