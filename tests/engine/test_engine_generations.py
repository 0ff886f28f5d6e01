"""Instances that one generation of the SDK has begun and code of the other one finds.

Source: docs/protocol/durable-v2.md#instances-of-the-other-generation
"""

import pytest
from numbered_world import Scripted, completed

from durable_host.durable.engine.generations import as_seen_by_numbered_code, refusal_of
from durable_host.durable.engine.state import OrchestrationState
from durable_host.durable.model.events import (
    ExecutionStarted,
    HistoryEvent,
    OrchestrationInstance,
    OrchestratorCompleted,
    OrchestratorStarted,
    TaskCompleted,
    TaskScheduled,
)
from durable_host.durable.model.numbered import ScheduleTask


def begun(*events: HistoryEvent, is_played: bool, input: str | None = None) -> list[HistoryEvent]:
    started = ExecutionStarted(
        orchestration_instance=OrchestrationInstance("i1", "e1"), name="code", input=input, is_played=is_played
    )
    return [OrchestratorStarted(), started, *events, OrchestratorCompleted()]


FIRST_TASK_OF_V1 = begun(TaskScheduled(event_id=0, name="a"), is_played=True)
FIRST_TASK_OF_V2 = begun(TaskScheduled(event_id=1, name="a"), is_played=False)


@pytest.mark.parametrize(
    ("history", "is_numbered", "told"),
    [
        (FIRST_TASK_OF_V1, True, "started with azure-functions-durable 1.x: its history has TaskScheduled 0"),
        (FIRST_TASK_OF_V1, False, None),
        (FIRST_TASK_OF_V2, False, "started with azure-functions-durable 2.x"),
        (FIRST_TASK_OF_V2, True, None),
        (begun(is_played=True), True, None),
        (begun(is_played=False), False, None),
        ([], True, None),
    ],
)
def test_instance_goes_on_or_is_left_alone_with_a_reason(
    history: list[HistoryEvent], is_numbered: bool, told: str | None
) -> None:
    state = OrchestrationState.from_history("i1", history, is_numbered=is_numbered)
    text = refusal_of(state)
    assert text is None if told is None else told in (text or "")


@pytest.mark.parametrize(
    ("stored", "seen", "is_played"),
    [
        ('"{\\"a\\": 1}"', '{"a": 1}', True),
        ('"5"', "5", True),
        ('"\\"text\\""', '"text"', True),
        ('"not JSON"', '"not JSON"', True),
        ('{"a": 1}', '{"a": 1}', True),
        (None, None, True),
        ('"5"', '"5"', False),
    ],
)
def test_input_of_an_instance_that_1x_has_begun_loses_its_second_encoding(
    stored: str | None, seen: str | None, is_played: bool
) -> None:
    (_, started, *_) = as_seen_by_numbered_code(begun(is_played=is_played, input=stored))
    assert isinstance(started, ExecutionStarted)
    assert started.input == seen


def test_rows_of_2x_code_are_not_marked_as_played() -> None:
    world = Scripted()
    events = [*world.begin([ScheduleTask(id=1, name="a")]).new_events]
    events += world.deliver(TaskCompleted(task_scheduled_id=1), answers=[[completed(2)]]).new_events
    assert not any(event.is_played for event in events)
