"""Which executions are the same, and who started one."""

import pytest

from durable_host.durable.model.events import (
    EventRaised,
    ExecutionStarted,
    OrchestrationInstance,
    ParentInstance,
    is_same_execution,
)
from durable_host.durable.model.messages import TaskMessage

_CHILD = OrchestrationInstance("child", "e1")
_PARENT = ParentInstance(name="Parent", orchestration_instance=OrchestrationInstance("p", "e0"), task_schedule_id=3)


@pytest.mark.parametrize(
    ("one", "other", "is_same"),
    [
        ("a1", "a1", True),
        ("a1", "A1", True),
        ("a1", "a2", False),
        (None, "a1", True),
        ("", "a1", True),
        ("a1", None, True),
        (None, None, True),
    ],
)
def test_executions_are_compared_without_case_and_no_id_means_any(
    one: str | None, other: str | None, is_same: bool
) -> None:
    assert is_same_execution(one, other) is is_same


@pytest.mark.parametrize(
    ("event", "is_of_client"),
    [
        (ExecutionStarted(orchestration_instance=_CHILD), True),
        (ExecutionStarted(orchestration_instance=_CHILD, parent_instance=_PARENT), False),
        (EventRaised(name="Approval"), False),
    ],
    ids=["client", "parent", "no start"],
)
def test_a_start_without_a_parent_comes_from_a_client(
    event: ExecutionStarted | EventRaised, is_of_client: bool
) -> None:
    assert TaskMessage(event, _CHILD).is_start_of_client is is_of_client
