"""Rows of the page durable-http on statuses and histories, with the answers of the real extension."""

from typing import Any

import pytest
from api_world import World

from durable_host import timestamp
from durable_host.durable.model.events import (
    EventRaised,
    ExecutionTerminated,
    GenericEvent,
    HistoryEvent,
    SubOrchestrationInstanceCompleted,
    SubOrchestrationInstanceCreated,
    SubOrchestrationInstanceFailed,
    TaskCompleted,
    TaskScheduled,
)
from durable_host.durable.model.status import OrchestrationStatus

pytestmark = pytest.mark.unit

TIME = "2026-01-01T12:00:00.1234567Z"
SCHEDULED_TIME = "2026-01-01T12:00:00.1234567+00:00"
NOON = timestamp.parse(TIME)


async def _get(world: World, path: str) -> Any:
    async with world.http.get(f"{world.webhook}/{path}") as answer:
        return await answer.json()


async def _events(world: World, *events: HistoryEvent, flags: str = "") -> list[dict[str, Any]]:
    """The history in the status of an instance with these events after its start."""
    await world.put("a", OrchestrationStatus.Completed, input='"x"', events=events)
    status = await _get(world, f"instances/a?showHistory=true&showHistoryOutput=true{flags}")
    return status["historyEvents"]


@pytest.mark.parametrize("path", ["instances/child", "instances"])
async def test_status_and_list_entries_have_version_and_parent(world: World, path: str) -> None:
    """durable-http 8: `version` after `name`, and for children `parentInstanceId` after `instanceId`."""
    await world.put("child", OrchestrationStatus.Completed, version="2.0", parent="abc")
    body = await _get(world, path)
    entry = body[0] if isinstance(body, list) else body
    assert list(entry) == [
        "name", "version", "instanceId", "parentInstanceId", "runtimeStatus", "input", "customStatus", "output",
        "createdTime", "lastUpdatedTime",
    ]  # fmt: skip
    assert (entry["version"], entry["parentInstanceId"]) == ("2.0", "abc")


@pytest.mark.parametrize("version", [None, ""])
async def test_status_of_others_has_neither(world: World, version: str | None) -> None:
    """durable-http 8: only if there is one, children only."""
    await world.put("a", OrchestrationStatus.Completed, version=version)
    body = await _get(world, "instances/a")
    assert list(body)[:3] == ["name", "instanceId", "runtimeStatus"]


async def test_execution_started_has_its_members_in_order(world: World) -> None:
    """durable-http 16: `Input, Correlation, ParentTraceContext, ScheduledStartTime, Generation, …`, null or not."""
    (started,) = await _events(world)
    del started["Timestamp"]
    assert list(started.items()) == [
        ("EventType", "ExecutionStarted"), ("Input", '"x"'), ("Correlation", None), ("ParentTraceContext", None),
        ("ScheduledStartTime", None), ("Generation", None), ("GenerateNewTrace", False), ("FunctionName", "Orch"),
    ]  # fmt: skip


async def test_event_raised_has_its_trace_context(world: World) -> None:
    """durable-http 17: `ParentTraceContext: null` in EventRaised."""
    _, event = await _events(world, EventRaised(timestamp=NOON, name="E", input="1"))
    assert list(event.items()) == [
        ("EventType", "EventRaised"), ("Name", "E"), ("Input", "1"), ("ParentTraceContext", None), ("Timestamp", TIME),
    ]  # fmt: skip


async def test_a_pending_activity_has_tags(world: World) -> None:
    """durable-http 17: `Tags: null` in a pending TaskScheduled."""
    _, event = await _events(world, TaskScheduled(event_id=0, timestamp=NOON, name="A"))
    assert list(event.items()) == [
        ("EventType", "TaskScheduled"), ("Name", "A"), ("Input", None), ("Tags", None), ("Timestamp", TIME),
    ]  # fmt: skip


CREATED = SubOrchestrationInstanceCreated(event_id=0, timestamp=NOON, name="Child", instance_id="c", input='"i"')


async def test_a_pending_child_has_span_and_tags(world: World) -> None:
    """durable-http 17: `ClientSpanId`, `Tags` in SubOrchestrationInstanceCreated."""
    _, event = await _events(world, CREATED)
    assert list(event.items()) == [
        ("EventType", "SubOrchestrationInstanceCreated"), ("Name", "Child"), ("InstanceId", "c"), ("Input", '"i"'),
        ("ClientSpanId", None), ("Tags", None), ("Timestamp", TIME),
    ]  # fmt: skip


@pytest.mark.parametrize("kind", [SubOrchestrationInstanceCompleted, SubOrchestrationInstanceFailed])
async def test_the_end_of_a_child_has_its_id_before_its_input(world: World, kind: type[Any]) -> None:
    """durable-http 17: `InstanceId` before `Input` in sub-orchestration completions and failures."""
    _, event = await _events(world, CREATED, kind(timestamp=NOON, task_scheduled_id=0))
    assert list(event.items())[-5:] == [
        ("Timestamp", TIME), ("ScheduledTime", SCHEDULED_TIME), ("FunctionName", "Child"), ("InstanceId", "c"),
        ("Input", '"i"'),
    ]  # fmt: skip


async def test_the_time_of_the_schedule_ends_in_an_offset(world: World) -> None:
    """durable-http 17: `ScheduledTime` as `…+00:00` (all other times `Z`)."""
    scheduled = TaskScheduled(event_id=0, timestamp=NOON, name="A")
    _, event = await _events(world, scheduled, TaskCompleted(timestamp=NOON, task_scheduled_id=0, result="1"))
    assert event == {
        "EventType": "TaskCompleted", "Result": 1, "Timestamp": TIME, "ScheduledTime": SCHEDULED_TIME,
        "FunctionName": "A", "Input": None,
    }  # fmt: skip


@pytest.mark.parametrize(("flags", "has_input"), [("&showInput=false", False), ("", True)])
async def test_the_reason_of_a_termination_is_an_input(world: World, flags: str, has_input: bool) -> None:
    """durable-http 17: ExecutionTerminated loses `Input` with showInput=false."""
    _, event = await _events(world, ExecutionTerminated(timestamp=NOON, input="why"), flags=flags)
    assert ("Input" in event) is has_input


async def test_a_rewound_event_shows_no_reason(world: World) -> None:
    """durable-http 17: GenericEvent is `Data, EventType, Timestamp` without `Reason` after a rewind."""
    _, event = await _events(world, GenericEvent(timestamp=NOON, data=None, reason="Rewound: x"))
    assert list(event.items()) == [("Data", None), ("EventType", "GenericEvent"), ("Timestamp", TIME)]


async def test_a_pending_instance_shows_no_history(world: World) -> None:
    """durable-http 18: no `historyEvents` while Pending."""
    await world.create("a")
    assert "historyEvents" not in await _get(world, "instances/a?showHistory=true")
