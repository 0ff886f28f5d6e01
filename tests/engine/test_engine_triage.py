"""Which messages are processed, deferred or discarded."""

import azure.durable_functions as df
import pytest
from engine_world import SECOND, START, World, child_completed, completed, fired, raised
from msgspec.structs import replace

from durable_host.durable.engine.completion import repeated_answer
from durable_host.durable.engine.episode import start_episode
from durable_host.durable.engine.state import OrchestrationState
from durable_host.durable.engine.triage import classify, classify_start, conflict_reply
from durable_host.durable.model import identity
from durable_host.durable.model.events import ExecutionSuspended, OrchestrationInstance, ParentInstance
from durable_host.durable.model.messages import TaskMessage

EXECUTION = f"{1:032x}"
"""That of the first instance of a world."""


class Received:
    def __init__(self, event, *, execution: str | None = EXECUTION, sender="", count=1, instance="inst1"):
        self.message = TaskMessage(
            event=event,
            target=OrchestrationInstance(instance, execution),
            sender=OrchestrationInstance(sender, sender),
        )
        self.dequeue_count = count


def orch(context):
    yield context.call_activity("A")


def running():
    world = World([orch])
    world.deliver(world.start("orch"))
    return world.state()


EMPTY = OrchestrationState("inst1")
GUID = "4702cb47-3da5-5c85-bb9e-138a3635692a"


@pytest.mark.parametrize(
    ("received", "expected"),
    [
        (Received(completed(0)), "process"),
        (Received(completed(7)), "defer"),
        (Received(completed(7), count=5), "defer"),
        (Received(completed(7), count=6), "discard"),
        (Received(fired(3)), "defer"),
        (Received(child_completed(1)), "defer"),
        (Received(completed(0), execution="f" * 32), "defer"),
        (Received(completed(0), execution="f" * 32, count=6), "discard"),
        (Received(raised("E"), execution=None), "process"),
        (Received(raised("E"), execution="f" * 32), "discard"),
        (Received(raised(GUID), sender="@counter@k"), "defer"),
        (Received(raised(GUID), sender="@counter@k", count=6), "discard"),
        (Received(ExecutionSuspended()), "process"),
    ],
)
def test_delivery_to_a_running_instance(received, expected):
    assert classify(running(), received) == expected


@pytest.mark.parametrize(
    ("received", "starts", "expected"),
    [
        (Received(completed(0)), False, "defer"),
        (Received(completed(0), count=5), False, "defer"),
        (Received(completed(0), count=6), False, "discard"),
        (Received(completed(0)), True, "defer"),
        (Received(raised(GUID), sender="@counter@k"), True, "defer"),
        (Received(raised("E")), False, "discard"),
        (Received(raised("E")), True, "process"),
        (Received(ExecutionSuspended()), False, "discard"),
    ],
)
def test_delivery_to_an_instance_without_history(received, starts, expected):
    assert classify(EMPTY, received, starts=starts) == expected


def test_delivery_to_an_ended_instance():
    world = World([orch])
    world.deliver(world.start("orch"))
    world.deliver(completed(0), time=1)
    assert classify(world.state(), Received(raised("E"))) == "discard"


def test_answers_of_entities_wait_for_the_history_that_asked():
    def asks(context):
        yield context.call_entity(df.EntityId("counter", "k"), "get")

    world = World([asks], entities={"counter": lambda context: None})
    outcome = world.deliver(world.start("asks"))
    request = next(iter(world.state().calls.requests))
    assert request in outcome.new_events[2].input
    assert classify(world.state(), Received(raised(request), sender="@counter@k")) == "process"
    assert classify(world.state(), Received(raised(request.upper()), sender="@counter@k")) == "process"


def test_starts():
    world = World([orch])
    start = world.start("orch")
    world.deliver(start)
    other = world.start("orch")
    assert classify_start(EMPTY, start) == "start"
    assert classify_start(world.state(), start) == "duplicate"
    assert classify_start(world.state(), other) == "conflict"
    world.deliver(completed(0), time=1)
    assert classify_start(world.state(), other) == "start"


def test_a_child_started_twice_by_one_call_is_a_duplicate_even_when_it_has_ended():
    parent = ParentInstance("P", OrchestrationInstance("p", "e" * 32), 4)
    world = World([orch])
    world.deliver(world.start("orch", parent_instance=parent))
    again = world.start("orch", parent_instance=parent)
    assert classify_start(world.state(), again) == "duplicate"
    world.deliver(completed(0), time=1)
    assert classify_start(world.state(), again) == "duplicate"


def child_start(world, *, input="first", seconds=0, id=None, episode=1):
    parent = ParentInstance("P", OrchestrationInstance("p", "e" * 32), 4)
    world.now = START + seconds * SECOND
    return replace(world.start("orch", input, parent_instance=parent), id=id, episode=episode)


@pytest.mark.parametrize("has_ended", [False, True])
def test_a_child_that_an_uncommitted_call_began_gives_way_to_what_its_parent_decided_at_last(has_ended):
    world = World([orch])
    world.deliver(child_start(world))
    if has_ended:
        world.deliver(completed(0))
    assert classify_start(world.state(), child_start(world, seconds=1)) == "duplicate"
    assert classify_start(world.state(), child_start(world, input="otherwise", seconds=1)) == "start"
    assert classify_start(world.state(), child_start(world, input="otherwise", seconds=0)) == "duplicate"
    assert classify_start(world.state(), child_start(world, seconds=1, id=identity.execution_of("x"))) == "duplicate"


def test_a_child_that_its_rewound_parent_calls_again_begins_again():
    world = World([orch])
    sender = OrchestrationInstance("p", "e" * 32)
    ids = [identity.decided(sender, episode, "SubOrchestrationInstanceCreated", 4) for episode in (1, 2)]
    world.deliver(child_start(world, id=ids[0]))
    world.deliver(completed(0))
    assert classify_start(world.state(), child_start(world, seconds=1, id=ids[1], episode=2)) == "start"


def test_a_child_that_has_ended_answers_a_second_call_with_its_end():
    world = World([orch])
    first = child_start(world)
    world.deliver(first)
    assert repeated_answer(world.state(), child_start(world)) is None
    outcome = world.deliver(completed(0))
    second = child_start(world, id=GUID)
    again = repeated_answer(world.state(), second)
    assert again == replace(outcome.outbound[-1], id=identity.answer_to(GUID))
    assert again.id != outcome.outbound[-1].id
    assert repeated_answer(world.state(), first) is None


def test_a_child_id_in_use_fails_the_call():
    world = World([orch])
    world.deliver(world.start("orch"))
    parent = ParentInstance("P", OrchestrationInstance("p", "e" * 32), 4)
    reply = conflict_reply(world.state(), world.start("orch", parent_instance=parent), now=START)
    assert reply.target == parent.orchestration_instance
    assert (reply.event.task_scheduled_id, reply.event.reason) == (
        4,
        "An Orchestration instance with the status Running already exists.",
    )
    assert conflict_reply(world.state(), world.start("orch"), now=START) is None


def test_messages_that_do_not_belong_are_dropped_from_the_batch():
    world = World([orch])
    start = world.start("orch")
    second = world.start("orch")
    stale = replace(start, event=completed(0), target=OrchestrationInstance("inst1", "f" * 32))
    late = TaskMessage(event=raised("E"), target=OrchestrationInstance("inst1"))
    state = world.state()
    begun = start_episode(state, [late, start, stale, second], now=START)
    assert (begun.dropped, begun.is_idle) == ([2, 3], False)
    assert [event.event_name for event in state.history] == ["OrchestratorStarted", "ExecutionStarted", "EventRaised"]
    assert begun.turn.new_from == 0


def test_a_batch_without_a_start_for_an_unknown_instance_does_nothing():
    world = World([orch])
    outcome = world.deliver(raised("E"))
    assert (list(outcome.new_events), outcome.row_changed) == ([], False)
    assert world.state().history == []
