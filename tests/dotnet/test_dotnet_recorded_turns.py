"""The codec for .NET apps and the engine, with the turns that a real worker answered."""

import json

import pytest
from google.protobuf.json_format import MessageToDict
from recorded_turns import Orchestration, activity_failure, changed, recorded, request, response, shape

from durable_host import timestamp
from durable_host.durable.engine.options import EngineOptions
from durable_host.durable.model.events import (
    EventRaised,
    EventSent,
    ExecutionResumed,
    ExecutionSuspended,
    ExecutionTerminated,
    FailureDetails,
    TaskCompleted,
    TaskFailed,
    TaskScheduled,
    TimerCreated,
    TimerFired,
)
from durable_host.durable.model.status import OrchestrationStatus
from durable_host.durable.proto import StringValue, pb
from durable_host.durable.sdk import dotnet_turns
from durable_host.durable.sdk.dotnet_activities import failed_dotnet_activity
from durable_host.durable.sdk.dotnet_turns import DotnetSettings
from durable_host.durable.sdk.v2_events import event_messages, read_events
from durable_host.durable.sdk.v2_turns import answer_of
from durable_host.durable.user_code import OrchestratorTurn, WorkItemAborted
from durable_host.invocation.errors import FunctionFailed

BUDGET = '{"Title":"Desk","Amount":12.5}'
TURNS = sorted(name for name, one in recorded().items() if "newEvents" in one.get("request", {}))
FAILED = FailureDetails(
    "System.InvalidOperationException",
    "activity says no",
    "at X",
    FailureDetails("System.FormatException", "inner"),
)


@pytest.mark.parametrize("name", TURNS)
def test_the_events_of_a_recorded_request_survive_the_codec(name: str) -> None:
    message = request(name)
    for events in (message.pastEvents, message.newEvents):
        expected = shape(events)
        if name in {"entity-reply-native"}:
            for event in expected:
                if answered := event.pop("entityOperationCompleted", None):
                    text = json.dumps({"result": answered["output"]}, separators=(",", ":"))
                    event["eventRaised"] = {"name": answered["requestId"], "input": text}
        if name == "activity-failed-no-details":
            for event in expected:
                if "taskFailed" in event:
                    event["taskFailed"] = {"failureDetails": {}}
        assert shape(event_messages(read_events(events))) == expected


@pytest.mark.parametrize("name", [name for name in TURNS if "response" in recorded()[name]])
def test_the_actions_of_a_recorded_response_have_its_numbers_and_its_custom_status(name: str) -> None:
    message = response(name)
    answer = answer_of(message)
    assert [action.id for action in answer.actions] == [action.id for action in message.actions]
    assert answer.custom_status == (message.customStatus.value or None)
    assert not [action for action in answer.actions if type(action).__name__ == "UnknownNumberedAction"]


async def test_the_approval_waits_and_is_rejected_with_the_recorded_requests() -> None:
    one = Orchestration(
        "BudgetApproval", BUDGET, "orchestrator-first-turn", "orchestrator-waits", "orchestrator-rejected"
    )
    await one.begin()
    await one.deliver(TaskCompleted(task_scheduled_id=0))
    outcome = await one.deliver(EventRaised(name="Approval", input="false"))
    names = ("orchestrator-first-turn", "orchestrator-waits", "orchestrator-rejected")
    for name, sent in zip(names, one.worker.requests, strict=True):
        expected = request(name)
        assert shape(sent.pastEvents) == shape(expected.pastEvents), name
        assert shape(sent.newEvents) == shape(expected.newEvents), name
    assert one.state.custom_status == '{"waiting":true}'
    (activity,) = outcome.outbound
    assert isinstance(activity.event, TaskScheduled)
    assert (activity.event.event_id, activity.event.name) == (1, "RejectBudget")
    assert activity.event.input == f"[{BUDGET}]", "inputs are stored as they come"
    assert activity.event.tags == {"kind": "reject"}


async def test_a_retry_has_a_new_number_and_a_timer_follows_each_failure() -> None:
    names = ["action-retry", "retry-1", "retry-2", "retry-3", "retry-4", "retry-5-last", "retry-6-gives-up"]
    one = Orchestration("Everything", '"retry"', *names)
    await one.begin()
    for task, timer in ((0, 1), (2, 3), (4, 5)):
        await one.deliver(TaskFailed(task_scheduled_id=task, failure_details=FAILED))
        await one.deliver(TimerFired(timer_id=timer, fire_at=one.now))
    assert one.state.ending is not None or one.state.is_terminal
    assert [row for row in one.rows() if row[1] >= 0] == [
        ("TaskScheduled", 0),
        ("TimerCreated", 1),
        ("TaskScheduled", 2),
        ("TimerCreated", 3),
        ("TaskScheduled", 4),
        ("TimerCreated", 5),
        ("ExecutionCompleted", 6),
    ]
    for name, sent in zip(names, one.worker.requests, strict=True):
        expected = request(name)
        assert shape(sent.pastEvents) == shape(expected.pastEvents), name
        assert shape(sent.newEvents) == shape(expected.newEvents), name
    end = one.state.history[-2]
    assert getattr(end, "failure_details", None) is not None
    assert getattr(end, "result", "") is None, "the failure replaces the plain text"


async def test_code_that_differs_from_its_history_fails_and_its_wishes_are_dropped() -> None:
    one = Orchestration("Everything", '"http"', "action-http", "non-deterministic")
    await one.begin()
    outcome = await one.deliver(TaskCompleted(task_scheduled_id=0))
    assert outcome.update.runtime_status is OrchestrationStatus.Failed
    assert [diagnostic.code for diagnostic in outcome.diagnostics] == ["DH6101"]
    assert not [event for event in one.state.history if isinstance(event, TimerCreated)]


@pytest.mark.parametrize(
    ("what", "rows"),
    [
        ("timer", [("TimerCreated", 0)]),
        ("longtimer", [("TimerCreated", 0)]),
        ("child", [("SubOrchestrationInstanceCreated", 0)]),
        ("childauto", [("SubOrchestrationInstanceCreated", 0)]),
        ("waitto", [("TimerCreated", 0)]),
        ("send", [("EventSent", 0), ("ExecutionCompleted", 1)]),
        ("guid", [("ExecutionCompleted", 0)]),
        ("entity", [("EventSent", 0)]),
        ("signal", [("EventSent", 0), ("ExecutionCompleted", 1)]),
        ("signallater", [("EventSent", 0), ("ExecutionCompleted", 1)]),
        ("lock", [("EventSent", 0)]),
        ("http", [("TaskScheduled", 0)]),
        ("null", [("TaskScheduled", 0)]),
        ("all", [("TaskScheduled", 0), ("TaskScheduled", 1)]),
        ("throw", [("ExecutionCompleted", 0)]),
    ],
)
async def test_each_action_becomes_an_event_with_its_number(what: str, rows: list[tuple[str, int]]) -> None:
    one = Orchestration("Everything", f'"{what}"', f"action-{what}")
    await one.begin()
    assert [row for row in one.rows() if row[0] != "ExecutionStarted"] == rows
    assert shape(one.last.newEvents) == shape(request(f"action-{what}").newEvents)


async def test_a_message_to_an_entity_is_passed_on_as_the_worker_wrote_it() -> None:
    one = Orchestration("Everything", '"signallater"', "action-signallater")
    outcome = await one.begin()
    action = response("action-signallater").actions[0].sendEvent
    (sent,) = [event for event in one.state.history if isinstance(event, EventSent)]
    assert (sent.instance_id, sent.name, sent.input) == ("@counter@k1", action.name, action.data.value)
    assert action.name.startswith("op@")
    (message,) = outcome.outbound
    assert isinstance(message.event, EventRaised)
    assert (message.event.name, message.event.input) == (action.name, action.data.value)


async def test_a_child_gets_the_id_of_the_sdk_and_the_default_version() -> None:
    one = Orchestration("Everything", '"childauto"', "action-childauto", options=EngineOptions(default_version="3.0"))
    outcome = await one.begin()
    created = response("action-childauto").actions[0].createSubOrchestration
    assert len(created.instanceId) == 32
    assert outcome.outbound[0].target.instance_id == created.instanceId
    assert getattr(outcome.outbound[0].event, "version", None) == "3.0"


async def test_the_worker_continues_as_new_with_an_execution_that_counts_from_zero() -> None:
    one = Orchestration("Everything", '"can"', "action-can", "action-timer")
    await one.begin()
    assert one.rows() == [("ExecutionStarted", -1), ("TimerCreated", 0)]
    first, second = one.worker.requests
    assert first.executionId.value != second.executionId.value
    (started,) = [event for event in second.newEvents if event.HasField("executionStarted")]
    assert started.executionStarted.input.value == '"timer"'


async def test_a_terminated_orchestration_ends_with_the_text() -> None:
    one = Orchestration("BudgetApproval", BUDGET, "orchestrator-first-turn", "terminated")
    await one.begin()
    outcome = await one.deliver(ExecutionTerminated(input="bye"))
    assert outcome.update.runtime_status is OrchestrationStatus.Terminated
    assert outcome.update.output == "bye"


async def test_suspend_and_resume_reach_the_worker_once() -> None:
    one = Orchestration(
        "BudgetApproval", BUDGET, "orchestrator-first-turn", "orchestrator-waits", "suspended", "orchestrator-waits"
    )
    await one.begin()
    await one.deliver(TaskCompleted(task_scheduled_id=0))
    outcome = await one.deliver(ExecutionSuspended(reason="why"), ExecutionSuspended(reason="why"))
    assert outcome.update.runtime_status is OrchestrationStatus.Suspended
    kinds = [event.WhichOneof("eventType") for event in one.last.newEvents]
    assert kinds == ["orchestratorStarted", "executionSuspended"]
    await one.deliver(ExecutionResumed(reason="why"), ExecutionResumed(reason="why"))
    kinds = [event.WhichOneof("eventType") for event in one.last.newEvents]
    assert kinds == ["orchestratorStarted", "executionResumed"]


async def test_a_failed_dotnet_activity_reaches_the_orchestrator_with_its_inner_failure() -> None:
    outcome = failed_dotnet_activity(activity_failure())
    assert outcome.failure is not None
    one = Orchestration("Everything", '"fail"', "action-fail", "activity-failed")
    await one.begin()
    await one.deliver(TaskFailed(task_scheduled_id=0, reason=outcome.error, failure_details=outcome.failure))
    details = one.last.newEvents[1].taskFailed.failureDetails
    assert (details.errorType, details.errorMessage) == ("System.InvalidOperationException", "activity says no: bad")
    assert (details.innerFailure.errorType, details.innerFailure.errorMessage) == ("System.FormatException", "inner")


async def test_a_void_orchestrator_has_no_result() -> None:
    one = Orchestration("VoidOrch", None, "void-orchestrator")
    outcome = await one.begin()
    assert (outcome.update.runtime_status, outcome.update.output) == (OrchestrationStatus.Completed, None)
    assert one.state.custom_status == "42"


async def test_empty_texts_never_reach_the_worker() -> None:
    one = Orchestration(
        "BudgetApproval", "", "orchestrator-first-turn", "orchestrator-waits", "orchestrator-waits", "terminated"
    )
    await one.begin()
    await one.deliver(TaskCompleted(task_scheduled_id=0, result=""))
    await one.deliver(EventRaised(name="Approval", input=""), ExecutionSuspended(reason=""))
    await one.deliver(ExecutionTerminated(input=""))
    texts = [value for sent in one.worker.requests for value in _texts(sent)]
    assert texts
    assert all(value.value for value in texts)


def _texts(message: object) -> list[StringValue]:
    """All optional texts in a message."""
    found: list[StringValue] = []
    for field, value in message.ListFields():  # pyright: ignore[reportAttributeAccessIssue]
        if field.message_type is None or field.message_type.GetOptions().map_entry:
            continue
        for one in value if field.is_repeated else [value]:
            if isinstance(one, StringValue):
                found.append(one)
            else:
                found += _texts(one)
    return found


async def test_each_turn_has_the_parameters_without_which_entities_fail() -> None:
    one = Orchestration("Everything", '"entity"', "action-entity", "entity-reply-legacy")
    await one.begin()
    await one.deliver(EventRaised(name="6ea57481-9ec8-5d2b-a943-781a2915cc2c", input='{"result":"3"}'))
    for sent in one.worker.requests:
        assert sent.HasField("entityParameters")
        assert sent.entityParameters.HasField("entityMessageReorderWindow")
        assert sent.newEvents[0].HasField("orchestratorStarted")


async def test_settings_reach_the_worker_as_properties() -> None:
    settings = DotnetSettings(async_request_sleep_ms=1500, session_seconds=0, default_version="2.0")
    one = Orchestration("Everything", '"timer"', "action-timer", settings=settings)
    await one.begin()
    assert one.worker.properties() == [
        {
            "HttpDefaultAsyncRequestSleepTimeMilliseconds": 1500.0,
            "IncludeState": True,
            "IsExtendedSession": False,
            "ExtendedSessionIdleTimeoutInSeconds": 0.0,
            "defaultVersion": "2.0",
        }
    ]


@pytest.mark.differs("dotnet-worker-lost")
async def test_a_turn_that_ran_out_of_memory_runs_again_and_counts() -> None:
    failed = changed(response("activity-failed"))
    completion = failed.actions[0].completeOrchestration
    completion.failureDetails.innerFailure.errorType = "System.OutOfMemoryException"
    one = Orchestration("Everything", '"fail"', "action-fail", failed)
    await one.begin()
    with pytest.raises(WorkItemAborted) as aborted:
        await one.deliver(TaskFailed(task_scheduled_id=0, failure_details=FAILED))
    assert aborted.value.lost is not None, "it counts as a lost run, of which there may be three"


async def test_an_invocation_that_fails_makes_the_orchestration_fail() -> None:
    exception = recorded()["orchestrator-bad-event"]["invocation-failure"]["result"]["exception"]
    failed = FunctionFailed(exception["type"], exception["message"], exception["stack_trace"])
    one = Orchestration("BudgetApproval", BUDGET, "orchestrator-first-turn", "orchestrator-waits", failed)
    await one.begin()
    await one.deliver(TaskCompleted(task_scheduled_id=0))
    outcome = await one.deliver(EventRaised(name="Approval", input="not json"))
    assert outcome.update.runtime_status is OrchestrationStatus.Failed
    assert "Function 'BudgetApproval' failed with an unhandled exception." in (outcome.update.output or "")
    end = next(event for event in one.state.history if event.event_name == "ExecutionCompleted")
    inner = end.failure_details.inner_failure  # pyright: ignore[reportAttributeAccessIssue]
    assert inner.error_type == exception["type"]


def test_a_request_with_its_history_is_the_recorded_one() -> None:
    message = request("orchestrator-rejected")
    events = [*read_events(message.pastEvents), *read_events(message.newEvents)]
    turn = OrchestratorTurn(
        instance_id="inst-1", execution_id="", name="", history=events, new_from=len(message.pastEvents)
    )
    ours = dotnet_turns.request(turn, DotnetSettings(), with_history=True, keeps_session=False)
    ours.properties.clear()
    assert MessageToDict(ours) == MessageToDict(message)
    assert timestamp.to_text(events[0].timestamp).startswith("2026-01-02T03:04:05.123456")
    assert isinstance(ours, pb.OrchestratorRequest)
