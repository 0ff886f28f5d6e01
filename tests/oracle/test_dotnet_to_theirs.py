"""Instances of a .NET app that begin here and continue on the official worker after a clean stop of this host."""

import pytest
from handing_over import NAMES, Passed, pass_on
from scenario_run import ScenarioRun
from scenarios import SCENARIOS

pytestmark = pytest.mark.timeout(600)


@pytest.fixture(scope="module")
def passed(dotnet_run: ScenarioRun) -> Passed:
    dotnet_run.serve(dotnet_run.ours)
    dotnet_run.begin(SCENARIOS)
    dotnet_run.last_moment()
    return pass_on(dotnet_run)


@pytest.mark.parametrize("scenario", NAMES)
def test_instance_continues(scenario: str, passed: Passed) -> None:
    assert passed.failures[scenario] is None, passed.failures[scenario]


def test_clean_stop_leaves_the_official_layout(passed: Passed) -> None:
    assert passed.layout == []


def test_no_message_is_left_at_the_end(passed: Passed) -> None:
    assert passed.left == []
