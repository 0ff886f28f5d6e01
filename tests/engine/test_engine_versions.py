"""Versions: which instances run here, and what happens to the others."""

import pytest
from engine_world import World, completed, decided

from durable_host.durable.engine.options import EngineOptions
from durable_host.durable.engine.versioning import compare_versions, version_matches


@pytest.mark.parametrize(
    ("left", "right", "expected"),
    [
        ("", "", 0), ("", "1.0", -1), ("1.0", "", 1), ("1.0", "1.0", 0), ("1.9", "1.10", -1), ("2.0", "1.10.5", 1),
        ("1.0", "1.0.0", -1), ("v2", "V10", 1), ("abc", "ABC", 0), ("1", "02", 1), ("1.2.3.4.5", "1.2", 1),
    ],
)  # fmt: skip
def test_order_of_versions(left, right, expected):
    assert compare_versions(left, right) == expected


@pytest.mark.parametrize(
    ("strategy", "default", "version", "expected"),
    [
        ("None", None, "9.0", True),
        ("Strict", "1.0", "1.0", True),
        ("Strict", "1.0", "1.0.0", False),
        ("Strict", None, "", True),
        ("CurrentOrOlder", "2.0", "1.0", True),
        ("CurrentOrOlder", "2.0", "", True),
        ("CurrentOrOlder", "2.0", "2.1", False),
        ("CurrentOrOlder", None, "2.0", False),
    ],
)
def test_strategies(strategy, default, version, expected):
    assert version_matches(version, EngineOptions(version_match=strategy, default_version=default)) is expected


def orch(context):
    yield context.call_activity("A")
    return context.version


def test_reject_leaves_the_instance_unchanged_and_logs_the_reason():
    world = World([orch], options=EngineOptions(default_version="1.0"))
    with pytest.raises(RuntimeError, match=r"version '2.0'.*defaultVersion is '1.0'.*CurrentOrOlder"):
        world.deliver(world.start("orch", version="2.0"))
    assert not world.answers


@pytest.mark.parametrize("mode", ["live", "cold"])
def test_fail_ends_the_instance_with_structured_details(mode):
    world = World([orch], options=EngineOptions(default_version="1.0", version_failure="Fail"), mode=mode)
    outcome = world.deliver(world.start("orch", version="2.0"))
    event = world.history()[-2]
    assert (event.orchestration_status.name, event.result) == ("Failed", None)
    assert (event.failure_details.error_type, event.failure_details.is_non_retriable) == ("VersionMismatch", True)
    assert outcome.update.output == "VersionMismatch: Orchestration version did not comply with Worker Versioning"
    assert not world.answers


def test_children_get_their_call_s_version_or_the_default():
    def parent(context):
        yield context.call_sub_orchestrator("orch")
        yield context.call_sub_orchestrator("orch", version="0.5")

    world = World([orch, parent], {"A": str}, options=EngineOptions(default_version="1.0"))
    world.messages.append(world.start("parent"))
    world.play()
    versions = [m.event.version for m in world.sent if m.event.event_name == "ExecutionStarted"]
    assert versions == ["1.0", "0.5"]


def test_without_a_version_there_is_none_but_for_activities():
    def parent(context):
        yield context.call_sub_orchestrator("orch")

    world = World([orch, parent], {"A": str})
    world.messages.append(world.start("parent", version=None))
    world.play()
    (child,) = [message.event for message in world.sent if message.event.event_name == "ExecutionStarted"]
    assert (child.version, child.parent_instance.version) == (None, None)
    created = next(one for one in world.history() if one.event_name == "SubOrchestrationInstanceCreated")
    assert created.version is None
    activity = next(message.event for message in world.sent if message.event.event_name == "TaskScheduled")
    assert activity.version == ""
    assert world.result is None


def test_the_code_sees_its_version():
    world = World([orch], options=EngineOptions(default_version="1.0"))
    assert decided(world.deliver(world.start("orch", version="1.0"))) == ["#0 A"]
    world.deliver(completed(0), time=1)
    assert world.result == "1.0"
