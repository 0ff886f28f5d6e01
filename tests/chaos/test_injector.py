"""Decisions about faults: by a seed, or from a list."""

import random

import pytest

from durable_host.chaos.fault import VARIANTS, Fault, FaultKind
from durable_host.chaos.injector import FaultCounts, Occurrences, ScheduledInjector, SeededInjector
from durable_host.chaos.spec import RATES, parse_chaos

SPEC = parse_chaos(
    "duplicate-events=0.3,redeliver-activities=0.3,delay=0..2s,kill-worker=0.3,lose-lease=0.3,storage-errors=0.3"
)
TARGETS = [f"event 'E{number}' for instance 'i'" for number in range(30)]


def faults_of(seed: int, targets: list[str]) -> set[Fault]:
    faults: list[Fault] = []
    injector = SeededInjector(SPEC, seed, faults.append)
    for target in targets:
        for kind in RATES:
            injector.happens(kind, target)
        injector.delay(target)
    return set(faults)


def test_the_same_seed_decides_the_same_whatever_the_order_of_the_calls() -> None:
    shuffled = random.Random(1).sample(TARGETS, len(TARGETS))
    assert faults_of(7, TARGETS) == faults_of(7, shuffled)


def test_another_seed_decides_differently() -> None:
    assert faults_of(7, TARGETS) != faults_of(8, TARGETS)


def test_each_occurrence_of_a_target_is_decided_separately() -> None:
    occurrences = {fault.occurrence for fault in faults_of(7, ["activity 'A' #1 of instance 'i'"] * 20)}
    assert 3 < len(occurrences) <= 20


@pytest.mark.parametrize("kind", RATES)
def test_faults_happen_about_as_often_as_their_rate_says(kind: FaultKind) -> None:
    injector = SeededInjector(SPEC, 1, lambda _: None)
    happened = sum(injector.happens(kind, f"target {number}") is not None for number in range(2000))
    assert 500 < happened < 700


@pytest.mark.parametrize(("rate", "happens"), [("0", False), ("1", True)])
def test_a_rate_of_0_means_never_and_1_always(rate: str, happens: bool) -> None:
    injector = SeededInjector(parse_chaos(f"kill-worker={rate}"), 3, lambda _: None)
    assert all((injector.happens("kill-worker", target) is not None) is happens for target in TARGETS)


def test_delays_are_in_their_range() -> None:
    injector = SeededInjector(parse_chaos("delay=1s..2s"), 3, lambda _: None)
    delays = [injector.delay(target) for target in TARGETS]
    assert min(delays) >= 1
    assert max(delays) <= 2
    assert len(set(delays)) > 20


def test_nothing_is_delayed_without_a_delay() -> None:
    faults: list[Fault] = []
    assert SeededInjector(parse_chaos("kill-worker=1"), 3, faults.append).delay("a message") == 0
    assert faults == []


def test_a_schedule_injects_exactly_its_faults() -> None:
    wanted = [
        Fault(kind="duplicate-events", target="event 'A'", occurrence=2, share=0.5),
        Fault(kind="delay", target="event 'A'", seconds=1.5),
    ]
    faults: list[Fault] = []
    injector = ScheduledInjector(wanted, faults.append)
    assert [injector.happens("duplicate-events", "event 'A'") for _ in range(3)] == [None, wanted[0], None]
    assert [injector.delay("event 'A'") for _ in range(2)] == [1.5, 0.0]
    assert faults == wanted


def test_a_schedule_repeats_a_seeded_run() -> None:
    wanted = faults_of(7, TARGETS)
    faults: list[Fault] = []
    injector = ScheduledInjector(wanted, faults.append)
    for target in TARGETS:
        for kind in RATES:
            injector.happens(kind, target)
        injector.delay(target)
    assert set(faults) == wanted


def test_targets_of_long_ago_are_forgotten() -> None:
    occurrences = Occurrences(remembered=2)
    assert [occurrences.next("delay", target) for target in ("a", "b", "a", "c", "b", "a")] == [1, 1, 2, 1, 1, 1]


def test_a_fault_says_what_was_done_to_which_message() -> None:
    fault = Fault(kind="delay", target="event 'Approval' for instance 'order-7'", seconds=1.23456)
    assert fault.text == "The event 'Approval' for instance 'order-7' is delayed by 1.23 s."


@pytest.mark.parametrize(("share", "variant"), [(0.0, "before"), (0.49, "before"), (0.5, "after"), (0.999, "after")])
def test_the_share_of_a_fault_chooses_how_it_is_done(share: float, variant: str) -> None:
    assert Fault(kind="kill-worker", target="function 'A'", share=share).variant == variant


@pytest.mark.parametrize(("kind", "variant"), [(kind, variant) for kind in VARIANTS for variant in VARIANTS[kind]])
def test_each_way_to_do_a_fault_has_a_sentence_with_the_target(kind: FaultKind, variant: str) -> None:
    variants = VARIANTS[kind]
    fault = Fault(kind=kind, target="event 'A'", share=variants.index(variant) / len(variants))
    assert fault.variant == variant
    assert "event 'A'" in fault.text


def test_faults_are_counted_by_kind() -> None:
    counts = FaultCounts()
    assert str(counts) == "0 faults"
    counts.add(Fault(kind="delay", target="a"))
    assert str(counts) == "1 fault (delay 1)"
    counts.add(Fault(kind="kill-worker", target="a"))
    counts.add(Fault(kind="delay", target="b"))
    assert str(counts) == "3 faults (delay 2, kill-worker 1)"
