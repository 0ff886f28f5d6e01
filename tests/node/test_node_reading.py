"""Replays of Node.js orchestrators for the dashboard: waits for events, and where the code stands."""

import asyncio
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
from engine_world import completed, raised
from node_apps import write_node_app
from node_durable_world import NodeApp, NodeCalls, NodeWorld
from npm_packages import NpmPackages

from durable_host.config.durable import DurableOptions
from durable_host.dashboard.code_reader import CodeReader
from durable_host.dashboard.views.code_trace import CodeTrace
from durable_host.dashboard.views.event_matching import matching_of
from durable_host.dashboard.views.steps import steps_of
from durable_host.durable.model.events import HistoryEvent
from durable_host.durable.user_code import UserCode

CODE = """
const df = require('durable-functions');

df.app.activity('notify', { handler: () => 'notified' });

df.app.orchestration('approval', function* (context) {
  yield context.df.callActivity('notify', 1);
  const decision = yield context.df.waitForExternalEvent('Approval');
  if (decision === 'raise') {
    throw new Error('a wrong decision');
  }
  return decision;
});
"""


class Source(msgspec.Struct):
    """As much of a hub's source as the reader needs."""

    code: UserCode
    options: DurableOptions = DurableOptions(
        max_concurrent_activity_functions=1,
        max_concurrent_orchestrator_functions=1,
        max_concurrent_entity_functions=1,
    )


class Readable(NodeCalls):
    def unlogged(self) -> NodeCalls:
        return self


@pytest.fixture(scope="module")
def app(npm_packages: NpmPackages, tmp_path_factory: pytest.TempPathFactory) -> Iterator[NodeApp]:
    root = write_node_app(tmp_path_factory.mktemp("app"), {"src/functions/approval.js": CODE}, npm_packages)
    node = NodeApp(root, npm_packages.version("durable-functions", "newest"))
    yield node
    node.close()


@pytest.fixture
def world(app: NodeApp) -> NodeWorld:
    world = NodeWorld(app)
    world.calls = world.code._calls = Readable(app)  # type: ignore[assignment]
    world.deliver(world.start("approval"), time=0)
    return world


def traced(world: NodeWorld) -> CodeTrace:
    source: Any = Source(world.code)
    trace = asyncio.run(CodeReader().trace(source, "inst1", history(world)))
    assert trace is not None
    return trace


def history(world: NodeWorld) -> list[HistoryEvent]:
    return list(world.committed["inst1"])


def test_the_position_is_a_line_of_the_app(world: NodeWorld) -> None:
    world.deliver(completed(0, "notified"), time=1)
    events, trace = history(world), traced(world)
    assert trace.position is not None
    line = next(number for number, text in enumerate(CODE.splitlines(), 1) if "waitForExternalEvent" in text)
    assert f"approval.js:{line}" in trace.position
    (wait,) = matching_of(events, steps_of(events).external, trace).open
    assert (wait.name, wait.place) == ("Approval", trace.position)


def test_the_live_session_continues_after_a_replay(world: NodeWorld) -> None:
    world.deliver(completed(0, "notified"), time=1)
    traced(world)
    requests = world.calls.requests
    before = len(requests)
    world.deliver(raised("Approval", "yes"), time=2)
    assert world.result == "yes"
    assert all("payload" not in request for request in requests[before:])


def test_a_replay_shows_the_error_that_ended_the_code(world: NodeWorld) -> None:
    world.deliver(completed(0, "notified"), time=1)
    world.deliver(raised("Approval", "raise"), time=2)
    trace = traced(world)
    assert trace.raised is not None
    assert "a wrong decision" in trace.raised.message
    assert trace.ended is not None
