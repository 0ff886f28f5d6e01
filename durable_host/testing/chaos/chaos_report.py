"""What people read about chaos runs."""

from collections.abc import Mapping, Sequence

from durable_host.chaos.fault import Fault
from durable_host.testing.chaos.repeated_runs import ChaosPlan, ChaosResult, FailedRun
from durable_host.testing.chaos.schedule_text import fault_line

_MOST_FAULTS = 20


def chaos_failure_text(failure: FailedRun, plan: ChaosPlan, repeat: str) -> str:
    """The report of a failure. `repeat` tells how to run the same seed again, for example a command."""
    lines = [_headline(failure, plan), *_schedule(failure)]
    if failure.seed is not None:
        lines += ["", f"The same seed again: {repeat}"]
    return "\n".join(lines)


def chaos_result_text(result: ChaosResult) -> str:
    """Such as `50 runs from seed 7, 212 faults (duplicate-events 30, delay 182)`."""
    return f"{_count(result.runs, 'run')} from seed {result.seed}, {counted_faults(result.faults)}"


def counted_faults(counts: Mapping[str, int]) -> str:
    """Such as `3 faults (duplicate-events 2, kill-worker 1)`."""
    kinds = ", ".join(f"{kind} {count}" for kind, count in sorted(counts.items()))
    return _count(sum(counts.values()), "fault") + (f" ({kinds})" if kinds else "")


def _headline(failure: FailedRun, plan: ChaosPlan) -> str:
    if plan.schedule is not None:
        where = f"The test failed with its schedule of {_count(len(plan.schedule), 'fault')}"
    else:
        where = f"Run {failure.run} of {plan.runs} failed (seed {failure.seed}, {_count(len(failure.faults), 'fault')})"
    if not failure.is_reproduced:
        return f"{where}, but not with the same faults again."
    if not failure.schedule:
        return f"{where}. It fails without any fault as well."
    if not failure.tries:
        return f"{where}."
    took = f"{_count(failure.tries, 'run')}, {failure.seconds:.1f} s"
    enough = "1 fault is enough" if len(failure.schedule) == 1 else f"{len(failure.schedule)} faults are enough"
    return f"{where}. {enough} ({took})."


def _schedule(failure: FailedRun) -> list[str]:
    if not failure.is_reproduced:
        return [
            "The test depends on something else, such as the time of the machine, random numbers, or state that an "
            "earlier run left in the worker. What happened to it:",
            *_listed(failure.faults),
        ]
    if not failure.schedule:
        return []
    title = "The shortest failing schedule:" if failure.is_shortest else "The shortest failing schedule that was found:"
    written = [f"    {fault_line(fault)!r}," for fault in failure.schedule]
    return [
        "",
        title,
        *_listed(failure.schedule),
        "",
        "To run the test with this schedule only:",
        "@pytest.mark.durable_chaos(schedule=[",
        *written,
        "])",
    ]


def _listed(faults: Sequence[Fault]) -> list[str]:
    lines = [f"  {number}. {fault.text}" for number, fault in enumerate(faults[:_MOST_FAULTS], 1)]
    if len(faults) > _MOST_FAULTS:
        lines.append(f"  … and {len(faults) - _MOST_FAULTS} more")
    return lines


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"
