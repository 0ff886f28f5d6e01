"""Hands a hub from one host to the other while it has instances."""

import time
from collections.abc import Mapping
from dataclasses import dataclass

from host_process import until
from layout import problems, queued_messages, shows_messages
from scenario_run import Phase, ScenarioRun
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
    """What this host left behind: `layout` problems after its stop, and messages `left` at the end."""

    failures: Failures
    layout: list[str]
    left: list[str]


def crash(run: ScenarioRun) -> None:
    """Kill this host and start it again. It has taken all that the killed one held when this returns."""
    run.ours.kill()
    killed = time.monotonic()
    until(lambda: time.monotonic() > killed + VISIBILITY)
    run.serve(run.ours)
    until(lambda: not shows_messages(run.view.connection, run.view.hub))


def pass_on(run: ScenarioRun, *, after_a_crash: bool = False) -> Passed:
    """Stop this host, which serves the hub, and run the scenarios to their ends on the official worker."""
    run.ours.stop()
    layout = problems(run.view, queued_messages(run.view.connection, run.view.hub), after_a_crash=after_a_crash)
    run.run_until(Phase.OTHER)
    run.serve(run.theirs)
    run.run_until(None)
    run.theirs.stop()
    left = queued_messages(run.view.connection, run.view.hub).visible
    return Passed(run.failures, layout, [str(message) for message in left])


def receive(run: ScenarioRun) -> Failures:
    """Run the scenarios on the official worker, stop it, and run them to their ends on this host."""
    run.serve(run.theirs)
    run.begin(SCENARIOS)
    run.last_moment()
    run.theirs.stop()
    run.run_until(Phase.OTHER)
    run.serve(run.ours)
    run.run_until(None)
    return run.failures


def take_over(run: ScenarioRun, first: Side, second: Side) -> Failures:
    """Begin at `first`. `second` joins, both work, `first` stops, and the scenarios end at `second`."""
    run.serve(first)
    run.begin(SCENARIOS)
    second.serve()
    until(lambda: list(run.view.owners().values()) == [2, 2])
    run.last_moment()
    first.stop()
    run.side = second
    run.run_until(None)
    return run.failures
