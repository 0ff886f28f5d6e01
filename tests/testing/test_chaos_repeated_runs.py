"""Tests are repeated with faults: what a failure says, and how it is repeated."""

from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any, Literal

import pytest

from durable_host.chaos.fault import Fault
from durable_host.errors import ConfigurationError
from durable_host.testing.chaos.chaos_report import chaos_failure_text, chaos_result_text
from durable_host.testing.chaos.chaos_run import ChaosRun, active_run
from durable_host.testing.chaos.rates import DEFAULT_RATES, RunRates, rates_of
from durable_host.testing.chaos.repeated_runs import ChaosPlan, run_repeatedly
from durable_host.testing.chaos.schedule_text import fault_line, read_schedule

pytestmark = pytest.mark.unit

EVENTS = [f"event 'Approval' for instance 'order-{number}'" for number in range(10)]
CHARGE = "activity 'Charge' of instance 'order-7'"
RATES = RunRates(duplicate_events=0.3, redeliver_activities=0.5, kill_host=0.1)


class Subject:
    """A test of an app with ten events and one activity. It fails if the activity runs again."""

    def __init__(self, fails: Callable[[Sequence[Fault]], bool] | None = None) -> None:
        self.runs: list[ChaosRun] = []
        self._fails = fails or (lambda faults: any(fault.target == CHARGE for fault in faults))

    def __call__(self, run: ChaosRun) -> Literal["passed", "failed", "skipped"]:
        self.runs.append(run)
        for event in EVENTS:
            run.happens("duplicate-events", event)
            run.happens("kill-host", event)
        run.happens("redeliver-activities", CHARGE)
        return "failed" if self._fails(run.faults) else "passed"


def plan(**changes: Any) -> ChaosPlan:
    return ChaosPlan(**{"seed": 7, "rates": RATES, **changes})


def test_a_test_that_survives_runs_as_often_as_asked() -> None:
    subject = Subject(lambda faults: False)
    result = run_repeatedly(plan(runs=5), subject)
    assert len(subject.runs) == result.runs == 5
    assert result.failure is None


def test_each_run_has_a_seed_of_its_own_and_other_faults() -> None:
    subject = Subject(lambda faults: False)
    run_repeatedly(plan(runs=5), subject)
    assert [run.seed for run in subject.runs] == [7, 8, 9, 10, 11]
    assert len({tuple(run.faults) for run in subject.runs}) == 5


def test_the_same_seed_gives_the_same_faults() -> None:
    first, second = Subject(lambda faults: False), Subject(lambda faults: False)
    run_repeatedly(plan(runs=3), first)
    run_repeatedly(plan(runs=3), second)
    assert [run.faults for run in first.runs] == [run.faults for run in second.runs]
    assert any(run.faults for run in first.runs)


def test_a_failing_run_is_repeated_as_the_first_one_with_its_own_seed() -> None:
    failure = run_repeatedly(plan(), Subject()).failure
    assert failure is not None
    again = run_repeatedly(plan(seed=failure.seed), Subject()).failure
    assert again is not None
    assert again.run == 1
    assert again.faults == failure.faults


def test_a_failure_is_shrunk_to_the_fault_that_causes_it() -> None:
    failure = run_repeatedly(plan(), Subject()).failure
    assert failure is not None
    assert [(fault.kind, fault.target) for fault in failure.schedule] == [("redeliver-activities", CHARGE)]
    assert len(failure.faults) > 1
    assert failure.is_shortest
    assert failure.is_reproduced


def test_the_last_run_has_the_schedule_that_is_reported() -> None:
    subject = Subject()
    failure = run_repeatedly(plan(), subject).failure
    assert failure is not None
    assert tuple(subject.runs[-1].faults) == failure.schedule


def test_a_schedule_runs_once_with_its_faults() -> None:
    subject = Subject()
    schedule = read_schedule([f"redeliver-activities: {CHARGE}"])
    failure = run_repeatedly(plan(schedule=schedule), subject).failure
    assert failure is not None
    assert failure.seed is None
    assert tuple(subject.runs[0].faults) == schedule


def test_a_skipped_run_is_the_last_one() -> None:
    runs: list[ChaosRun] = []

    def skipped(run: ChaosRun) -> Literal["skipped"]:
        runs.append(run)
        return "skipped"

    assert run_repeatedly(plan(), skipped).failure is None
    assert len(runs) == 1


def test_a_failure_is_reported_with_seed_schedule_and_how_to_repeat_it() -> None:
    chosen = plan(runs=20)
    failure = run_repeatedly(chosen, Subject()).failure
    assert failure is not None
    text = chaos_failure_text(failure, chosen, f"pytest test_orders.py --durable-chaos-seed {failure.seed}")
    assert (
        f"Run {failure.run} of 20 failed (seed {failure.seed}, {len(failure.faults)} faults). 1 fault is enough" in text
    )
    assert f"  1. The {CHARGE} is delivered a second time, because its first result is lost." in text
    assert "@pytest.mark.durable_chaos(schedule=[\n    \"redeliver-activities (before): activity 'Charge' of" in text
    assert f"--durable-chaos-seed {failure.seed}" in text


def test_the_reported_schedule_fails_as_written() -> None:
    failure = run_repeatedly(plan(), Subject()).failure
    assert failure is not None
    lines = [fault_line(fault) for fault in failure.schedule]
    again = run_repeatedly(plan(schedule=read_schedule(lines)), Subject()).failure
    assert again is not None
    assert [fault.target for fault in again.faults] == [fault.target for fault in failure.schedule]


def test_a_test_that_fails_without_faults_says_so() -> None:
    chosen = plan()
    failure = run_repeatedly(chosen, Subject(lambda faults: True)).failure
    assert failure is not None
    assert "It fails without any fault as well." in chaos_failure_text(failure, chosen, "pytest")


def test_a_failure_that_does_not_happen_again_says_so() -> None:
    failures = iter([True])
    chosen = plan()
    failure = run_repeatedly(chosen, Subject(lambda faults: bool(faults) and next(failures, False))).failure
    assert failure is not None
    assert not failure.is_reproduced
    assert "not with the same faults again" in chaos_failure_text(failure, chosen, "pytest")


def test_without_time_to_shrink_all_faults_are_reported() -> None:
    failure = run_repeatedly(plan(shrink_seconds=0), Subject()).failure
    assert failure is not None
    assert failure.schedule == failure.faults


def test_the_result_counts_runs_and_faults() -> None:
    text = chaos_result_text(run_repeatedly(plan(runs=5), Subject(lambda faults: False)))
    assert text.startswith("5 runs from seed 7, ")
    assert "duplicate-events " in text


@pytest.mark.parametrize(
    "fault",
    [
        Fault(kind="duplicate-events", target="event 'A: b' for instance 'x #2'"),
        Fault(kind="delay", target="event 'A'", seconds=1.25),
        Fault(kind="delay", target="event 'A'", seconds=10.0, occurrence=3),
        Fault(kind="storage-errors", target="commit of 'x'", occurrence=12, share=2 / 3),
        Fault(kind="storage-errors", target="commit of 'x'"),
        Fault(kind="kill-worker", target="function 'x'", share=0.5),
        Fault(kind="kill-host", target="two\nlines"),
    ],
)
def test_a_fault_is_read_as_it_was_written(fault: Fault) -> None:
    assert read_schedule([fault_line(fault)]) == (fault,)


@pytest.mark.parametrize(
    "line", ["", "duplicate-events", "explosions: everywhere", "delay fast: event 'A'", "delay (x): y"]
)
def test_a_line_that_is_not_a_fault_is_refused(line: str) -> None:
    with pytest.raises(ValueError, match="is not a fault of a schedule"):
        read_schedule([line])


@pytest.mark.parametrize(
    ("faults", "named", "expected"),
    [
        ("", {}, DEFAULT_RATES),
        ("duplicate-events=0.5", {}, RunRates(duplicate_events=0.5)),
        ("", {"duplicate_events": 0.5}, RunRates(duplicate_events=0.5)),
        ("kill-host=0.5,reorder=1", {}, RunRates(kill_host=0.5, reorder=1)),
        ("", {"kill_host": 0.5, "reorder": 1}, RunRates(kill_host=0.5, reorder=1)),
        ("kill-worker=1%", {"delay": "0..2s"}, RunRates(kill_worker=0.01, delay=(0, 2))),
        ("", {"delay": 2}, RunRates(delay=(2, 2))),
        ("", {"delay": (0, 2)}, RunRates(delay=(0, 2))),
        ("", {"delay": timedelta(minutes=1)}, RunRates(delay=(60, 60))),
        ("", {"duplicate_events": 0}, RunRates()),
    ],
)
def test_rates_are_named_or_written_as_for_the_host(faults: str, named: dict[str, Any], expected: RunRates) -> None:
    assert rates_of(faults, **named) == expected


@pytest.mark.parametrize("named", [{"duplicates": 0.1}, {"kill_host": 2}, {"reorder": "often"}, {"delay": "long"}])
def test_wrong_rates_are_refused(named: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError):
        rates_of(**named)


def test_a_run_is_active_only_in_its_block() -> None:
    run = ChaosRun.scheduled((), 1)
    with run.active():
        assert active_run() is run
    assert active_run() is None


def test_nothing_happens_after_a_run() -> None:
    run = ChaosRun.seeded(RunRates(kill_host=1, delay=(1, 1)), 1, 1)
    with run.active():
        assert run.happens("kill-host", "commit") is not None
        assert run.delay("event") == 1
    assert run.happens("kill-host", "commit") is None
    assert run.delay("event") == 0


def test_a_fault_happens_a_few_times_at_most_to_the_same_target() -> None:
    run = ChaosRun.seeded(RunRates(kill_host=1), 1, 1)
    happened = [run.happens("kill-host", "commit") is not None for _ in range(20)]
    assert happened == [True] * 5 + [False] * 15
    assert run.happens("kill-host", "another commit") is not None
