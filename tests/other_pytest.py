"""A pytest of its own, for tests of apps: without the plugins of these tests, which readers do not have."""

import sys

WITHOUT_OURS = tuple(
    f"-pno:{plugin}" for plugin in ("schemathesis", "platformdirs", "xdist", "timeout", "hypothesispytest", "anyio")
)
"""Options. These plugins take two thirds of the time that pytest needs to start."""


def pytest_command(*arguments: str) -> list[str]:
    """The command that runs pytest with these arguments."""
    return [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *WITHOUT_OURS, *arguments]
