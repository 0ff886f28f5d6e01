"""Each storage request of each pattern fails once, before or after it takes effect: nothing is lost or duplicated."""

from collections import Counter
from collections.abc import Callable
from random import Random

import pytest
from fault_world import EXPECTED, FaultWorld, Run

from bench.storage_calls import PERIODIC, Kind, StorageCall
from bench.storage_rules import Action, Fail, Rule

pytestmark = pytest.mark.timeout(1500)

FAULTS: dict[str, tuple[Action, ...]] = {
    "before": (Fail(503), Fail(0)),
    "after": (Fail(0, after=True), Fail(500, after=True)),
}


def calls_of(world: FaultWorld) -> dict[str, Counter[Kind]]:
    """How often one undisturbed run of each pattern makes each kind of call."""
    runs = [Run(pattern, f"{pattern}0") for pattern in EXPECTED]
    world.drive(runs)
    world.wait_until_nothing_comes()
    assert not world.wrong(runs, each_activity_once=True)
    counts = world.proxy.counts(run.family for run in runs)
    return {run.pattern: counts[run.family] for run in runs}


@pytest.mark.parametrize(
    ("shared_world", "is_alone"),
    [(None, True), ("elsewhere:0", False), ("elsewhere", False)],
    indirect=["shared_world"],
    ids=["alone", "beside another host", "beside an official worker"],
)
def test_nothing_is_lost_or_doubled_when_one_call_fails(world: FaultWorld, is_alone: bool) -> None:
    """Where an activity travels in a message, that may be put twice, and then the activity runs twice."""
    runs: list[Run] = []
    rules: list[Rule] = []
    for pattern, counts in calls_of(world).items():
        points = [(kind, skip) for kind in sorted(counts) if kind not in PERIODIC for skip in range(counts[kind])]
        for number, (kind, skip) in enumerate(points):
            for when, actions in FAULTS.items():
                action = actions[number % len(actions)]
                run = Run(pattern, f"{pattern}{when}{number}", f"{action} at {kind} {skip}")
                runs.append(run)
                rules.append(world.proxy.add(Rule(action, kind=kind, family=run.family, skip=skip)))
    world.drive(runs)
    world.wait_until_nothing_comes()
    wrong = world.wrong(runs, each_activity_once=is_alone)
    assert not wrong, "\n".join(wrong)
    assert sum(rule.hits for rule in rules) > 0.8 * len(rules)


def one_in_three(seed: str) -> Callable[[StorageCall], bool]:
    """A condition that holds for a third of all calls, in no order: a fixed one can be in step with the polls of a
    queue, and then each delivery of a message is lost.
    """
    chance = Random(seed)
    return lambda _: chance.random() < 1 / 3


def test_events_from_outside_are_taken_once_though_polls_leases_and_partitions_fail(world: FaultWorld) -> None:
    for kind in sorted(PERIODIC):
        for action in (Fail(0), Fail(500, after=True)):
            world.proxy.add(Rule(action, kind=kind, condition=one_in_three(f"{kind} {action}"), times=None))
    runs = [Run("approvals", f"outside{number}", from_outside=True) for number in range(8)]
    world.drive(runs)
    for run in runs:
        world.wait_until_nothing_comes(run.family)
    wrong = world.wrong(runs, each_activity_once=True)
    assert not wrong, "\n".join(wrong)
