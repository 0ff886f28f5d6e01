"""Instances that begin on the official worker and continue in a .NET app here after its clean stop."""

import pytest
from handing_over import NAMES, Failures, receive
from scenario_run import ScenarioRun

pytestmark = pytest.mark.timeout(600)


@pytest.fixture(scope="module")
def failures(dotnet_run: ScenarioRun) -> Failures:
    return receive(dotnet_run)


@pytest.mark.parametrize("scenario", NAMES)
def test_instance_continues(scenario: str, failures: Failures) -> None:
    assert failures[scenario] is None, failures[scenario]
