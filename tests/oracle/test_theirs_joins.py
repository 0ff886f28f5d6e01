"""The official worker joins a hub of this host, takes half of the partitions, and serves alone at the end."""

import pytest
from handing_over import NAMES, Failures, take_over
from scenario_run import ScenarioRun

pytestmark = pytest.mark.timeout(600)


@pytest.fixture(scope="module")
def failures(run: ScenarioRun) -> Failures:
    return take_over(run, run.ours, run.theirs)


@pytest.mark.parametrize("scenario", NAMES)
def test_instance_continues(scenario: str, failures: Failures) -> None:
    assert failures[scenario] is None, failures[scenario]
