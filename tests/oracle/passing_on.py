"""What a hub that this host leaves looks like, and what the official worker makes of it."""

from collections.abc import Mapping
from dataclasses import dataclass

import pytest
from layout import problems, queued_messages
from play import Curtain, Play
from scenarios import SCENARIOS

AHEAD_OF_THE_GATES = pytest.mark.xfail(strict=False, reason="the history runs ahead of the gates of a failed task_all")
NAMES = [
    pytest.param(each.__name__, marks=AHEAD_OF_THE_GATES if each.__name__.startswith("all_fails") else ())
    for each in SCENARIOS
]


@dataclass(frozen=True)
class Passed:
    """`failures` by scenario, None where there is none; `layout` problems after the clean stop; messages `left`."""

    failures: Mapping[str, str | None]
    layout: list[str]
    left: list[str]


def pass_on(play: Play) -> Passed:
    """Everybody stands and this host serves: stop it, and let the official worker play to the end."""
    play.ours.stop()
    layout = problems(play.view, queued_messages(play.view.connection, play.view.hub))
    play.play_to(Curtain.OTHER)
    play.serve(play.theirs)
    play.play_to(None)
    play.theirs.stop()
    left = queued_messages(play.view.connection, play.view.hub).visible
    return Passed(play.failures, layout, [str(message) for message in left])
