"""Four hosts on one task hub, under load: they join, die, leave and come back, and partitions move between them."""

from pathlib import Path

import pytest
from fault_world import EXPECTED
from host_fleet import PATTERNS, host_fleet

from durable_host.config.connection import Connection


@pytest.mark.timeout(600)
def test_nothing_is_lost_or_doubled_while_four_hosts_join_die_and_leave(azurite: Connection, tmp_path: Path) -> None:
    with host_fleet(azurite, tmp_path, 4) as fleet:
        first, second, third, fourth = fleet.hosts
        fleet.start(first)
        with fleet.load():
            with fleet.held():
                fleet.begin(2)
                fleet.start(second, third, fourth)
                fleet.wait_owners(4)
            fleet.kill_in_activities(second)
            fleet.begin(1)
            fleet.stop(third)
            fleet.wait_owners(3)
            fleet.kill_in_activities(first)
            fleet.begin(1)
            fleet.start(third)
            fleet.wait_owners(4)
            fleet.kill_in_activities(second, fourth)
        wrong = fleet.wrong(fleet.runs, each_activity_once=False)
        assert not wrong, "\n".join([*wrong, *(host.output for host in fleet.hosts)])
        ran = fleet.activity_runs()
        assert len(fleet.lost) == 4
        for lost in fleet.lost:
            assert any(ran[name] > times for name, times in lost.items()), f"none of {lost} ran again"


def test_the_load_has_every_pattern_whose_result_is_known() -> None:
    assert {*PATTERNS, "signals"} == {*EXPECTED}
