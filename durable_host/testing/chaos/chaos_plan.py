"""Reads how to repeat a test, as a mark or a caller has written it."""

import secrets
from collections.abc import Iterable
from typing import Any

from durable_host.chaos.fault import Fault
from durable_host.testing.chaos.rates import rates_of
from durable_host.testing.chaos.repeated_runs import DEFAULT_RUNS, DEFAULT_SHRINK_SECONDS, ChaosPlan
from durable_host.testing.chaos.schedule_text import read_schedule

__tracebackhide__ = True

MAX_SEED = 2**31


def chaos_plan(
    *,
    runs: int = DEFAULT_RUNS,
    seed: int | None = None,
    faults: str = "",
    schedule: Iterable[str | Fault] | None = None,
    shrink_seconds: float = DEFAULT_SHRINK_SECONDS,
    **rates: Any,
) -> ChaosPlan:
    """Return what to run. Without `seed`, it is random. Raises ConfigurationError, ValueError."""
    if runs < 1:
        raise ValueError(f"runs={runs}: expected at least 1.")
    return ChaosPlan(
        runs=runs,
        seed=secrets.randbelow(MAX_SEED) if seed is None else seed,
        rates=rates_of(faults, **rates),
        schedule=None if schedule is None else read_schedule(schedule),
        shrink_seconds=shrink_seconds,
    )
