"""Four hosts on one task hub, under load: they join, die, leave and come back, and partitions move between them."""

from pathlib import Path

import pytest
from host_fleet import host_fleet

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
        again = {name for name, times in fleet.activity_runs().items() if times > 1}
        assert len(again) >= 4, "each kill came while an activity ran"
