"""The four tiers of the tests: which one a test belongs to, and a guard that keeps the fastest one fast.

A mark at the test, its file or its parameter decides. Without one the folder decides, then the fixtures.
"""

import platform
import sys
from collections.abc import Collection
from functools import cache
from pathlib import Path

import pytest

TIERS = ("unit", "storage", "process", "docs")
OF_FOLDER = {
    "app": "process",
    "bindings": "process",
    "docs": "docs",
    "faults": "process",
    "invocation": "process",
    "node": "process",
    "oracle": "process",
    "reference": "process",
    "testing": "process",
}
LONGEST_FIRST = (
    "oracle", "faults", "storage_simulation", "docs", "app", "dashboard", "node", "testing", "reference", "cli",
    "invocation", "taskhub", "sample", "runtime", "bindings", "simulation",
)  # fmt: skip
"""Folders whose files take longest. They begin first in a share and in the pool, so that no long file is left over."""

_TESTS = Path(__file__).parent
_STARTS = frozenset({"subprocess.Popen", "os.posix_spawn", "os.fork", "os.forkpty", "os.spawn"})


def tier(folder: str, fixtures: Collection[str], marks: Collection[str]) -> str:
    """The tier of a test. `folder` is the one below `tests`; `marks` are the names of all marks of the test."""
    for name in TIERS:
        if name in marks:
            return name
    if folder in OF_FOLDER:
        return OF_FOLDER[folder]
    return "storage" if "azurite" in fixtures else "unit"


@cache
def _folder(path: Path) -> str:
    """The folder below `tests` that a file is in."""
    return path.relative_to(_TESTS).parts[0]


def tier_of(item: pytest.Item) -> str:
    fixtures: list[str] = getattr(item, "fixturenames", [])
    return tier(_folder(item.path), fixtures, {mark.name for mark in item.iter_markers()})


def check_tier(item: pytest.Item) -> None:
    """Fails the test if it has more than one mark of a tier, so that `-m` selects it twice."""
    marks = sorted({mark.name for mark in item.iter_markers()}.intersection(TIERS))
    if len(marks) != 1:
        pytest.fail(f"A test has one tier, but this one has the marks {', '.join(marks)}.", pytrace=False)


def rank(item: pytest.Item) -> int:
    """Where the file of a test comes in the run."""
    folder = _folder(item.path)
    return LONGEST_FIRST.index(folder) if folder in LONGEST_FIRST else len(LONGEST_FIRST)


def has_no_unit_tests(path: Path) -> bool:
    """Whether the folder of a file has another tier, so that `-m unit` need not even import it."""
    return path.is_relative_to(_TESTS) and _folder(path) in OF_FOLDER


class ProcessGuard:
    """Refuses processes while a test of the tier `unit` runs, so that a slow test is not taken for a quick one."""

    def __init__(self) -> None:
        self.is_on = False
        platform.processor()  # starts `uname` once in a process; azure-identity asks for it when it is imported
        sys.addaudithook(self._see)

    def _see(self, event: str, _: tuple[object, ...]) -> None:
        if self.is_on and event in _STARTS:
            raise RuntimeError("A test of the tier 'unit' starts a process. Mark it with pytest.mark.process.")
