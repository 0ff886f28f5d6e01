"""The number of storage requests of an orchestration in the steady state, on the development account."""

import pytest
from fault_world import FaultWorld

from bench.storage_calls import PERIODIC, Kind, StorageCall

pytestmark = pytest.mark.timeout(1200)

SEQUENCE_CEILING = 12
FAN_OUT_CEILING = 250


def of_work(calls: list[StorageCall]) -> list[StorageCall]:
    """Without what an idle host does too."""
    return [call for call in calls if call.kind not in PERIODIC]


def test_a_sequence_of_five_activities_makes_at_most_12_requests(world: FaultWorld) -> None:
    families = [f"steady{number}" for number in range(20)]
    run_all(world, "sequence", ["warmup"])
    world.proxy.forget_calls()
    run_all(world, "sequence", families)
    world.wait_until_nothing_comes()
    calls = of_work(world.proxy.calls)
    kinds = sorted(str(call.kind) for call in calls if "steady7" in call.families)
    assert len(calls) <= SEQUENCE_CEILING * len(families), kinds


def test_a_fan_out_of_1000_makes_at_most_250_requests(world: FaultWorld) -> None:
    run_all(world, "wide", ["warmwide"], 20)
    world.proxy.forget_calls()
    run_all(world, "wide", ["wide1000"], 1000)
    world.wait_until_nothing_comes()
    calls = of_work(world.proxy.calls)
    assert len(calls) <= FAN_OUT_CEILING, {kind: sum(call.kind is kind for call in calls) for kind in Kind}


def run_all(world: FaultWorld, pattern: str, families: list[str], data: object = None) -> None:
    """Start all and wait for their ends, looking into storage past the proxy: waiting makes no request."""
    for family in families:
        assert world.start_instance(pattern, family, data).status_code == 202
    world.wait_ends(families)
