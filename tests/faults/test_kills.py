"""`kill -9` at each storage request of each pattern, before and after it takes effect, and a restart."""

from collections.abc import Iterator, Sequence

import pytest
from fault_world import EXPECTED, FaultWorld, Run

from bench.storage_calls import PERIODIC, Kind
from bench.storage_rules import Freeze, Rule

FROZEN_AT_ONCE = 120
READS = frozenset((Kind.ROW_READ, Kind.ROW_QUERY, Kind.HISTORY_READ, Kind.SENTINELS, Kind.BLOB_GET))
"""A kill at one of these leaves what the call before it left."""


def instants(world: FaultWorld) -> Iterator[tuple[Run, Rule]]:
    """A run for each instant of each pattern, and the rule that ends it there."""
    runs = [Run(pattern, f"{pattern}0") for pattern in EXPECTED]
    world.drive(runs)
    world.wait_until_nothing_comes()
    counts = world.proxy.counts(run.family for run in runs)
    for pattern, kinds in {run.pattern: counts[run.family] for run in runs}.items():
        points = [(kind, skip) for kind in sorted(kinds) if kind not in PERIODIC | READS for skip in range(kinds[kind])]
        for number, (kind, skip) in enumerate(points):
            for after in (False, True):
                run = Run(pattern, f"{pattern}{'after' if after else 'before'}{number}")
                run.fault = f"killed {'after' if after else 'before'} {kind} {skip}"
                yield run, Rule(Freeze(after), kind=kind, family=run.family, skip=skip)


def count_what_took_effect(world: FaultWorld, runs: Sequence[Run]) -> None:
    """The client got no answer to an event or signal: it looks at the state before it sends anything again.

    The message may be in its queue, or a commit may have consumed it while it was put.
    """
    unsure = [run for run in runs if run.is_unsure]
    world.wait_until_nothing_comes()
    world.look(unsure)
    for run in unsure:
        run.is_unsure = False
        if run.pattern in ("approvals", "signals") and run.seen == run.sent + 1:
            run.sent += 1


@pytest.mark.timeout(1500)
def test_nothing_is_lost_or_doubled_by_a_kill_at_any_instant(world: FaultWorld) -> None:
    planned = list(instants(world))
    runs: list[Run] = []
    for begin in range(0, len(planned), FROZEN_AT_ONCE):
        chosen = planned[begin : begin + FROZEN_AT_ONCE]
        for run, rule in chosen:
            runs.append(run)
            world.proxy.add(rule)
        world.drive(runs)
        world.host.kill()
        world.proxy.clear()
        world.host.start()
        count_what_took_effect(world, [run for run, _ in chosen])
    world.drive(runs)
    world.wait_until_nothing_comes()
    assert sum(rule.hits for _, rule in planned) > 0.8 * len(planned)
    wrong = world.wrong(runs, each_activity_once=False)
    assert not wrong, "\n".join(wrong)
