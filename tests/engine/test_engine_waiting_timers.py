"""Code that has ended while timers are open: the instance stays Running, with a warning."""

from datetime import timedelta

import pytest
from engine_world import World, completed, fired

from durable_host.durable.engine import diagnostic as codes

MODES = ["live", "cold", "one_shot"]


def race(context):
    timer = context.create_timer(context.current_utc_datetime + timedelta(hours=1))
    work = context.call_activity("A", 1)
    yield context.task_any([timer, work])
    return timer


def forgets(context):
    yield from race(context)
    return "done"


def raises(context):
    yield from race(context)
    raise KeyError("wrong_key")


def continues(context):
    yield from race(context)
    context.continue_as_new(1)


def cancels(context):
    timer = yield from race(context)
    timer.cancel()
    return "done"


def several(context):
    timers = [context.create_timer(context.current_utc_datetime + timedelta(hours=hour)) for hour in range(1, 8)]
    yield context.task_any([*timers, context.call_activity("A", 1)])
    return "done"


def said(world: World) -> list[str]:
    return [one.text for one in world.diagnostics if one.code == codes.WAITS_FOR_TIMERS]


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(
    ("orchestrator", "what"),
    [
        (forgets, "has returned, but the instance stays Running"),
        (raises, "has raised an error (KeyError: 'wrong_key'), but the instance stays Running"),
        (continues, "has continued as new, but the next generation does not begin"),
    ],
)
def test_timers_behind_code_that_has_ended_are_named_once(mode, orchestrator, what):
    name = orchestrator.__name__
    world = World([orchestrator], mode=mode)
    world.deliver(world.start(name))
    outcome = world.deliver(completed(1), time=1)
    assert not outcome.is_terminal
    text = (
        f"The code of '{name}' {what} until its open timer has fired: timer 0 at "
        "2026-01-01T01:00:00Z. Cancelling a timer that is no longer needed (`timer.cancel()`, before the code ends) "
        "ends the wait; that has no effect on a timer that was created for more than six days."
    )
    assert said(world) == [text]
    world.deliver(completed(1), time=2)
    world.drop()
    world.deliver(completed(1), time=3)
    assert said(world) == [text]


@pytest.mark.parametrize("mode", MODES)
def test_a_timer_that_was_cancelled_or_has_fired_is_no_reason(mode):
    world = World([cancels], mode=mode)
    world.deliver(world.start("cancels"))
    assert world.deliver(completed(1), time=1).is_terminal
    assert said(world) == []
    world = World([forgets], mode=mode)
    world.deliver(world.start("forgets"))
    world.deliver(fired(0), time=3600)
    assert said(world) == []


def test_of_many_timers_the_first_and_the_last_are_named():
    world = World([several])
    world.deliver(world.start("several"))
    world.deliver(completed(7), time=1)
    assert "timers have fired: timer 0 at 2026-01-01T01:00:00Z, timer 1 at " in said(world)[0]
    assert "timer 4 at 2026-01-01T05:00:00Z and 2 more, the last one at 2026-01-01T07:00:00Z." in said(world)[0]


def test_of_a_long_timer_cancelling_is_not_advised():
    def long(context):
        timer = context.create_timer(context.current_utc_datetime + timedelta(days=14))
        yield context.task_any([timer, context.call_activity("A", 1)])
        timer.cancel()

    world = World([long])
    world.deliver(world.start("long"))
    world.deliver(completed(1), time=1)
    assert said(world)[0].endswith("timer 0 at 2026-01-04T00:00:00Z. DH6144 says why cancelling did not end the wait.")


def test_cancelling_is_never_advised_without_saying_that_long_timers_stay():
    def long(context):
        timer = context.create_timer(context.current_utc_datetime + timedelta(days=14))
        yield context.task_any([timer, context.call_activity("A", 1)])
        timer.cancel()
        yield context.call_activity("A", 2)

    world = World([long])
    world.deliver(world.start("long"))
    world.deliver(completed(1), time=1)
    world.deliver(completed(2), time=2)
    assert said(world)[0].endswith("no effect on a timer that was created for more than six days.")
