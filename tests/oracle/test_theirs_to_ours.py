"""Instances that begin at the official worker, and go on here after its clean stop."""

from collections.abc import Mapping

import pytest
from play import Curtain, Play
from scenarios import SCENARIOS

pytestmark = pytest.mark.timeout(240)


@pytest.fixture(scope="module")
def failures(play: Play) -> Mapping[str, str | None]:
    play.serve(play.theirs)
    play.begin(SCENARIOS)
    play.theirs.stop()
    play.play_to(Curtain.OTHER)
    play.serve(play.ours)
    play.play_to(None)
    return play.failures


@pytest.mark.parametrize("scenario", [each.__name__ for each in SCENARIOS])
def test_instance_goes_on(scenario: str, failures: Mapping[str, str | None]) -> None:
    assert failures[scenario] is None, failures[scenario]
