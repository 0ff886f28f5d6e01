"""Activities and entities of .NET apps: what the codec makes of recorded answers."""

import base64
import json
import uuid
from typing import Any

import pytest
from google.protobuf.json_format import MessageToDict, ParseDict
from recorded_turns import activity_failure, code_of, encoded, recorded

from durable_host.durable.engine.decisions import HTTP_ACTIVITY
from durable_host.durable.model.events import FailureDetails
from durable_host.durable.model.numbered import OrchestrationBegun, SignalSent
from durable_host.durable.proto import pb
from durable_host.durable.sdk.dotnet_activities import described, element_of
from durable_host.durable.sdk.dotnet_turns import DotnetSettings
from durable_host.durable.sdk.node_activities import result_json
from durable_host.durable.user_code import EntityBatch, EntityOperation, WorkItemAborted
from durable_host.invocation.datum import NONE, Datum
from durable_host.invocation.errors import FunctionFailed, WorkerLost


class Calls:
    """A worker that gives one answer, which may be an error."""

    def __init__(self, answer: Any) -> None:
        self.answer = answer
        self.asked: list[str] = []

    async def run_activity(self, function: str, trigger: str, **_: Any) -> Any:
        return self._reply(trigger)

    async def run_entity(self, function: str, trigger: str, **_: Any) -> Any:
        return self._reply(trigger)

    def _reply(self, trigger: str) -> Any:
        self.asked.append(trigger)
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


@pytest.mark.parametrize(
    ("stored", "sent"),
    [
        ('[{"Title":"Desk","Amount":12.5}]', '{"Title":"Desk","Amount":12.5}'),
        ("[null]", "null"),
        (None, "null"),
        ("", "null"),
        ('["text"]', '"text"'),
        ("[[1,2]]", "[1,2]"),
        ("[[1]]", "[1]"),
        ("[ 41 ]", "41"),
        ("[1,2]", "[1,2]"),
        ("[]", "[]"),
        ('{"a":1}', '{"a":1}'),
        ("41", "41"),
        ("[NaN]", "NaN"),
        ("[not json]", "[not json]"),
        ('["é\\ud800"]', '"é\\ud800"'),
    ],
)
def test_an_activity_gets_the_element_of_the_stored_array(stored: str | None, sent: str) -> None:
    assert element_of(stored) == sent


def datum_of(name: str) -> Datum:
    value = recorded()[name]["response"]["invocation_response"].get("return_value")
    if value is None:
        return NONE
    ((kind, content),) = value.items()
    return Datum(kind, base64.b64decode(content) if kind == "bytes" else content)


@pytest.mark.parametrize(
    ("name", "stored"),
    [
        ("activity-result", '"processed Desk 12.5"'),
        ("activity-kind-json", '"{\\"a\\":1}"'),
        ("activity-kind-quoted", '"\\"q\\""'),
        ("activity-kind-empty", '""'),
        ("activity-kind-int", "5"),
        ("activity-kind-bool", "true"),
        ("activity-kind-double", "1.5"),
        ("activity-kind-poco", '{"Name":"n","Count":1}'),
        ("activity-kind-array", '["a","b"]'),
        ("activity-kind-date", '"2026-01-02T03:04:05Z"'),
        ("activity-kind-bytes", '"AQI="'),
        ("activity-kind-null", None),
        ("activity-null", None),
        ("activity-void", None),
    ],
)
def test_the_result_of_an_activity_is_stored_as_json(name: str, stored: str | None) -> None:
    assert result_json(datum_of(name)) == stored


async def test_a_failed_dotnet_activity_has_the_failure_that_the_worker_sent_as_json() -> None:
    calls = Calls(activity_failure())
    outcome = await code_of(calls).run_activity("FailActivity", '["bad"]', instance_id="i", task_id=0)
    assert calls.asked == ['"bad"']
    assert outcome.failure is not None
    assert outcome.failure.error_type == "System.InvalidOperationException"
    assert outcome.failure.error_message == "activity says no: bad"
    assert (outcome.failure.stack_trace or "").startswith("   at SampleCore.Durable.FailActivity")
    assert outcome.failure.inner_failure == FailureDetails("System.FormatException", "inner")
    assert outcome.error == "System.InvalidOperationException: activity says no: bad"


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        ('{"errorType":"A","errorMessage":"b","new":[1]}', FailureDetails("A", "b")),
        ('{"errorType":"A","errorMessage":"b"}\r\nmore', FailureDetails("A", "b")),
        ('{"errorType":"A","errorMessage":"b","isNonRetriable":true}', FailureDetails("A", "b", is_non_retriable=True)),
        ('{"errorType":"A","properties":{"code":5}}', FailureDetails("A", "", properties={"code": 5})),
        ('{"errorType":7}', None),
        ("{not json", None),
        ("no luck", None),
    ],
)
def test_only_json_of_a_failure_replaces_the_message(message: str, expected: FailureDetails | None) -> None:
    assert described(message) == expected


async def test_an_activity_that_fails_otherwise_keeps_type_and_message() -> None:
    failed = FunctionFailed("System.Exception", "no luck", "   at X")
    outcome = await code_of(Calls(failed)).run_activity("IntActivity", "[1]", instance_id="i", task_id=0)
    assert outcome.failure == FailureDetails("System.Exception", "no luck", "   at X")


async def test_an_activity_in_a_worker_that_died_runs_again() -> None:
    with pytest.raises(WorkItemAborted):
        await code_of(Calls(WorkerLost("gone"))).run_activity("IntActivity", "[1]", instance_id="i", task_id=0)


async def test_an_unknown_activity_fails_with_its_name() -> None:
    outcome = await code_of(Calls(None)).run_activity("Nope", "[1]", instance_id="i", task_id=0)
    assert "'Nope'" in (outcome.error or "")


def test_the_http_activity_exists_although_no_function_has_its_name() -> None:
    assert code_of(Calls(None)).has_activity(HTTP_ACTIVITY)
    assert not code_of(Calls(None)).has_activity("Nope")


# Entities


def batch(*operations: EntityOperation, state: str | None = None) -> EntityBatch:
    return EntityBatch(name="counter", key="k1", exists=state is not None, state=state, operations=operations)


def result_of(name: str) -> str:
    return encoded(ParseDict(recorded()[name]["response"], pb.EntityBatchResult()))


async def run(calls: Calls, one: EntityBatch, settings: DotnetSettings = DotnetSettings()) -> Any:
    return await code_of(calls, settings).run_entity(one)


def sent(calls: Calls) -> pb.EntityBatchRequest:
    return pb.EntityBatchRequest.FromString(base64.b64decode(calls.asked[-1]))


async def test_a_batch_is_the_recorded_request() -> None:
    expected = ParseDict(recorded()["entity-batch"]["request"], pb.EntityBatchRequest())
    operations = [
        EntityOperation(one.operation, one.input.value if one.HasField("input") else None, False, id=one.requestId)
        for one in expected.operations
    ]
    calls = Calls(result_of("entity-batch"))
    answer = await run(calls, batch(*operations))
    request = sent(calls)
    request.properties.clear()
    assert MessageToDict(request) == MessageToDict(expected)
    assert [(one.is_error, one.result) for one in answer.results] == [
        (False, "3"),
        (False, "7"),
        (False, "7"),
        (True, None),
        (True, None),
        (True, None),
    ]
    assert answer.results[3].failure.error_message == "entity boom"
    assert answer.results[4].failure.error_type == "System.NotSupportedException"
    assert json.loads(answer.state) == {"Value": 7}


@pytest.mark.parametrize("id", [None, "", "not a guid", "0123"])
async def test_ids_of_operations_are_guids(id: str | None) -> None:
    calls = Calls(result_of("entity-delete"))
    await run(calls, batch(EntityOperation("delete", None, True, id=id), state='{"Value":7}'))
    (operation,) = sent(calls).operations
    assert str(uuid.UUID(operation.requestId)) == operation.requestId


@pytest.mark.parametrize("state", [None, "", "null"])
async def test_an_entity_without_a_state_gets_none(state: str | None) -> None:
    calls = Calls(result_of("entity-batch"))
    await run(calls, batch(EntityOperation("Get", "", False, id=str(uuid.uuid4())), state=state))
    assert not sent(calls).HasField("entityState")
    assert not sent(calls).operations[0].HasField("input")


async def test_a_deleted_entity_does_not_exist() -> None:
    answer = await run(Calls(result_of("entity-delete")), batch(EntityOperation("delete", None, True), state="1"))
    assert (answer.exists, answer.state) == (False, None)


async def test_actions_of_an_entity_start_and_signal() -> None:
    answer = await run(Calls(result_of("entity-actions")), batch(EntityOperation("StartOne", None, True), state="1"))
    started, told = answer.actions
    assert isinstance(started, OrchestrationBegun)
    assert (started.name, started.input, len(started.instance_id)) == ("Child", '"from-entity"', 32)
    assert isinstance(told, SignalSent)
    assert (told.target, told.operation, told.input) == ("@counter@k2", "Add", "5")


@pytest.mark.parametrize("rolls_back", [True, False])
async def test_the_worker_knows_whether_failed_operations_are_rolled_back(rolls_back: bool) -> None:
    calls = Calls(result_of("entity-batch"))
    await run(calls, batch(EntityOperation("Get", None, False)), DotnetSettings(rolls_back_entities=rolls_back))
    assert sent(calls).properties["RollbackEntityOperationsOnExceptions"].bool_value is rolls_back


async def test_a_batch_that_fails_as_a_whole_fails_its_operations() -> None:
    failed = FunctionFailed("System.FormatException", "Unrecognized Guid format.")
    calls = Calls(failed)
    answer = await run(calls, batch(EntityOperation("Get", None, False)))
    assert len(calls.asked) == 3
    assert "Unrecognized Guid format." in answer.results[0].failure.error_message
