"""Random programs with messages in random order: engine and SDK together against a direct evaluation."""

import json
import random

from engine_programs import Work, event_names, fits, interpreter, programs, without_child_events
from engine_world import World, raised
from examples import examples
from hypothesis import assume, given, note
from hypothesis import strategies as st

from durable_host.durable.engine.options import EngineOptions
from durable_host.durable.model.status import OrchestrationStatus

SEEDS = st.integers(0, 2**32)


def played(program, seed, mode, *, window=None, drops=False):
    world = World([interpreter], {"work": Work()}, mode=mode, options=EngineOptions(activity_window=window))
    world.messages.append(world.start("interpreter", program))
    if drops:
        chance, state = random.Random(seed), world.state
        world.state = lambda instance_id="inst1": (
            world.drop(instance_id) if chance.random() < 0.3 else None,
            state(instance_id),
        )[1]
    events = [raised(name, f"data of {name}") for name in event_names(program)]
    world.play(seed=seed, raise_events=events)
    return world


def outcome_of(world):
    completion = next((e for e in world.history() if e.event_name == "ExecutionCompleted"), None)
    assert completion is not None, world.names()
    if completion.orchestration_status is OrchestrationStatus.Failed:
        assert "Non-Deterministic" not in completion.result, completion.result
        # A defect of the SDK, the same in Azure: a task_all inside another compound that fails and later completes.
        assume("This most likely means that Task" not in completion.result)
        assert "attempt" in completion.result, completion.result
        return "error"
    return json.loads(completion.result)


@examples(120)
@given(programs(), SEEDS)
def test_results_equal_a_direct_evaluation(program, seed):
    assume(without_child_events(program))
    world = played(program, seed, "live")
    result = outcome_of(world)
    note(f"{result} from {world.names()}")
    assert fits(program, result)
    assert not [request for request in world.calls.requests if "payload" in request and request["until"] > 6]


@examples(80)
@given(programs(), SEEDS)
def test_live_sessions_and_full_replays_give_the_same_history(program, seed):
    assume(without_child_events(program))
    live = played(program, seed, "live")
    assert played(program, seed, "cold").committed == live.committed
    assert played(program, seed, "one_shot").committed == live.committed


@examples(50)
@given(programs(), SEEDS)
def test_sessions_lost_at_random_change_nothing(program, seed):
    assume(without_child_events(program))
    assert played(program, seed, "live", drops=True).committed == played(program, seed, "live").committed


@examples(50)
@given(programs(), SEEDS, st.integers(1, 3), st.sampled_from(["live", "cold"]))
def test_a_window_of_activities_keeps_the_results(program, seed, window, mode):
    assume(without_child_events(program))
    world = played(program, seed, mode, window=window)
    assert fits(program, outcome_of(world))
