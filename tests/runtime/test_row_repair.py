"""What the row of an instance must show after a crash."""

import pytest

from durable_host.durable.engine.state import OrchestrationState
from durable_host.durable.model.events import (
    ExecutionCompleted,
    ExecutionStarted,
    OrchestrationInstance,
    OrchestratorCompleted,
    OrchestratorStarted,
)
from durable_host.durable.model.instance import InstanceState
from durable_host.durable.model.status import OrchestrationStatus
from durable_host.durable.runtime.row_repair import repaired_row


def _ended(execution_id: str) -> OrchestrationState:
    started = ExecutionStarted(orchestration_instance=OrchestrationInstance("a", execution_id), name="Any")
    end = ExecutionCompleted(event_id=0, orchestration_status=OrchestrationStatus.Completed, result="1")
    return OrchestrationState.from_history("a", [OrchestratorStarted(), started, end, OrchestratorCompleted()])


@pytest.mark.parametrize("has_begun", [False, True])
def test_a_pending_row_of_another_execution_is_behind_only_if_its_start_was_consumed(has_begun: bool) -> None:
    pending = InstanceState(instance_id="a", execution_id="first", name="Any")
    update = repaired_row(pending, _ended("second"), has_begun=has_begun)
    assert (update is not None) is has_begun
    assert update is None or (update.execution_id, update.output) == ("second", "1")


def test_the_code_of_an_ended_instance_has_seen_all_but_its_end() -> None:
    assert [type(event) for event in _ended("x").seen_by_code()] == [OrchestratorStarted, ExecutionStarted]
