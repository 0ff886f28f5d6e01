"""The processes of pytest-xdist share the test files: each runs in one of them, even after a crash."""

import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest
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


CONFTEST = f"""
import sys

sys.path.insert(0, {str(Path(__file__).parent)!r})
from batched_messages import BatchedMessages
from shares import SecondsOfFiles, Shares, is_elsewhere


def pytest_configure(config):
    is_worker = hasattr(config, "workerinput")
    for plugin in (BatchedMessages, SecondsOfFiles) if is_worker else (Shares,):
        config.pluginmanager.register(plugin(config))


def pytest_ignore_collect(collection_path, config):
    return is_elsewhere(collection_path, config) or None
"""
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
PLUGINS = ("anyio", "asyncio", "durable_host", "hypothesispytest", "platformdirs", "schemathesis")
"""Not needed, and slow to import."""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "pytest.ini").write_text("[pytest]\ntestpaths = tests")
    (tmp_path / "tests").mkdir()
    (tmp_path / "tests" / "conftest.py").write_text(CONFTEST)
    (tmp_path / "tests" / "test_whole.py").write_text("def test_one(): pass\ndef test_two(): pass")
    return tmp_path


@pytest.mark.process
@pytest.mark.parametrize("crashes_at", [2, 3])
def test_each_test_runs_once_and_those_after_a_crash_in_another_process(project: Path, crashes_at: int) -> None:
    (project / "tests" / "test_crash.py").write_text(CRASH.format(crashes_at))
    output = _run(project)
    assert "2 workers [6 items]" in output
    assert f"crashed while running 'tests/test_crash.py::test_number[{crashes_at}]'" in output
    assert " 1 failed, 5 passed in " in output


@pytest.mark.process
def test_a_run_without_the_tests_of_a_share_fails(project: Path) -> None:
    (project / "tests" / "test_crash.py").write_text("import os\nos._exit(1)")
    run = _pytest(project, "--max-worker-restart", "1")
    assert "maximum crashed workers reached: 1" in run.stdout
    assert run.returncode == pytest.ExitCode.INTERNAL_ERROR


@pytest.mark.process
def test_shares_are_by_the_cpu_time_of_earlier_runs(project: Path) -> None:
    (project / "tests" / "test_computes.py").write_text("def test_computes(): sum(range(3_000_000))")
    assert " 3 passed in " in _run(project)
    seconds = json.loads((project / ".pytest_cache/v/durable_host/seconds_of_files").read_text())
    assert seconds["tests/test_computes.py"] > seconds["tests/test_whole.py"] > 0


@pytest.mark.process
def test_failures_of_fixtures_are_reported(project: Path) -> None:
    (project / "tests" / "test_fixtures.py").write_text(FIXTURES)
    output = _run(project)
    assert " 3 passed, 2 errors in " in output
    assert "not set up" in output
    assert "not torn down" in output


@pytest.mark.process
def test_only_the_tests_that_failed_run_again(project: Path) -> None:
    (project / "tests" / "test_half.py").write_text("def test_fails(): assert False\ndef test_passes(): pass")
    assert " 1 failed, 3 passed in " in _run(project)
    assert " 1 failed in " in _run(project, "--lf")


def _run(folder: Path, *arguments: str) -> str:
    return _pytest(folder, *arguments).stdout


def _pytest(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    without = [argument for plugin in PLUGINS for argument in ("-p", f"no:{plugin}")]
    command = [sys.executable, "-m", "pytest", "-n", "2", "--dist", "each", *without, *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
