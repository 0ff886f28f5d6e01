"""A pytest of its own, for tests of apps: without the plugins of these tests, which readers do not have."""

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from func_command import run_forked
from host_template import can_fork

WITHOUT_OURS = tuple(
    f"-pno:{plugin}" for plugin in ("schemathesis", "platformdirs", "xdist", "timeout", "hypothesispytest", "anyio")
)
"""Options. These plugins take two thirds of the time that pytest needs to start."""


def pytest_command(*arguments: str) -> list[str]:
    """The command that runs pytest with these arguments."""
    return [sys.executable, "-m", "pytest", *_options(arguments)]


def run_pytest(
    *arguments: str, folder: Path, environment: Mapping[str, str] | None = None, limit: float = 100
) -> subprocess.CompletedProcess[str]:
    """Run pytest with these arguments in a folder. It is forked from a process that has imported it, where possible."""
    environment = os.environ if environment is None else environment
    if not can_fork(environment):
        return subprocess.run(
            pytest_command(*arguments), cwd=folder, env=environment, stdin=subprocess.DEVNULL, capture_output=True,
            text=True, timeout=limit, check=False,
        )  # fmt: skip
    return run_forked("pytest", _options(arguments), folder=folder, environment=environment, limit=limit)


def _options(arguments: tuple[str, ...]) -> list[str]:
    return ["-p", "no:cacheprovider", *WITHOUT_OURS, *arguments]
