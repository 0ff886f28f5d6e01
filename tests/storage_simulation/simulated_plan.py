"""The decisions that a seed makes before the run."""

from dataclasses import dataclass, replace
from random import Random

from programs import KINDS

MODES = ("alone", "alone", "alone", "alone on an account", "several", "several", "foreign")


@dataclass(frozen=True)
class Plan:
    """`alone`: one host on the development account. `foreign`: a worker that is not this product owns a partition."""

    mode: str
    hosts: int
    partitions: int
    polling_interval: float
    activity_slots: int
    orchestrator_slots: int
    session_capacity: int
    activity_times: tuple[float, ...]
    kinds: tuple[str, ...]
    instances: int
    entities: int
    deaths: int
    restlessness: float
    intensity: float
    lost_workers: float
    steals_leases: bool
    stops_midway: bool
    official_rows: bool
    disorder: bool
    controls: float
    longest_timer: float
    chaos_seconds: float
    rows_per_transaction: int

    @property
    def is_development(self) -> bool:
        return self.mode in ("alone", "several on one machine")

    @property
    def is_strict(self) -> bool:
        """Whether nothing may happen before it is committed, and nothing twice."""
        return self.mode != "foreign"


def plan_of(random: Random) -> Plan:
    """The plan of a seed."""
    mode = random.choice(MODES)
    hosts = 1 if mode.startswith("alone") else random.choice((1, 2)) if mode == "foreign" else random.choice((2, 2, 3))
    faults = random.choice((0.0, 0.3, 1.0, 1.0))
    deaths = random.choice((0, 1, 1, 2, 4))
    plan = Plan(
        mode=mode,
        hosts=hosts,
        partitions=random.choice((1, 2)) if mode.startswith("alone") else random.choice((2, 3)),
        polling_interval=random.choice((2.0, 5.0, 30.0)),
        activity_slots=random.choice((1, 2, 10)),
        orchestrator_slots=random.choice((1, 5)),
        session_capacity=random.choice((1, 2, 500, 500)),
        activity_times=random.choice(((0.0,), (0.0, 0.0, 0.05, 1.0), (0.0, 0.3, 5.0))),
        kinds=tuple(random.sample(KINDS, random.randint(1, 6))),
        instances=random.randint(1, 6),
        entities=random.randint(1, 2),
        deaths=deaths,
        restlessness=random.choice((0.0, 0.0, 0.3)),
        intensity=faults,
        lost_workers=random.choice((0.0, 0.0, 0.0, 0.02)),
        steals_leases=random.random() < 0.15,
        stops_midway=random.random() < 0.35,
        official_rows=random.random() < 0.5,
        disorder=random.random() < 0.15,
        controls=random.choice((0.0, 0.0, 0.15, 0.4)),
        longest_timer=random.choice((2.0, 15.0, 40.0)),
        chaos_seconds=random.choice((10.0, 30.0, 60.0)),
        rows_per_transaction=random.choice((99, 99, 4)),
    )
    if mode == "foreign" and random.random() < 0.7:
        # Episodes whose messages are sent, whose commit fails, and that decide otherwise when they are repeated.
        return replace(plan, kinds=("race", "timer", *plan.kinds[:1]), deaths=4)
    return plan
