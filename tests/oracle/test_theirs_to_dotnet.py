"""Instances that begin on the official worker and continue in a .NET app here after its clean stop."""

import pytest
from handing_over import NAMES, Failures
from scenario_run import Phase, ScenarioRun
from scenarios import SCENARIOS

pytestmark = pytest.mark.timeout(600)


@pytest.fixture(scope="module")
def failures(dotnet_run: ScenarioRun) -> Failures:
    dotnet_run.serve(dotnet_run.theirs)
    dotnet_run.begin(SCENARIOS)
    dotnet_run.last_moment()
    dotnet_run.theirs.stop()
    dotnet_run.run_until(Phase.OTHER)
    dotnet_run.serve(dotnet_run.ours)
    dotnet_run.run_until(None)
    return dotnet_run.failures


@pytest.mark.parametrize("scenario", NAMES)
def test_instance_continues(scenario: str, failures: Failures) -> None:
    assert failures[scenario] is None, failures[scenario]
