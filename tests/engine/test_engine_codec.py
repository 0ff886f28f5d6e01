"""The host's side of the 1.x protocol: payload, actions, answers, inputs, entity batches."""

import json

import msgspec
import pytest
from engine_world import SECOND, START, World, completed, run_now

from durable_host.durable.engine.activity_results import activity_result, missing_activity_result
from durable_host.durable.engine.episode_start import turn_of
from durable_host.durable.engine.inputs import activity_trigger_text, json_string, stored_activity_input
from durable_host.durable.model import events
from durable_host.durable.model.actions import (
    CallActivity,
    CallEntity,
    CallHttp,
    CallSubOrchestrator,
    ContinueAsNewAction,
    CreateTimer,
    RetryPolicy,
    SignalEntity,
    WaitForExternalEvent,
    WhenAll,
    WhenAny,
)
from durable_host.durable.model.events import EVENT_CLASSES, OrchestrationInstance, TaskScheduled
from durable_host.durable.model.messages import TaskMessage
from durable_host.durable.sdk.v1 import V1UserCode
from durable_host.durable.sdk.v1_actions import BadAnswer, decode_action, decode_actions
from durable_host.durable.sdk.v1_activities import stored_result
from durable_host.durable.sdk.v1_answer import decode_answer
from durable_host.durable.sdk.v1_entities import BadEntityAnswer, decode_entity_answer, entity_payload
from durable_host.durable.sdk.v1_history import event_json
from durable_host.durable.sdk.v1_payload import input_json, payload_text
from durable_host.durable.user_code import ActivityOutcome, EntityBatch, EntityOperation, WorkItemAborted
from durable_host.invocation.errors import FunctionFailed, FunctionTimedOut, WorkerLost


def orch(context):
    yield context.call_activity("Hello", context.get_input())


def test_the_worked_payload_of_the_protocol():
    world = World([orch])
    start = world.start("orch", {"a": 1})
    world.deliver(start, time=0)
    world.state().append(events.OrchestratorStarted(timestamp=START + SECOND))
    world.state().append(completed(0, "Hello Tokyo"))
    told = json.loads(payload_text(turn_of(world.state())))
    history = told.pop("history")
    assert told == {
        "input": '{"a": 1}', "instanceId": "inst1", "isReplaying": True, "parentInstanceId": None,
        "sourceInstanceId": None,
        "upperSchemaVersion": 1, "upperSchemaVersionNew": 3, "longRunningTimerIntervalDuration": "3.00:00:00",
        "maximumShortTimerDuration": "6.00:00:00", "defaultHttpAsyncRequestSleepTimeMillseconds": 30000,
    }  # fmt: skip
    assert history[1] == {
        "EventType": 0, "EventId": -1, "IsPlayed": True, "Timestamp": "2026-01-01T00:00:00Z",
        "OrchestrationInstance": {"InstanceId": "inst1", "ExecutionId": start.target.execution_id},
        "ParentInstance": None, "Name": "orch", "Version": "", "Input": '"{\\"a\\": 1}"', "Tags": None,
        "Correlation": None, "ParentTraceContext": None, "ScheduledStartTime": None, "Generation": None,
        "GenerateNewTrace": False,
    }  # fmt: skip
    assert [event["EventType"] for event in history] == [12, 0, 4, 13, 12, 5]
    assert history[5] == {
        "EventType": 5, "EventId": -1, "IsPlayed": False, "Timestamp": "2026-01-01T00:00:00Z", "TaskScheduledId": 0,
        "Result": '"Hello Tokyo"',
    }  # fmt: skip


REQUIRED = {
    events.ExecutionStarted: {"orchestration_instance": OrchestrationInstance("i", "e")},
    events.TaskCompleted: {"task_scheduled_id": 1},
    events.TaskFailed: {"task_scheduled_id": 1},
    events.SubOrchestrationInstanceCompleted: {"task_scheduled_id": 1},
    events.SubOrchestrationInstanceFailed: {"task_scheduled_id": 1},
    events.TimerCreated: {"fire_at": START},
    events.TimerFired: {"timer_id": 1, "fire_at": START},
}


@pytest.mark.parametrize("cls", EVENT_CLASSES)
def test_every_event_is_encoded_with_all_its_keys(cls):
    event = cls(timestamp=START, **REQUIRED.get(cls, {}))
    told = event_json(event)
    assert told["EventType"] == cls.event_type
    assert len(told) == 4 + len(set(cls.__struct_fields__) - {"event_id", "is_played", "timestamp", "recurse"}) - (
        "reason" in cls.__struct_fields__ and cls is events.GenericEvent
    )
    json.dumps(told)


@pytest.mark.parametrize(
    ("stored", "parsed"),
    [
        (None, None), ("null", None), ('"{\\"a\\": 1}"', '{"a": 1}'), ('{"a": 1}', {"a": 1}), ("5", 5), ('"hi"', "hi"),
        ("no json", "no json"), ("[NaN]", [float("nan")]), ("", ""),
    ],
)  # fmt: skip
def test_inputs_are_parsed_once(stored, parsed):
    value = input_json(stored)
    text = bytes(value).decode() if isinstance(value, msgspec.Raw) else json.dumps(value)
    assert str(json.loads(text)) == str(parsed)


ACTIONS = [
    ('{"actionType": 0, "functionName": "Hello", "input": "{}"}', CallActivity("Hello", '"{}"')),
    (
        '{"actionType": 1, "functionName": "F", "input": "1", "retryOptions": {"firstRetryIntervalInMilliseconds": 0.5,'
        ' "maxNumberOfAttempts": 3, "backoffCoefficient": 2, "maxRetryIntervalInMilliseconds": 10,'
        ' "retryTimeoutInMilliseconds": 20}}',
        CallActivity("F", '"1"', RetryPolicy(5_000, 3, 2.0, 100_000, 200_000)),
    ),
    (
        '{"actionType": 2, "functionName": "Child", "input": "1", "instanceId": "fixed-id", "version": "2.0"}',
        CallSubOrchestrator("Child", '"1"', "fixed-id", "2.0"),
    ),
    ('{"actionType": 4, "input": "1"}', ContinueAsNewAction('"1"')),
    (
        '{"actionType": 5, "fireAt": "2026-01-01T00:00:01.500000Z", "isCanceled": true}',
        CreateTimer(START + 15_000_000, is_canceled=True),
    ),
    ('{"actionType": 6, "externalEventName": "E", "reason": "ExternalEvent"}', WaitForExternalEvent("E")),
    (
        '{"actionType": 7, "instanceId": "@c@k", "operation": "get", "input": "null"}',
        CallEntity("@c@k", "get", '"null"'),
    ),
    ('{"actionType": 8, "httpRequest": {"uri": "u", "content": null}}', CallHttp('{"uri":"u","content":null}')),
    ('{"actionType": 9, "instanceId": "@c@k", "operation": "add", "input": "1"}', SignalEntity("@c@k", "add", '"1"')),
    (
        '{"actionType": 10, "instanceId": "@c@k", "operation": "add", "input": "1", "fireAt": "2026-01-01T00:00:00Z"}',
        SignalEntity("@c@k", "add", '"1"', START),
    ),
    (
        '{"actionType": "WhenAny", "compoundActions": [{"actionType": 12, "compoundActions": [{"actionType": 4}]}]}',
        WhenAny((WhenAll((ContinueAsNewAction(None),)),)),
    ),
]


@pytest.mark.parametrize(("text", "action"), ACTIONS)
def test_actions_are_decoded(text, action):
    assert decode_action(json.loads(text)) == action


def test_trace_16_answers_of_schema_v1_keep_their_groups():
    call, timer = {"actionType": 0, "functionName": "A"}, {"actionType": 5, "fireAt": "2026-01-01T00:00:00Z"}
    signal = {"actionType": 9, "instanceId": "@c@k", "operation": "x"}
    wait = {"actionType": 6, "externalEventName": "E"}
    decoded = decode_actions([[call], [call, call], [signal], [timer, wait]], 0)
    assert decoded == [
        CallActivity("A", None),
        WhenAny((CallActivity("A", None), CallActivity("A", None))),
        SignalEntity("@c@k", "x", None),
        WhenAny((CreateTimer(START), WaitForExternalEvent("E"))),
    ]


@pytest.mark.parametrize(
    ("actions", "schema", "text"),
    [
        ([[], []], 2, "With OOProc schema V3, expected actions array to be of length 1 in outer layer but got size: 2"),
        ([], 7, 'The OOProc schema of of version "7" is unsupported by this durable-extension version.'),
        ([[{"actionType": 1, "functionName": "F"}]], 2,
         "Invalid JSON. Must contain field firstRetryIntervalInMilliseconds"),
        ([[{"actionType": 5, "fireAt": "soon"}]], 2, "The time 'soon' of a timer is not a timestamp"),
    ],
)  # fmt: skip
def test_answers_that_cannot_be_understood(actions, schema, text):
    with pytest.raises(BadAnswer, match="^" + text.replace("(", r"\(").replace(".", r"\.")):
        decode_actions(actions, schema)


@pytest.mark.parametrize(
    ("state", "output", "custom_status"),
    [
        ('{"isDone": true, "schemaVersion": 2, "actions": [[]], "output": [1, {"a": "\\u00e9"}]}',
         '[1,{"a":"\\u00e9"}]', None),
        ('{"isDone": true, "schemaVersion": 2, "actions": [[]], "output": NaN, "customStatus": {"a": Infinity}}',
         "NaN", '{"a":Infinity}'),
        ('{"isDone": true, "schemaVersion": 2, "actions": [[]], "output": "\\ud800"}', '"\\ud800"', None),
        ('{"isDone": true, "schemaVersion": 2, "actions": [[]], "output": 0}', "0", None),
        ('{"isDone": true, "schemaVersion": 2, "actions": [[]]}', None, None),
    ],
)  # fmt: skip
def test_outputs_keep_their_text(state, output, custom_status):
    answer = decode_answer({"state": state, "at": [], "first": 0, "ended": 1})
    assert (answer.output, answer.custom_status, answer.is_done) == (output, custom_status, True)


@pytest.mark.parametrize("state", ["", "no json", "5", '{"isDone": true}', "[]"])
def test_an_answer_that_is_no_json_fails_plainly(state):
    answer = decode_answer({"state": state, "at": [], "first": 0})
    assert (answer.is_plain_failure, answer.error) == (
        True,
        "Out of proc orchestrators must return a valid JSON schema",
    )


@pytest.mark.parametrize(
    ("action_input", "stored", "trigger"),
    [
        ('"Tokyo"', '["\\"Tokyo\\""]', '"Tokyo"'),
        ('{"a": 1}', '["{\\"a\\": 1}"]', '{"a": 1}'),
        ("5", '["5"]', "5"),
        ("null", '["null"]', "null"),
        (None, "[null]", "null"),
    ],
)
def test_activity_inputs_are_stored_and_read_back(action_input, stored, trigger):
    action = decode_action({"actionType": 0, "functionName": "A", "input": action_input})
    assert isinstance(action, CallActivity)
    assert stored_activity_input(action) == stored
    assert activity_trigger_text(stored) == trigger


@pytest.mark.parametrize(
    ("stored", "trigger"),
    [(None, "null"), ('[{"a": [1, 2]}]', '{"a":[1,2]}'), ('"bare"', '"bare"'), ("[NaN]", "NaN"), ("[1,2]", "[1,2]")],
)
def test_inputs_stored_by_others_are_read(stored, trigger):
    assert activity_trigger_text(stored) == trigger


@pytest.mark.parametrize(
    ("returned", "stored"),
    [(None, None), ("null", None), ("", None), ('{"a": [1, 2]}', '{"a":[1,2]}'), ("NaN", "NaN"), ('"é"', '"é"')],
)
def test_activity_results_are_stored_compact(returned, stored):
    assert stored_result(returned) == stored


def test_activity_failures_have_the_text_of_the_reference():
    instance = OrchestrationInstance("inst1", "e" * 32)
    request = TaskMessage(event=TaskScheduled(event_id=3, name="Flaky"), target=instance, episode=2)
    told = activity_result(request, ActivityOutcome(error="ValueError: boom", details="trace"), now=START)
    assert (told.event.task_scheduled_id, told.event.reason, told.event.details) == (
        3, "Activity function 'Flaky' failed: ValueError: boom", "trace",
    )  # fmt: skip
    assert (told.target, told.sender, told.event.event_id) == (instance, instance, -1)
    missing = missing_activity_result(request, now=START)
    assert missing.event.reason == "Activity function 'Flaky' failed: Activity function 'Flaky' does not exist."


def test_lone_surrogates_do_not_break_inputs():
    assert json.loads(json_string("\ud800") or "") == "\ud800"


BATCH = EntityBatch(name="counter", key="k1", exists=True, state="5", operations=[EntityOperation("add", '"3"', True)])


def test_the_entity_payload_of_the_protocol():
    assert json.loads(entity_payload(BATCH)) == {
        "self": {"name": "counter", "key": "k1"}, "exists": True, "state": "5",
        "batch": [{"name": "add", "input": '"3"', "isSignal": True, "id": None}],
    }  # fmt: skip


def test_entity_answers_are_decoded():
    text = (
        '{"entityExists": true, "entityState": "99", "results": [{"isError": true, "duration": 0, "startTime": 1, '
        '"result": "\\"bad op\\""}], "signals": [{"target": {"name": "Other", "key": "K"}, "name": "go", '
        '"input": "1"}]}'
    )
    answer = decode_entity_answer(text, 1)
    assert (answer.exists, answer.state, answer.results[0].result) == (True, "99", '"bad op"')
    assert answer.signals == [("@other@K", "go", "1")]
    for bad in ("", "5", "{}", text.replace("99", "98").replace("[{", "[], x")):
        with pytest.raises(BadEntityAnswer):
            decode_entity_answer(bad, 1)
    with pytest.raises(BadEntityAnswer):
        decode_entity_answer(text, 2)


class FailingCalls:
    def __init__(self, error):
        self.error = error
        self.count = 0

    async def run_entity(self, function, trigger, *, instance_id, trace=None):
        self.count += 1
        raise self.error

    run_activity = None

    async def orchestrate(self, function, payload, *, key, instance_id):
        raise self.error


def entity_answer(error):
    calls = FailingCalls(error)
    code = V1UserCode(calls, orchestrators={}, activities={}, entities={"Counter": "counter"})  # pyright: ignore[reportArgumentType]
    return run_now(code.run_entity(BATCH)), calls.count


def test_a_batch_that_fails_again_and_again_fails_its_operations():
    answer, count = entity_answer(FunctionFailed("TypeError", "no to_json"))
    assert count == 3
    assert (answer.state, answer.results[0].is_error) == ("5", True)
    assert "TypeError: no to_json" in answer.results[0].result


def test_a_batch_that_times_out_fails_with_the_bare_text():
    answer, count = entity_answer(FunctionTimedOut("X", "Timeout value of 00:05:00 was exceeded by function: c"))
    assert count == 1
    assert answer.results[0].result.startswith("Timeout value of ")


def test_a_lost_worker_aborts_the_work_item():
    with pytest.raises(WorkItemAborted):
        entity_answer(WorkerLost("gone"))


@pytest.mark.parametrize("error", [WorkerLost("gone"), FunctionTimedOut("X", "late")])
def test_an_orchestrator_whose_worker_is_lost_or_late_is_run_again(error):
    world = World([orch])
    world.code._calls = FailingCalls(error)
    with pytest.raises(WorkItemAborted):
        world.deliver(world.start("orch"))
