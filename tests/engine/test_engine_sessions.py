"""Live sessions: what is sent, what is kept, and fallbacks to a full replay."""

import json

from engine_world import World, completed, raised

from durable_host.worker.orchestrations_v1 import OrchestrationSessions
from durable_host.worker.places import position_of


def chain(context):
    total = 0
    for number in range(300):
        total += yield context.call_activity("A", number)
    return total


def test_a_chain_sends_only_what_is_new():
    world = World([chain])
    world.deliver(world.start("chain"))
    for number in range(300):
        world.deliver(completed(number, 1), time=number)
    assert world.result == 300
    sizes = [len(json.dumps(request)) for request in world.calls.requests[1:]]
    assert max(sizes) < min(sizes) + 40
    assert all(len(request["events"]) == 2 for request in world.calls.requests[1:])
    assert all(len(answer.steps) <= 1 for answer in world.answers)


def waits(context):
    first = yield context.wait_for_external_event("E")
    second = yield context.wait_for_external_event("E")
    return [first, second]


def test_a_worker_that_lost_its_session_gets_all_of_history():
    world = World([waits])
    world.deliver(world.start("waits"))
    world.calls.sessions.forget(world.calls.requests[0]["key"])
    world.deliver(raised("E", 1), time=1)
    world.calls.sessions = OrchestrationSessions()
    world.deliver(raised("E", 2), time=2)
    assert world.result == [1, 2]
    assert ["payload" in request for request in world.calls.requests] == [True, False, True, False, True]


def test_a_reloaded_state_never_uses_the_old_session():
    world = World([waits])
    world.deliver(world.start("waits"))
    world.deliver(raised("E", 1), time=1)
    lost = world.committed["inst1"][:3]
    world.committed["inst1"] = lost
    world.states.clear()
    world.deliver(raised("E", "again"), time=2)
    world.deliver(raised("E", 2), time=3)
    assert world.result == ["again", 2]


def test_sessions_beyond_the_limit_go_and_ended_ones_are_not_kept():
    world = World([waits])
    world.calls.sessions = OrchestrationSessions(limit=2)
    for name in "abc":
        world.deliver(world.start("waits", instance_id=name), instance_id=name)
    assert len(world.calls.sessions) == 2
    for name in "cba":
        world.deliver(raised("E", 1), raised("E", 2), instance_id=name, time=1)
    assert len(world.calls.sessions) == 0
    assert [event.event_name for event in world.history("a")][-2] == "ExecutionCompleted"


def test_forgetting_an_execution_drops_both_ends():
    world = World([waits])
    world.deliver(world.start("waits"))
    world.drop()
    assert len(world.calls.sessions) == 0
    world.deliver(raised("E", 1), time=1)
    assert "payload" in world.calls.requests[-1]


def test_an_error_in_a_live_session_is_the_same_as_in_a_full_replay():
    def orch(context):
        yield context.call_activity("A")
        yield 5

    world = World([orch])
    world.deliver(world.start("orch"))
    world.deliver(completed(0), time=1)
    assert world.history()[-2].result == (
        "Orchestrator function 'orch' failed: AttributeError: 'int' object has no attribute '_is_scheduled'"
    )


def test_the_position_is_that_of_the_innermost_generator():
    def inner():
        yield 1

    def outer():
        yield from inner()

    generator = outer()
    assert position_of(None) is None
    next(generator)
    assert position_of(generator).endswith(" in inner")


def test_code_that_keeps_the_answer_to_is_replaying_is_run_afresh_in_each_episode():
    seen = []

    def orch(context):
        seen.append(("start", context.is_replaying))
        yield context.call_activity("A")
        seen.append(("A", context.is_replaying))
        yield context.call_activity("B")
        seen.append(("B", context.is_replaying))

    for mode in ("live", "cold"):
        seen.clear()
        world = World([orch], mode=mode)
        world.deliver(world.start("orch"))
        world.deliver(completed(0), time=1)
        world.deliver(completed(1), time=2)
        fresh = [name for name, replaying in seen if not replaying]
        assert fresh == ["start", "A", "B"]
        assert len(seen) == 6


def test_a_question_that_only_guards_a_log_line_leaves_the_session_alive():
    def orch(context):
        for number in range(3):
            if not context.is_replaying:
                print("step", number)
            yield context.call_activity("A", number)

    world = World([orch])
    world.deliver(world.start("orch"))
    for number in range(3):
        world.deliver(completed(number), time=number)
    assert len([request for request in world.calls.requests if "payload" in request]) == 1
    assert world.names()[-2] == "ExecutionCompleted"
