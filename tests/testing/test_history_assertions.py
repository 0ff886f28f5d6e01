"""The history of an instance as an assertion: patterns, and what a failure shows."""

from datetime import UTC, datetime

import pytest

from durable_host import timestamp
from durable_host.durable.model.events import (
    EventRaised,
    ExecutionCompleted,
    ExecutionStarted,
    OrchestrationInstance,
    OrchestratorCompleted,
    OrchestratorStarted,
    TaskCompleted,
    TaskFailed,
    TaskScheduled,
)
from durable_host.durable.model.status import OrchestrationStatus
from durable_host.testing.history_assertions import InstanceHistory
from durable_host.testing.history_row import RowPattern, history_rows

pytestmark = pytest.mark.unit

NOW = timestamp.from_datetime(datetime(2024, 1, 1, tzinfo=UTC))
EVENTS = [
    OrchestratorStarted(timestamp=NOW),
    ExecutionStarted(
        timestamp=NOW,
        orchestration_instance=OrchestrationInstance("order-7", "1"),
        name="approval",
        input='"{\\"amount\\": 3}"',
        generation=0,
    ),
    TaskScheduled(timestamp=NOW, event_id=0, name="charge"),
    OrchestratorCompleted(timestamp=NOW),
    OrchestratorStarted(timestamp=NOW),
    TaskFailed(timestamp=NOW, task_scheduled_id=0, reason="no money", details=""),
    TaskScheduled(timestamp=NOW, event_id=1, name="charge"),
    OrchestratorCompleted(timestamp=NOW),
    OrchestratorStarted(timestamp=NOW),
    TaskCompleted(timestamp=NOW, task_scheduled_id=1, result='{"id": 5}'),
    EventRaised(timestamp=NOW, name="Approval", input='{"by": "ada"}'),
    ExecutionCompleted(
        timestamp=NOW, event_id=2, orchestration_status=OrchestrationStatus.Completed, result='"granted"'
    ),
    OrchestratorCompleted(timestamp=NOW),
]
HISTORY = InstanceHistory("'order-7' (approval)", history_rows(EVENTS, encodes_twice=True), EVENTS)
ALL: list[RowPattern] = [
    "ExecutionStarted approval",
    "TaskScheduled charge",
    "TaskFailed charge",
    "TaskScheduled",
    {"type": "TaskCompleted", "data": {"id": 5}},
    {"type": "EventRaised", "name": "Approval", "data": {"by": "ada"}},
    {"type": "ExecutionCompleted", "orchestrationStatus": "Completed"},
]


class MappingOf:
    """An object that the SDK can send."""

    def __init__(self, **members: str) -> None:
        self.members = members

    @staticmethod
    def to_json(value: "MappingOf") -> dict[str, str]:
        return value.members


def test_rows_have_decoded_values_and_the_names_of_their_calls() -> None:
    started, completed = HISTORY.events[1], HISTORY.events[9]
    assert (started.name, started.data) == ("approval", {"amount": 3})
    assert (completed.type, completed.name, completed.data) == ("TaskCompleted", "charge", {"id": 5})
    assert completed.time == datetime(2024, 1, 1, tzinfo=UTC)
    assert HISTORY.events[5].error == "no money"


def test_types_leave_out_the_ends_of_episodes() -> None:
    assert HISTORY.types == [
        "ExecutionStarted",
        "TaskScheduled",
        "TaskFailed",
        "TaskScheduled",
        "TaskCompleted",
        "EventRaised",
        "ExecutionCompleted",
    ]


def test_a_history_matches_patterns_of_all_forms() -> None:
    HISTORY.assert_matches(ALL)


def test_episodes_count_where_a_pattern_names_them() -> None:
    HISTORY.assert_contains(["OrchestratorStarted", "ExecutionStarted", "OrchestratorCompleted"])
    with pytest.raises(AssertionError):
        HISTORY.assert_matches(["OrchestratorStarted", *ALL])


def test_a_difference_is_shown_as_a_diff() -> None:
    with pytest.raises(AssertionError) as failure:
        HISTORY.assert_matches([*ALL[:2], "TaskCompleted charge", *ALL[5:]])
    assert str(failure.value).splitlines() == [
        "The history of 'order-7' (approval) does not match.",
        "(- expected, + in the history)",
        "",
        '  ExecutionStarted approval {"amount": 3}',
        "  TaskScheduled charge",
        "+ TaskFailed charge ! no money",
        "+ TaskScheduled charge",
        '  TaskCompleted charge {"id": 5}',
        '  EventRaised Approval {"by": "ada"}',
        '  ExecutionCompleted "granted"',
    ]


def test_a_value_that_differs_is_shown_with_what_was_expected() -> None:
    with pytest.raises(AssertionError) as failure:
        HISTORY.assert_matches([*ALL[:5], {"type": "EventRaised", "data": {"by": "bob"}}, ALL[6]])
    lines = str(failure.value).splitlines()
    assert "- EventRaised data={'by': 'bob'}" in lines
    assert '+ EventRaised Approval {"by": "ada"}' in lines


def test_a_missing_event_is_shown_with_what_was_found_before_it() -> None:
    with pytest.raises(AssertionError) as failure:
        HISTORY.assert_contains(["TaskFailed", "EventRaised Approval", "TaskScheduled"])
    text = str(failure.value)
    assert text.startswith("The history of 'order-7' (approval) has no 'TaskScheduled' after row 6.")
    assert ">   3  TaskFailed charge ! no money" in text
    assert '>   6  EventRaised Approval {"by": "ada"}' in text


def test_an_event_that_must_not_be_there_is_shown_with_its_row() -> None:
    HISTORY.assert_not_contains("TaskScheduled refund")
    with pytest.raises(AssertionError, match="has 'TaskFailed', in row 6"):
        HISTORY.assert_not_contains("TaskFailed")


def test_a_type_that_no_event_has_is_refused_where_it_would_always_pass() -> None:
    for pattern in ("TaskFaild", {"type": "TaskFaild"}):
        with pytest.raises(ValueError, match=r"'TaskFaild' is not a type of events\. Did you mean TaskFailed\?"):
            HISTORY.assert_not_contains(pattern)
    HISTORY.assert_not_contains({"name": "refund"})


def test_a_member_that_no_row_has_is_refused_where_it_would_always_pass() -> None:
    for name, near in (("typ", "type"), ("Name", "name"), ("taskId", "task_id"), ("fireat", "fireAt")):
        with pytest.raises(ValueError, match=rf"'{name}' is not a member .* Did you mean {near}\?"):
            HISTORY.assert_not_contains({name: "charge"})
    HISTORY.assert_not_contains({"type": "TimerCreated", "fireAt": "2024-01-01T00:00:00Z"})


def test_values_are_compared_as_json() -> None:
    HISTORY.assert_contains({"data": MappingOf(by="ada")})


def test_one_pattern_needs_no_list() -> None:
    HISTORY.assert_contains("TaskCompleted charge")
    HISTORY.assert_contains({"type": "TaskFailed", "error": "no money"})
