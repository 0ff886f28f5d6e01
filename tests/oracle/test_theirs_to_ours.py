"""Instances that begin on the official worker and continue here after its clean stop."""

import pytest
from handing_over import NAMES, Failures
from play import Curtain, Play
from scenarios import SCENARIOS

pytestmark = pytest.mark.timeout(600)


@pytest.fixture(scope="module")
def failures(play: Play) -> Failures:
    play.serve(play.theirs)
    play.begin(SCENARIOS)
    play.last_moment()
    play.theirs.stop()
    play.play_to(Curtain.OTHER)
    play.serve(play.ours)
    play.play_to(None)
    return play.failures


@pytest.mark.parametrize("scenario", NAMES)
def test_instance_goes_on(scenario: str, failures: Failures) -> None:
    assert failures[scenario] is None, failures[scenario]
