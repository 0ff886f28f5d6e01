"""Instances that begin on the official worker and continue in a .NET app here after its clean stop."""

import pytest
from handing_over import NAMES, Failures
from play import Curtain, Play
from scenarios import SCENARIOS

pytestmark = pytest.mark.timeout(600)


@pytest.fixture(scope="module")
def failures(dotnet_play: Play) -> Failures:
    dotnet_play.serve(dotnet_play.theirs)
    dotnet_play.begin(SCENARIOS)
    dotnet_play.last_moment()
    dotnet_play.theirs.stop()
    dotnet_play.play_to(Curtain.OTHER)
    dotnet_play.serve(dotnet_play.ours)
    dotnet_play.play_to(None)
    return dotnet_play.failures


@pytest.mark.parametrize("scenario", NAMES)
def test_instance_continues(scenario: str, failures: Failures) -> None:
    assert failures[scenario] is None, failures[scenario]
