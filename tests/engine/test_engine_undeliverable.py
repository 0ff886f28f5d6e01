"""What replaces a message that storage refuses because of its data: the task that waits for it fails."""

import json

import pytest
from engine_world import START, child_completed, child_failed, completed, failed, fired, raised
from msgspec.structs import replace

from durable_host.durable.engine.entity_messages import request_json, response_json
from durable_host.durable.engine.undeliverable import in_place_of
from durable_host.durable.model import identity
from durable_host.durable.model.events import (
    EventRaised,
    ExecutionStarted,
    ExecutionTerminated,
    HistoryEvent,
    OrchestrationInstance,
    ParentInstance,
    SubOrchestrationInstanceFailed,
    TaskFailed,
    TaskScheduled,
)
from durable_host.durable.model.messages import TaskMessage

REASON = "The message is too large."
PARENT = OrchestrationInstance("parent", "p" * 32)
OTHER = OrchestrationInstance("other", "o" * 32)
ENTITY = OrchestrationInstance("@counter@k", None)
ID = "4702cb47-3da5-5c85-bb9e-138a3635692a"
NOW = START + 1


def message(event: HistoryEvent, *, target: OrchestrationInstance = PARENT, sender: OrchestrationInstance = OTHER):
    return TaskMessage(event, target, sender, id=ID)


def replaced(event: HistoryEvent, *, target: OrchestrationInstance = PARENT, sender: OrchestrationInstance = OTHER):
    return in_place_of(message(event, target=target, sender=sender), REASON, now=NOW)


def started(*, parent: ParentInstance | None) -> ExecutionStarted:
    return ExecutionStarted(
        timestamp=START, name="child", input='"x"', orchestration_instance=OTHER, parent_instance=parent
    )


def test_an_activity_that_cannot_be_requested_has_failed() -> None:
    found = replaced(TaskScheduled(timestamp=START, event_id=3, name="Send"))
    assert found is not None
    assert found.event == TaskFailed(
        timestamp=NOW, task_scheduled_id=3, reason=f"Activity function 'Send' failed: {REASON}"
    )
    assert (found.target, found.id) == (PARENT, identity.answer_to(ID))


@pytest.mark.parametrize(
    ("event", "failure"),
    [
        (completed(3, "x"), TaskFailed(timestamp=NOW, task_scheduled_id=3, reason=REASON)),
        (failed(3), TaskFailed(timestamp=NOW, task_scheduled_id=3, reason=REASON)),
        (child_completed(3, "x"), SubOrchestrationInstanceFailed(timestamp=NOW, task_scheduled_id=3, reason=REASON)),
        (child_failed(3), SubOrchestrationInstanceFailed(timestamp=NOW, task_scheduled_id=3, reason=REASON)),
    ],
)
def test_a_result_that_cannot_be_sent_is_a_failure_with_the_same_identity(
    event: HistoryEvent, failure: HistoryEvent
) -> None:
    assert replaced(event) == replace(message(event), event=failure)


@pytest.mark.parametrize("event", [failed(3, REASON), child_failed(3, REASON)])
def test_a_failure_whose_reason_is_refused_too_is_given_up(event: HistoryEvent) -> None:
    assert replaced(event) is None


def test_a_child_that_cannot_be_started_has_failed_for_its_parent() -> None:
    parent = ParentInstance(name="p", orchestration_instance=PARENT, task_schedule_id=3)
    found = replaced(started(parent=parent), target=OTHER, sender=PARENT)
    assert found is not None
    assert found.event == SubOrchestrationInstanceFailed(timestamp=NOW, task_scheduled_id=3, reason=REASON)
    assert (found.target, found.sender, found.id) == (PARENT, OTHER, identity.answer_to(ID))


@pytest.mark.parametrize(
    "event", [started(parent=None), ExecutionTerminated(timestamp=START, input="x"), raised("Approval", text="{")]
)
def test_nobody_waits_for_a_start_of_a_client_a_termination_or_an_event(event: HistoryEvent) -> None:
    assert replaced(event) is None


def test_a_timer_holds_no_data_and_is_tried_again() -> None:
    assert replaced(fired(3)) == message(fired(3))


def test_a_caller_of_an_entity_gets_the_error_as_the_response() -> None:
    text = request_json(
        operation="add", request_id="r1", parent=PARENT.instance_id, parent_execution=PARENT.execution_id
    )
    found = replaced(raised("op", text=text), target=ENTITY, sender=PARENT)
    assert found is not None
    assert isinstance(found.event, EventRaised)
    assert (found.target, found.sender, found.id) == (PARENT, ENTITY, identity.answer_to(ID))
    assert found.event.name == "r1"
    response = json.loads(found.event.input or "")
    assert (json.loads(response["result"]), response["exceptionType"]) == (REASON, "Error")


def test_nobody_waits_for_a_signal() -> None:
    text = request_json(operation="add", request_id="r1", parent=PARENT.instance_id, is_signal=True)
    assert replaced(raised("op", text=text), target=ENTITY, sender=PARENT) is None


def test_a_response_of_an_entity_becomes_an_error_and_an_error_that_is_refused_too_is_given_up() -> None:
    found = replaced(raised("r1", text=response_json('"large"')), sender=ENTITY)
    assert found is not None
    assert isinstance(found.event, EventRaised)
    assert json.loads(json.loads(found.event.input or "")["result"]) == REASON
    assert (found.target, found.sender, found.id) == (PARENT, ENTITY, ID)
    assert in_place_of(found, REASON, now=NOW) is None
