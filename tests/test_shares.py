"""The processes of pytest-xdist share the test files: each runs in one of them, even after a crash."""

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
from shares import Shares, is_elsewhere


def pytest_configure(config):
    is_worker = hasattr(config, "workerinput")
    config.pluginmanager.register((BatchedMessages if is_worker else Shares)(config))


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
def test_only_the_tests_that_failed_run_again(project: Path) -> None:
    (project / "tests" / "test_half.py").write_text("def test_fails(): assert False\ndef test_passes(): pass")
    assert " 1 failed, 3 passed in " in _run(project)
    assert " 1 failed in " in _run(project, "--lf")


def _run(folder: Path, *arguments: str) -> str:
    without = [argument for plugin in PLUGINS for argument in ("-p", f"no:{plugin}")]
    command = [sys.executable, "-m", "pytest", "-n", "2", "--dist", "each", *without, *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False).stdout
