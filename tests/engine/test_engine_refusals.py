"""Calls that cannot be made: the task fails with its number, or the instance fails, but nothing hangs."""

from datetime import timedelta

import azure.durable_functions as df
import pytest
from engine_world import World, child_failed, decided

from durable_host.durable.engine import diagnostic as codes
from durable_host.durable.engine.options import EngineOptions
from durable_host.durable.model.events import OrchestrationInstance, ParentInstance
from durable_host.durable.sdk.v1_actions import decode_action
from durable_host.durable.sdk.v1_answer import decode_answer

MODES = ["live", "cold", "one_shot"]


def caught(context, task):
    try:
        yield task
    except Exception as error:
        return str(error)


def run(world, **fields):
    world.messages.append(world.start("orch", **fields))
    world.play()
    return world


@pytest.mark.parametrize("mode", MODES)
def test_an_unknown_activity_fails_its_task(mode):
    def orch(context):
        text = yield from caught(context, context.call_activity("Nope", 1))
        return [text, (yield context.call_activity("a", 2))]

    world = run(World([orch], {"A": lambda value: value, "B": lambda value: value}, mode=mode))
    text = (
        "The function 'Nope' doesn't exist, is disabled, or is not an activity function. Additional info: The "
        "following are the known activity functions: 'A', 'B'."
    )
    assert world.result == [f"{text} \n ", 2]
    assert [each.code for each in world.diagnostics] == [codes.MISSING_FUNCTION]


@pytest.mark.parametrize("mode", MODES)
def test_an_unknown_activity_with_retries_stays_in_step_with_the_sdk(mode):
    def orch(context):
        yield from caught(context, context.call_activity_with_retry("Nope", df.RetryOptions(1000, 2), 1))
        return (yield context.call_activity("A", 2))

    assert run(World([orch], {"A": lambda value: value}, mode=mode)).result == 2


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(
    ("name", "child", "text"),
    [
        ("Nope", None, "The function 'Nope' doesn't exist, is disabled, or is not an orchestrator function."),
        ("orch", "INST1", "The instance ID of a sub-orchestration must be different than the instance ID of a parent"),
        ("orch", "Par", "The instance ID of a sub-orchestration must be different than the instance ID of a parent"),
        ("orch", "@a@b", "Orchestration instance ids must not start with @."),
        ("orch", "x" * 513, "Instance ID lengths must not exceed 512 characters."),
        ("orch", "/" * 257, "Instance ID lengths must not exceed 512 characters."),
    ],
)
def test_a_child_that_cannot_be_started_fails_its_task(mode, name, child, text):
    def orch(context):
        return (yield from caught(context, context.call_sub_orchestrator(name, 1, child)))

    world = World([orch], mode=mode)
    run(world, parent_instance=ParentInstance("P", OrchestrationInstance("par", "e" * 32), 0))
    world.messages.clear()
    assert world.result.startswith(text)


@pytest.mark.parametrize("mode", MODES)
def test_a_call_of_an_unknown_entity_fails_its_task(mode):
    def orch(context):
        return (yield from caught(context, context.call_entity(df.EntityId("nope", "k"), "get")))

    world = run(World([orch], entities={"counter": lambda context: None}, mode=mode))
    assert world.result == (
        "The function 'nope' doesn't exist, is disabled, or is not an entity function. Additional info: The following "
        "are the known entity functions: 'counter'."
    )


@pytest.mark.parametrize("mode", MODES)
def test_a_call_of_an_entity_whose_id_no_storage_holds_fails_its_task(mode):
    def orch(context):
        return (yield from caught(context, context.call_entity(df.EntityId("counter", "k" * 504), "get")))

    world = run(World([orch], entities={"counter": lambda context: None}, mode=mode))
    assert world.result == "Instance ID lengths must not exceed 512 characters."
    assert [each.code for each in world.diagnostics] == [codes.BAD_INSTANCE_ID]


def test_a_signal_to_an_entity_whose_id_no_storage_holds_fails_the_instance():
    def orch(context):
        context.signal_entity(df.EntityId("counter", "k" * 504), "add", 1)
        yield context.call_activity("A")

    world = run(World([orch], entities={"counter": lambda context: None}))
    assert failure_of(world) == (
        "Orchestrator function 'orch' failed: Instance ID lengths must not exceed 512 characters."
    )


def failure_of(world):
    event = next(event for event in world.history() if event.event_name == "ExecutionCompleted")
    assert event.orchestration_status.name == "Failed"
    return event.result


@pytest.mark.parametrize("mode", MODES)
def test_a_signal_to_an_unknown_entity_fails_the_instance(mode):
    def orch(context):
        context.signal_entity(df.EntityId("nope", "k"), "add", 1)
        yield context.call_activity("A")

    world = run(World([orch], mode=mode))
    assert failure_of(world).startswith("Orchestrator function 'orch' failed: The function 'nope' doesn't exist")


def test_an_orchestrator_that_was_removed_fails_its_instances():
    world = World([])
    world.deliver(world.start("Gone"))
    assert failure_of(world) == (
        "Orchestrator function 'Gone' failed: The function 'Gone' doesn't exist, is disabled, or is not an "
        "orchestrator function. Additional info: No orchestrator functions are currently registered!"
    )


def test_too_many_actions_fail_the_instance():
    def orch(context):
        yield context.task_all([context.call_activity("A") for _ in range(11)])

    world = World([orch], options=EngineOptions(max_orchestration_actions=10))
    world.deliver(world.start("orch"))
    assert failure_of(world) == (
        "Orchestrator function 'orch' failed: Maximum amount of orchestration actions (10) has been reached. This "
        "value can be configured in host.json file as MaxOrchestrationActions."
    )


def test_retry_intervals_beyond_the_longest_timer_fail_the_instance():
    def orch(context):
        yield context.call_activity_with_retry("A", df.RetryOptions(7 * 86_400_000, 3))

    world = World([orch])
    world.deliver(world.start("orch"))
    assert failure_of(world).endswith("supports a maximum of 6 days for time-based delays")


def test_activities_are_found_by_function_name_too():
    world = World([])
    code = type(world.code)(world.calls, orchestrators={}, activities={"Renamed": "fn"}, entities={})  # pyright: ignore[reportArgumentType]
    assert code.has_activity("RENAMED")
    assert code.has_activity("fn")
    assert code.activity_names() == ("Renamed",)


def test_an_action_of_an_unknown_kind_fails_the_instance():
    def orch(context):
        yield context.call_activity("A")

    world = World([orch])
    told = {"state": '{"isDone": false, "schemaVersion": 2, "actions": [[{"actionType": 99}]]}', "at": [1], "first": 0}

    async def strange(turn):
        return decode_answer(told)

    world.code.run_orchestrator = strange
    world.deliver(world.start("orch"))
    assert failure_of(world).endswith("Received an unexpected action type from the out-of-proc function: '$99'.")
    assert decode_action({"actionType": "createtimer", "fireAt": "2026-01-01T00:00:00.000000Z"}).fire_at == world.now


def test_http_calls_are_the_built_in_activity():
    def orch(context):
        yield context.call_http("POST", "https://example.com", {"a": 1}, {"h": "v"})

    world = World([orch], {})
    assert decided(world.deliver(world.start("orch"))) == ["#0 BuiltIn::HttpActivity"]
    assert world.sent[0].event.input == (
        '[{"method":"POST","uri":"https://example.com","content":"{\\"a\\": 1}","headers":{"h":"v"}}]'
    )


def test_the_timer_of_an_old_sdk_beyond_the_limit_fails_the_instance():
    def orch(context):
        context._maximum_short_timer_duration = None
        yield context.create_timer(context.current_utc_datetime + timedelta(days=30))

    world = World([orch])
    world.deliver(world.start("orch"))
    assert failure_of(world).endswith("supports a maximum of 6 days for time-based delays")


@pytest.mark.parametrize("mode", MODES)
def test_the_output_of_a_failure_made_by_the_host_ends_with_its_reason(mode):
    def orch(context):
        yield context.call_activity("Nope")

    world = run(World([orch], {"A": lambda value: value}, mode=mode))
    assert world.outcomes[-1].update.output == (
        "Orchestrator function 'orch' failed: The function 'Nope' doesn't exist, is disabled, or is not an activity "
        "function. Additional info: The following are the known activity functions: 'A'."
    )


def test_a_child_that_ended_without_a_reason_does_not_fail_with_none():
    def orch(context):
        yield context.call_sub_orchestrator("orch", instance_id="child")

    world = World([orch])
    world.deliver(world.start("orch"))
    outcome = world.deliver(child_failed(0, None))
    assert outcome.update.output == "Orchestrator function 'orch' failed: No reason was given."
