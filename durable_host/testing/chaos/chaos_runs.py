"""Runs a test function many times with faults, without pytest's marks: also for unittest and scripts."""

import asyncio
import inspect
import sys
from collections.abc import Callable, Iterable
from contextlib import nullcontext
from pathlib import Path
from typing import Any, Literal
from unittest import SkipTest

from durable_host.chaos.fault import Fault
from durable_host.testing.chaos.chaos_plan import chaos_plan
from durable_host.testing.chaos.chaos_report import chaos_failure_text
from durable_host.testing.chaos.chaos_run import ChaosRun
from durable_host.testing.chaos.repeated_runs import (
    DEFAULT_RUNS,
    DEFAULT_SHRINK_SECONDS,
    ChaosResult,
    run_repeatedly,
)
from durable_host.testing.chaos.schedule_text import fault_line
from durable_host.testing.function_app import FunctionApp

__tracebackhide__ = True


class ChaosFailed(AssertionError):
    """The test failed with some faults. `schedule` is the shortest list of them, `seed` that of the run (or None)."""

    def __init__(self, text: str, seed: int | None, schedule: tuple[str, ...]) -> None:
        super().__init__(text)
        self.seed = seed
        self.schedule = schedule


def chaos_runs(
    app: FunctionApp | str | Path,
    test: Callable[[FunctionApp], Any],
    *,
    runs: int = DEFAULT_RUNS,
    seed: int | None = None,
    faults: str = "",
    schedule: Iterable[str | Fault] | None = None,
    shrink_seconds: float = DEFAULT_SHRINK_SECONDS,
    **rates: Any,
) -> ChaosResult:
    """Call `test(app)` `runs` times, each time with an empty app and other faults. `test` may be async.

    `faults` is written as for `func start --chaos`; `rates` name them, as in `duplicate_events=0.1`. Raises
    ChaosFailed, from the error of the shortest failing schedule. A run that is skipped ends all of them.
    """
    plan = chaos_plan(runs=runs, seed=seed, faults=faults, schedule=schedule, shrink_seconds=shrink_seconds, **rates)
    errors: list[BaseException] = []
    with app_of(app) as tested:

        def trial(run: ChaosRun) -> Literal["passed", "failed"]:
            try:
                with run.active():
                    _call(test, tested.reset())
            except SkipTest:
                raise
            except _failures() as error:
                errors.append(error)
                return "failed"
            return "passed"

        result = run_repeatedly(plan, trial)
    failure = result.failure
    if failure is None:
        return result
    text = f"{errors[-1]}\n\n{chaos_failure_text(failure, plan, f'chaos_runs(..., seed={failure.seed})')}"
    raise ChaosFailed(text, failure.seed, tuple(map(fault_line, failure.schedule))) from errors[-1]


def _failures() -> tuple[type[BaseException], ...]:
    """What a test raises when it fails. `pytest.fail` and `pytest.raises` raise an error that is no Exception."""
    pytest: Any = sys.modules.get("pytest")
    return (Exception,) if pytest is None else (Exception, pytest.fail.Exception)


def app_of(app: FunctionApp | str | Path) -> Any:
    return nullcontext(app) if isinstance(app, FunctionApp) else FunctionApp(app)


def _call(test: Callable[[FunctionApp], Any], app: FunctionApp) -> None:
    result = test(app)
    if inspect.isawaitable(result):
        asyncio.run(_awaited(result))


async def _awaited(result: Any) -> None:
    await result
