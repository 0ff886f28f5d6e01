"""Gates: a step begins when the previous one has settled for the extension, even if the code is further."""

import json
from contextlib import suppress
from datetime import timedelta
from pathlib import Path

import azure.durable_functions as df
import pytest
from engine_world import World, child_completed, completed, decided, failed, fired, raised

from durable_host.durable.engine.options import EngineOptions
from durable_host.durable.model.events import GenericEvent

MODES = ["live", "cold", "one_shot"]
pytestmark = pytest.mark.parametrize("mode", MODES)


def in_seconds(context, seconds):
    return context.create_timer(context.current_utc_datetime + timedelta(seconds=seconds))


def activity(context):
    return context.call_activity("Slow")


def retried(context):
    return context.call_activity_with_retry("Slow", df.RetryOptions(1000, 3))


def timer(context):
    return in_seconds(context, 60)


def child_of(context):
    return context.call_sub_orchestrator("child", None, "kid")


def event(context):
    return context.wait_for_external_event("E")


def any_of(context):
    return context.task_any([context.wait_for_external_event("E"), context.wait_for_external_event("F")])


def entity(context):
    return context.call_entity(df.EntityId("counter", "k"), "get")


def http(context):
    return context.call_http("GET", "http://localhost/")


def child(context):
    return 1


def answer_of_the_entity(world):
    sent = next(each for each in world.history() if each.event_name == "EventSent")
    return raised(json.loads(sent.input)["id"], {"result": "7"})


# The open member, what settles it, and how many numbers it takes.
MEMBERS = [
    (activity, lambda world: completed(0), 1),
    (activity, lambda world: failed(0), 1),
    (retried, lambda world: completed(0), 1),
    (timer, lambda world: fired(0), 1),
    (child_of, lambda world: child_completed(0), 1),
    (event, lambda world: raised("E"), 0),
    (any_of, lambda world: raised("F"), 0),
    (entity, answer_of_the_entity, 1),
    (http, lambda world: completed(0, {"statusCode": 200, "headers": {}, "content": ""}), 1),
]
OPEN_MEMBERS = pytest.mark.parametrize(("member", "settles", "numbers"), MEMBERS)


def world_of(orch, mode, **options):
    counter = {"counter": lambda context: None}
    return World({"orch": orch, "child": child}, entities=counter, mode=mode, options=EngineOptions(**options))


def held(world):
    return [found for found in world.diagnostics if found.code == "DH6161"]


def fan_out(member, end):
    def orch(context):
        try:
            yield context.task_all([member(context), context.call_activity("Fails")])
        except Exception:
            yield from end(context)

    return orch


def one_more_step(context):
    yield context.call_activity("X")


@OPEN_MEMBERS
def test_a_failed_task_all_holds_the_next_step_back_until_its_last_member_has_settled(mode, member, settles, numbers):
    world = world_of(fan_out(member, one_more_step), mode)
    world.deliver(world.start("orch"), time=0)
    assert decided(world.deliver(failed(numbers), time=1)) == []
    assert decided(world.deliver(raised("unrelated"), time=2)) == []
    assert decided(world.deliver(settles(world), time=60)) == [f"#{numbers + 1} X"]
    assert world.deliver(completed(numbers + 1), time=61).is_terminal
    assert len(held(world)) == 1


@OPEN_MEMBERS
def test_it_continues_in_the_same_episode_when_all_members_settle_in_one_batch(mode, member, settles, numbers):
    world = world_of(fan_out(member, one_more_step), mode)
    world.deliver(world.start("orch"), time=0)
    assert decided(world.deliver(failed(numbers), settles(world), time=60)) == [f"#{numbers + 1} X"]
    assert not held(world)


def returns(context):
    return
    yield


def raises(context):
    raise KeyError("given up")
    yield


def continues(context):
    if context.get_input() == 0:
        context.continue_as_new(1)
    return
    yield


@OPEN_MEMBERS
@pytest.mark.parametrize("end", [returns, raises, continues])
def test_an_end_of_the_code_waits_for_the_members_too(mode, member, settles, numbers, end):
    world = world_of(fan_out(member, end), mode)
    world.deliver(world.start("orch", 0), time=0)
    execution = world.state().execution_id
    outcome = world.deliver(failed(numbers), time=1)
    assert not outcome.is_terminal
    outcome = world.deliver(settles(world), time=60)
    assert outcome.is_terminal or world.state().execution_id != execution


@OPEN_MEMBERS
def test_without_gates_the_next_step_begins_at_once(mode, member, settles, numbers):
    world = world_of(fan_out(member, one_more_step), mode, keeps_gates=False)
    world.deliver(world.start("orch"), time=0)
    assert decided(world.deliver(failed(numbers), time=1)) == [f"#{numbers + 1} X"]
    assert not held(world)


def test_a_cancelled_timer_is_no_open_member(mode):
    def orch(context):
        deadline = timer(context)
        try:
            yield context.task_all([deadline, context.call_activity("Fails")])
        except Exception:
            deadline.cancel()
            yield context.call_activity("X")

    world = world_of(orch, mode)
    world.deliver(world.start("orch"), time=0)
    assert decided(world.deliver(failed(1), time=1)) == ["#2 X"]


def test_a_timer_that_is_cancelled_later_opens_its_gate(mode):
    def orch(context):
        deadline, other = timer(context), context.wait_for_external_event("E")
        yield context.task_any([other, in_seconds(context, 1)])
        try:
            yield context.task_all([deadline, context.call_activity("Fails")])
        except Exception:
            yield context.task_any([other, context.call_activity("X")])
            deadline.cancel()

    world = world_of(orch, mode)
    world.deliver(world.start("orch"), time=0)
    world.deliver(fired(0), time=1)
    assert decided(world.deliver(failed(2), time=2)) == []
    assert decided(world.deliver(raised("E"), time=3)) == ["#3 X"]


def window(context):
    """At most two at a time."""
    waiting = [context.call_activity("A", number) for number in range(5)]
    running, waiting = waiting[:2], waiting[2:]
    while running:
        done = yield context.task_any(running)
        running.remove(done)
        if waiting:
            running.append(waiting.pop(0))


def test_a_sliding_window_waits_for_the_newest_task(mode):
    world = world_of(window, mode)
    assert decided(world.deliver(world.start("orch"), time=0)) == ["#0 A", "#1 A"]
    assert decided(world.deliver(completed(0), time=1)) == ["#2 A"]
    assert decided(world.deliver(completed(1), time=2)) == []
    assert decided(world.deliver(completed(2), time=3)) == ["#3 A"]
    assert decided(world.deliver(completed(3), time=4)) == ["#4 A"]
    assert decided(world.deliver(completed(4), time=5)) == ["#5 Completed"]


def test_without_gates_a_sliding_window_is_always_full(mode):
    world = world_of(window, mode, keeps_gates=False)
    world.deliver(world.start("orch"), time=0)
    world.deliver(completed(0), time=1)
    assert decided(world.deliver(completed(1), time=2)) == ["#3 A"]


def verify_phone(context):
    """One deadline for all tries."""
    deadline = in_seconds(context, 90)
    for _ in range(3):
        code = context.wait_for_external_event("Code")
        winner = yield context.task_any([code, deadline])
        if winner == deadline:
            return "too late"
        if code.result == "right":
            deadline.cancel()
            return "verified"
    return "wrong"


def test_a_deadline_used_again_passes_unnoticed_until_the_next_event(mode):
    world = world_of(verify_phone, mode)
    world.deliver(world.start("orch"), time=0)
    world.deliver(raised("Code", "wrong"), time=10)
    assert not world.deliver(fired(0), time=90).is_terminal
    assert world.deliver(raised("Code", "right"), time=500).is_terminal
    assert world.result == "too late"


def test_a_deadline_that_passes_in_its_first_race_is_noticed(mode):
    world = world_of(verify_phone, mode)
    world.deliver(world.start("orch"), time=0)
    assert world.deliver(fired(0), time=90).is_terminal
    assert world.result == "too late"


def test_a_new_timer_for_each_race_is_noticed(mode):
    def orch(context):
        due = context.current_utc_datetime + timedelta(seconds=90)
        for _ in range(3):
            code, deadline = context.wait_for_external_event("Code"), context.create_timer(due)
            winner = yield context.task_any([code, deadline])
            if winner == deadline:
                return "too late"
            deadline.cancel()
        return "wrong"

    world = world_of(orch, mode)
    world.deliver(world.start("orch"), time=0)
    world.deliver(raised("Code", "wrong"), time=10)
    assert world.deliver(fired(1), time=90).is_terminal
    assert world.result == "too late"


def test_a_loop_of_task_any_continues_at_the_first_error(mode):
    def orch(context):
        tasks = [activity(context), context.call_activity("Fails"), event(context)]
        while tasks:
            done = yield context.task_any(tasks)
            tasks.remove(done)
            if isinstance(done.result, Exception):
                break
        yield context.call_activity("X")

    world = world_of(orch, mode)
    world.deliver(world.start("orch"), time=0)
    world.deliver(raised("E"), time=1)
    assert decided(world.deliver(failed(1), time=2)) == ["#2 X"]
    assert not held(world)


def test_a_task_all_in_a_task_any_waits_for_all_of_its_tasks(mode):
    def orch(context):
        both = context.task_all([context.call_activity("Slow"), context.call_activity("Fails")])
        with suppress(Exception):
            yield context.task_any([both, context.wait_for_external_event("E")])
        yield context.call_activity("X")

    world = world_of(orch, mode)
    world.deliver(world.start("orch"), time=0)
    assert decided(world.deliver(failed(1), time=1)) == []
    assert "A task_all in the task_any" in held(world)[0].text
    assert decided(world.deliver(raised("E"), time=2)) == ["#2 X"]


def test_signals_do_not_wait_for_each_other_but_for_the_gate_before_them(mode):
    def orch(context):
        try:
            yield context.task_all([activity(context), context.call_activity("Fails")])
        except Exception:
            for number in range(2):
                context.signal_entity(df.EntityId("counter", "k"), "add", number)

    world = world_of(orch, mode)
    world.deliver(world.start("orch"), time=0)
    assert decided(world.deliver(failed(1), time=1)) == []
    sent = ["#2 sent @counter@k", "#3 sent @counter@k", "#4 Completed"]
    assert decided(world.deliver(completed(0), time=2)) == sent


def test_an_event_in_another_case_opens_the_gate_but_not_the_wait(mode):
    def orch(context):
        yield context.wait_for_external_event("E")
        yield context.call_activity("X")

    world = world_of(orch, mode)
    world.deliver(world.start("orch"), time=0)
    assert decided(world.deliver(raised("e"), time=1)) == []
    assert decided(world.deliver(raised("E"), time=2)) == ["#0 X"]


# Histories that ran ahead


@OPEN_MEMBERS
def test_a_history_that_is_ahead_of_its_gates_continues(mode, member, settles, numbers):
    def steps(context):
        for name in "XYZ":
            yield context.call_activity(name)

    world = world_of(fan_out(member, steps), mode, keeps_gates=False)
    world.deliver(world.start("orch"), time=0)
    assert decided(world.deliver(failed(numbers), time=1)) == [f"#{numbers + 1} X"]
    world.drop()
    world.options = EngineOptions()
    assert decided(world.deliver(completed(numbers + 1), time=2)) == [f"#{numbers + 2} Y"]
    assert decided(world.deliver(completed(numbers + 2), time=3)) == [f"#{numbers + 3} Z"]
    world.deliver(completed(numbers + 3), time=4)
    world.deliver(settles(world), time=60)
    assert [each.event_name for each in world.history()][-2] == "ExecutionCompleted"
    assert not held(world)


def test_a_history_that_is_not_ahead_yet_keeps_the_gates_from_now_on(mode):
    world = world_of(fan_out(activity, one_more_step), mode, keeps_gates=False)
    world.deliver(world.start("orch"), time=0)
    world.drop()
    world.options = EngineOptions()
    assert decided(world.deliver(failed(1), time=1)) == []


def test_a_rewind_continues_what_the_extension_failed_as_non_deterministic(mode):
    def orch(context):
        with suppress(Exception):
            yield context.task_all([activity(context), context.call_activity("Fails")])
        yield context.call_activity("X")
        return (yield context.wait_for_external_event("E"))

    world = world_of(orch, mode, keeps_gates=False)
    world.deliver(world.start("orch"), time=0)
    world.deliver(failed(1), time=1)
    world.deliver(completed(2), time=2)
    world.history().append(GenericEvent(event_id=3, timestamp=world.now, reason="Rewound: ExecutionCompleted"))
    world.drop()
    world.options = EngineOptions()
    world.deliver(GenericEvent(data="again"), time=3)
    world.deliver(completed(0), raised("E", "done"), time=4)
    assert world.result == "done"


# What is said


def line_with(text):
    lines = Path(__file__).read_text().splitlines()
    return next(number for number, line in enumerate(lines, 1) if line.strip() == text)


def fails_and_goes_on(context):
    try:
        yield context.task_all([timer(context), activity(context), retried(context), context.call_activity("Fails")])
    except Exception:
        yield context.call_activity("X")  # held back


def test_a_step_that_is_held_back_is_said_with_place_reason_and_way_out(mode):
    world = world_of(fails_and_goes_on, mode)
    world.deliver(world.start("orch"), time=0)
    world.deliver(failed(3), time=1)
    [found] = held(world)
    assert (found.severity, found.instance_id, found.function) == ("warning", "inst1", "orch")
    assert (
        "decided its next step (the activity 'X'), but the step does not begin yet: it waits for the timer due at "
        in (found.text)
    )
    assert "2026-01-01T00:01:00Z, the activity 'Slow', the activity 'Slow'. The task_all" in found.text
    assert "failed at its first error, but the next step waits for all of its tasks." in found.text
    assert "yield context.task_any of the tasks, and again of those that are left" in found.text
    assert "with retries among the open tasks, Azure may mix up results" in found.text
    assert "Cancel timers that are no longer needed (timer.cancel())." in found.text
    assert "Azure waits just as long, and does not log it. DURABLE_HOST_GATES=lift" in found.text
    if mode != "one_shot":
        line = line_with('yield context.call_activity("X")  # held back')
        assert found.position == f"{__file__}:{line} in fails_and_goes_on"


def test_it_is_said_once_for_each_place_and_not_again_in_a_replay(mode):
    world = world_of(window, mode)
    world.deliver(world.start("orch"), time=0)
    world.deliver(completed(0), time=1)
    world.deliver(completed(1), time=2)
    world.drop()
    world.deliver(raised("unrelated"), time=3)
    [found] = held(world)
    assert "it waits for the activity 'A'. The task_any" in found.text
    assert (
        "ended with a task of an earlier step, but the next step waits for one of the tasks that are new" in found.text
    )
    assert "To limit parallel work, await groups with task_all" in found.text
    assert found.once == ("DH6161", "inst1", found.position or "")


def test_an_end_that_is_held_back_is_said_too(mode):
    world = world_of(verify_phone, mode)
    world.deliver(world.start("orch"), time=0)
    world.deliver(raised("Code", "wrong"), time=10)
    world.deliver(fired(0), time=90)
    [found] = held(world)
    assert "has returned, but the instance stays Running: it waits for the event 'Code'. The task_any" in found.text
    assert "Create a new timer with the same due time for each task_any" in found.text
    if mode != "one_shot":
        line = line_with("winner = yield context.task_any([code, deadline])")
        assert found.position == f"{__file__}:{line} in verify_phone"


def test_open_timers_behind_an_end_are_said_once(mode):
    def orch(context):
        reminder = context.wait_for_external_event("E")
        yield context.task_any([reminder, in_seconds(context, 10)])
        yield context.task_any([reminder, in_seconds(context, 60)])

    world = world_of(orch, mode)
    world.deliver(world.start("orch"), time=0)
    world.deliver(fired(0), time=10)
    world.deliver(raised("E"), time=11)
    assert [found.code for found in world.diagnostics] == ["DH6160"]


def test_a_part_of_a_long_timer_is_named(mode):
    def orch(context):
        deadline = in_seconds(context, 10 * 86_400)
        yield context.task_any([deadline, context.wait_for_external_event("E")])
        yield context.call_activity("X")

    world = world_of(orch, mode)
    world.deliver(world.start("orch"), time=0)
    world.deliver(fired(0), time=3 * 86_400)
    assert decided(world.deliver(raised("E"), time=4 * 86_400)) == []
    [found] = held(world)
    assert "it waits for the timer due at 2026-01-07T00:00:00Z. It is a part" in found.text
    assert "of a timer longer than six days, and each part is a step. Wait in a loop of timers" in found.text


def test_an_event_that_served_two_waits_is_named(mode):
    def orch(context):
        yield context.call_activity("A")
        yield context.wait_for_external_event("E")
        yield context.wait_for_external_event("E")
        yield context.call_activity("X")

    world = world_of(orch, mode)
    world.deliver(world.start("orch"), time=0)
    world.deliver(raised("E"), time=1)
    assert decided(world.deliver(completed(0), time=2)) == []
    [found] = held(world)
    assert "it waits for the event 'E'. The wait" in found.text
    assert "received an event that an earlier wait had already received" in found.text
    assert decided(world.deliver(raised("E"), time=3)) == ["#1 X"]


def test_requests_to_entities_that_were_held_back_get_the_time_at_which_they_begin(mode):
    def orch(context):
        try:
            yield context.task_all([activity(context), context.call_activity("Fails")])
        except Exception:
            return (yield entity(context))

    world = world_of(orch, mode)
    world.deliver(world.start("orch"), time=0)
    world.deliver(failed(1), time=1)
    assert decided(world.deliver(completed(0), time=2)) == ["#2 sent @counter@k"]
    assert json.loads(world.sent[-1].event.input)["Timestamp"] == "2026-01-01T00:00:02Z"
    world.deliver(answer_of_the_entity(world), time=3)
    assert world.result == 7
