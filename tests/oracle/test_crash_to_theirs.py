"""Instances that survive a crash of this host, its restart and a clean stop, and continue on the official worker."""

import pytest
from handing_over import NAMES, Passed, crash, pass_on
from play import Play
from scenarios import SCENARIOS

pytestmark = pytest.mark.timeout(600)


@pytest.fixture(scope="module")
def passed(play: Play) -> Passed:
    play.serve(play.ours)
    play.begin(SCENARIOS)
    play.last_moment()
    crash(play)
    return pass_on(play, after_a_crash=True)


@pytest.mark.parametrize("scenario", NAMES)
def test_instance_continues(scenario: str, passed: Passed) -> None:
    assert passed.failures[scenario] is None, passed.failures[scenario]


def test_clean_stop_leaves_the_official_layout(passed: Passed) -> None:
    assert passed.layout == []
