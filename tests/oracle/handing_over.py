"""Hands a hub from one host to the other while it has instances."""

import time
from collections.abc import Mapping
from dataclasses import dataclass

from host_process import until
from layout import problems, queued_messages, shows_messages
from play import Curtain, Play
from scenarios import SCENARIOS
from sides import Side

from durable_host.durable.taskhub.azure.options import AzureTaskHubOptions

Failures = Mapping[str, str | None]
"""What went wrong by scenario, None where nothing did."""

VISIBILITY = AzureTaskHubOptions().hold_time
"""Seconds for which messages that this host holds when it is killed stay hidden."""
NAMES = [each.__name__ for each in SCENARIOS]


@dataclass(frozen=True)
class Passed:
    """What a hub was like that this host left: `layout` problems after the stop, messages `left` at the end."""

    failures: Failures
    layout: list[str]
    left: list[str]


def crash(play: Play) -> None:
    """Kill this host and start it again. It has taken all that the killed one held when this returns."""
    play.ours.kill()
    killed = time.monotonic()
    until(lambda: time.monotonic() > killed + VISIBILITY)
    play.serve(play.ours)
    until(lambda: not shows_messages(play.view.connection, play.view.hub))


def pass_on(play: Play, *, after_a_crash: bool = False) -> Passed:
    """Instances stand and this host serves: stop it, and let the official worker play to the end."""
    play.ours.stop()
    layout = problems(play.view, queued_messages(play.view.connection, play.view.hub), after_a_crash=after_a_crash)
    play.play_to(Curtain.OTHER)
    play.serve(play.theirs)
    play.play_to(None)
    play.theirs.stop()
    left = queued_messages(play.view.connection, play.view.hub).visible
    return Passed(play.failures, layout, [str(message) for message in left])


def take_over(play: Play, first: Side, second: Side) -> Failures:
    """Instances stand at `first`: `second` joins, both work, `first` stops, `second` plays to the end."""
    play.serve(first)
    play.begin(SCENARIOS)
    second.serve()
    until(lambda: list(play.view.owners().values()) == [2, 2])
    play.last_moment()
    first.stop()
    play.side = second
    play.play_to(None)
    return play.failures
