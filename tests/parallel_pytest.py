"""A small project of tests that several processes run, with what these tests add to pytest-xdist."""

import os
import subprocess
import sys
from pathlib import Path

POOLED = "pooled"
"""The files of this folder are in the pool."""
_CONFTEST = f"""
import sys

sys.path.insert(0, {str(Path(__file__).parent)!r})
import shares
from batched_messages import BatchedMessages
from dead_processes import DeadProcesses
from shares import EndsAtOnce, SecondsOfFiles, Shares, is_elsewhere

shares.has_no_unit_tests = lambda path: path.parent.name == {POOLED!r}


def pytest_configure(config):
    if hasattr(config, "workerinput"):
        plugins = [BatchedMessages(config), SecondsOfFiles(config), EndsAtOnce()]
    else:
        plugins = [DeadProcesses(), Shares(config)]
    for plugin in plugins:
        config.pluginmanager.register(plugin)


def pytest_ignore_collect(collection_path, config):
    return is_elsewhere(collection_path, config) or None
"""
_PLUGINS = ("anyio", "asyncio", "durable_host", "hypothesispytest", "platformdirs", "schemathesis")
"""Not needed, and slow to import."""


def write_project(folder: Path) -> Path:
    """Its folder `tests` has two tests in one file."""
    (folder / "pytest.ini").write_text("[pytest]\ntestpaths = tests")
    (folder / "tests").mkdir()
    (folder / "tests" / "conftest.py").write_text(_CONFTEST)
    (folder / "tests" / "test_whole.py").write_text("def test_one(): pass\ndef test_two(): pass")
    return folder


def run_in_parallel(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the tests of the project in two processes."""
    without = [argument for plugin in _PLUGINS for argument in ("-p", f"no:{plugin}")]
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-n",
        "2",
        "--dist",
        "each",
        *without,
        *arguments,
    ]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
