"""Instances that survive a crash of this host, its restart and a clean stop, and continue on the official worker."""

import pytest
from handing_over import NAMES, Passed, crash, pass_on
from scenario_run import ScenarioRun
from scenarios import SCENARIOS

pytestmark = pytest.mark.timeout(600)


@pytest.fixture(scope="module")
def passed(run: ScenarioRun) -> Passed:
    run.serve(run.ours)
    run.begin(SCENARIOS)
    run.last_moment()
    crash(run)
    return pass_on(run, after_a_crash=True)


@pytest.mark.parametrize("scenario", NAMES)
def test_instance_continues(scenario: str, passed: Passed) -> None:
    assert passed.failures[scenario] is None, passed.failures[scenario]


def test_clean_stop_leaves_the_official_layout(passed: Passed) -> None:
    assert passed.layout == []
