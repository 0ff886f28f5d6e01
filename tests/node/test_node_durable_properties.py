"""Random programs in JavaScript under random arrival orders: sessions, full replays and a direct evaluation agree."""

import itertools
import json
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from engine_programs import event_names, fits, programs, without_child_events
from engine_world import raised
from examples import examples
from hypothesis import assume, given, note
from hypothesis import strategies as st
from node_apps import write_node_app
from node_durable_world import NodeApp, NodeWorld
from npm_packages import NpmPackages

from durable_host.durable.model.status import OrchestrationStatus

pytestmark = pytest.mark.process

SEEDS = st.integers(0, 2**32)
INTERPRETER = Path(__file__).with_name("interpreter.js")
_keys = itertools.count()


@pytest.fixture(scope="module", params=["newest", "oldest"])
def app(
    request: pytest.FixtureRequest, npm_packages: NpmPackages, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[NodeApp]:
    """The interpreter with the newest package, and with an old one."""
    kind: str = request.param
    files = {"src/functions/interpreter.js": INTERPRETER.read_text("utf-8")}
    root = write_node_app(tmp_path_factory.mktemp("app"), files, npm_packages, kind=kind)
    node = NodeApp(root, npm_packages.version("durable-functions", kind))
    yield node
    node.close()


def played(app: NodeApp, program: Any, seed: int, mode: str, *, drops: bool = False) -> NodeWorld:
    world = NodeWorld(app, mode=mode)
    world.messages.append(world.start("interpreter", {"key": f"{next(_keys)}".zfill(8), "program": program}))
    if drops:
        chance, state = random.Random(seed), world.state

        def dropping(instance_id: str = "inst1") -> Any:
            if chance.random() < 0.3:
                world.drop(instance_id)
            return state(instance_id)

        world.state = dropping
    world.play(seed=seed, raise_events=[raised(name, f"data of {name}") for name in event_names(program)])
    return world


def outcome_of(world: NodeWorld) -> Any:
    completion = next((event for event in world.history() if event.event_name == "ExecutionCompleted"), None)
    assert completion is not None, world.names()
    if completion.orchestration_status is OrchestrationStatus.Failed:
        assert "Non-Deterministic" not in completion.result, completion.result
        assert "attempt" in completion.result, completion.result
        return "error"
    return json.loads(completion.result)


def shape(world: NodeWorld) -> list[Any]:
    """What every run of a program has in common: inputs hold a key of their own."""
    return [
        (event.event_name, event.event_id, event.timestamp, getattr(event, "task_scheduled_id", None))
        for instance in sorted(world.committed)
        for event in world.committed[instance]
    ]


@examples(80)
@given(program=programs(), seed=SEEDS)
def test_results_of_javascript_equal_a_direct_evaluation(app: NodeApp, program: Any, seed: int) -> None:
    assume(without_child_events(program))
    assume(app.version.startswith("3.5") or not event_names(program))
    world = played(app, program, seed, "live")
    result = outcome_of(world)
    note(f"{result} from {world.names()}")
    assert fits(program, result)
    assert not [request for request in world.calls.requests if "payload" in request and request["until"] > 6]


@examples(60)
@given(program=programs(), seed=SEEDS)
def test_sessions_of_javascript_equal_full_replays(app: NodeApp, program: Any, seed: int) -> None:
    assume(without_child_events(program))
    live = played(app, program, seed, "live")
    assert shape(played(app, program, seed, "cold")) == shape(live)


@examples(40)
@given(program=programs(), seed=SEEDS)
def test_lost_sessions_of_javascript_change_nothing(app: NodeApp, program: Any, seed: int) -> None:
    assume(without_child_events(program))
    assert shape(played(app, program, seed, "live", drops=True)) == shape(played(app, program, seed, "live"))
