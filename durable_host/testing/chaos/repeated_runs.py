"""Repeats a test with faults until it fails, and shrinks the faults of the failure."""

import time
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Literal

import msgspec

from durable_host.chaos.fault import Fault
from durable_host.testing.chaos.chaos_run import ChaosRun
from durable_host.testing.chaos.rates import DEFAULT_RATES, RunRates
from durable_host.testing.chaos.schedule_text import in_any_run
from durable_host.testing.chaos.shrinking import shortest_schedule

__tracebackhide__ = True

DEFAULT_RUNS = 50
DEFAULT_SHRINK_SECONDS = 30.0

Trial = Callable[[ChaosRun], Literal["passed", "failed", "skipped"]]
"""Runs the test once."""


class ChaosPlan(msgspec.Struct, frozen=True, kw_only=True):
    """How to repeat a test: `runs` times with the seeds from `seed` on, or once with the faults of `schedule`.

    A failure is shrunk for at most `shrink_seconds`.
    """

    runs: int = DEFAULT_RUNS
    seed: int
    rates: RunRates = DEFAULT_RATES
    schedule: tuple[Fault, ...] | None = None
    shrink_seconds: float = DEFAULT_SHRINK_SECONDS


class FailedRun(msgspec.Struct, frozen=True, kw_only=True):
    """A run that failed. `faults` happened to it; `schedule` is the shortest list of faults that makes the test fail.

    `run` is its number, from 1, and `seed` its seed (None: it ran by a schedule). `tries` runs have shrunk the faults.
    `is_shortest` is false if the time limit ended the search. `is_reproduced` is false if the test did not fail when it
    ran again with the same faults.
    """

    run: int
    seed: int | None
    faults: tuple[Fault, ...]
    schedule: tuple[Fault, ...]
    tries: int = 0
    seconds: float = 0.0
    is_shortest: bool = True
    is_reproduced: bool = True


class ChaosResult(msgspec.Struct, frozen=True, kw_only=True):
    """What has run. `failure` is None if all runs passed. `runs` does not count those that shrank the faults."""

    runs: int
    seed: int
    faults: dict[str, int]
    failure: FailedRun | None = None


def run_repeatedly(plan: ChaosPlan, trial: Trial) -> ChaosResult:
    """Run the test until a run fails, is skipped, or all have passed."""
    counts: Counter[str] = Counter()
    number, failure = 0, None
    for number in range(1, 1 + (plan.runs if plan.schedule is None else 1)):
        run = _run(plan, number)
        outcome = trial(run)
        counts.update(fault.kind for fault in run.faults)
        if outcome == "failed":
            failure = _shrunk(plan, run, trial)
        if outcome != "passed":
            break
    return ChaosResult(runs=number, seed=plan.seed, faults=dict(counts), failure=failure)


def _run(plan: ChaosPlan, number: int) -> ChaosRun:
    if plan.schedule is not None:
        return ChaosRun.scheduled(plan.schedule, number)
    return ChaosRun.seeded(plan.rates, plan.seed + number - 1, number)


def _shrunk(plan: ChaosPlan, failed: ChaosRun, trial: Trial) -> FailedRun:
    """Find the shortest schedule that fails. The last trial of a reproduced failure ran with it."""
    begin = time.monotonic()
    tried: list[tuple[Fault, ...]] = []

    def attempt(faults: Sequence[Fault]) -> Sequence[Fault] | None:
        tried.append(tuple(faults))
        run = ChaosRun.scheduled(faults, failed.number)
        return _faults_of(run) if trial(run) == "failed" else None

    faults = _faults_of(failed)
    failure = FailedRun(run=failed.number, seed=failed.seed, faults=faults, schedule=faults)
    if plan.shrink_seconds <= 0:
        return failure
    if faults and plan.schedule is None and attempt(faults) is None:
        return msgspec.structs.replace(failure, tries=1, is_reproduced=False)
    shrunk = shortest_schedule(faults, attempt, lambda: time.monotonic() - begin < plan.shrink_seconds)
    is_reproduced = tried[-1] == shrunk.faults or attempt(shrunk.faults) is not None
    return msgspec.structs.replace(
        failure,
        schedule=shrunk.faults,
        tries=shrunk.tries,
        seconds=time.monotonic() - begin,
        is_shortest=shrunk.is_shortest,
        is_reproduced=is_reproduced,
    )


def _faults_of(run: ChaosRun) -> tuple[Fault, ...]:
    return tuple(dict.fromkeys(in_any_run(fault) for fault in run.faults))
