"""The first seeds of the simulation of storage requests; `make simulate` runs more."""

import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = [pytest.mark.process, pytest.mark.timeout(1500)]

SIMULATE = Path(__file__).parent / "simulate.py"
SEEDS = 200
FOUND_WITHIN = {"messages-sent-before-the-commit": 20, "results-taken-twice": 40}


def _simulate(*arguments: object) -> subprocess.CompletedProcess[str]:
    """In a process of its own: it replaces the clocks, and its sets have an order that only the seed decides."""
    command = [sys.executable, SIMULATE, "--jobs", "1", *arguments]
    return subprocess.run([str(part) for part in command], capture_output=True, text=True, check=False, timeout=1470)


def test_nothing_is_lost_doubled_early_or_stuck_whatever_request_fails() -> None:
    done = _simulate("--seeds", SEEDS)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("mutation", FOUND_WITHIN)
def test_a_product_that_is_broken_on_purpose_is_found_out(mutation: str) -> None:
    done = _simulate("--seeds", FOUND_WITHIN[mutation], "--mutation", mutation, "--most-failures", 1)
    assert "FAILED" in done.stdout, done.stdout + done.stderr
