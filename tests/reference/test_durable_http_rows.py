"""Rows of the page durable-http about storage, with the columns that the real extension writes."""

import json
from typing import Any

import pytest

from durable_host.durable.model.events import ExecutionStarted, OrchestrationInstance
from durable_host.durable.model.instance import InstanceUpdate
from durable_host.durable.taskhub.azure import history_rows, instance_rows
from durable_host.storage.table_codec import write_entity

pytestmark = pytest.mark.unit


def _started(version: str | None) -> ExecutionStarted:
    instance = OrchestrationInstance("a", "0123456789abcdef0123456789abcdef")
    return ExecutionStarted(orchestration_instance=instance, name="Orch", version=version, generation=0)


def _created(started: ExecutionStarted) -> dict[str, Any]:
    return json.loads(write_entity(instance_rows.created_row("a", "Hub", started, None, 0)))


def _merged(started: ExecutionStarted, parent: str = "") -> dict[str, Any]:
    update = InstanceUpdate(execution_id="e", last_updated_time=0, started=started, parent_instance_id=parent)
    return json.loads(write_entity(instance_rows.update_row("a", "Hub", update)))


def _recorded(started: ExecutionStarted) -> dict[str, Any]:
    return json.loads(write_entity(history_rows.event_row("a", "0000000000000001", "e", started)))


@pytest.mark.parametrize("write", [_created, _merged, _recorded], ids=["created", "merged", "history"])
def test_rows_of_an_instance_without_a_version_have_no_such_column(write: Any) -> None:
    """durable-http 7: no `Version` in the row."""
    assert "Version" not in write(_started(None))
    assert write(_started("2.0"))["Version"] == "2.0"


def test_instance_rows_name_the_parent() -> None:
    """durable-http 8: row column `ParentInstanceId`, `''` for others."""
    assert _created(_started(None))["ParentInstanceId"] == ""
    assert _merged(_started(None))["ParentInstanceId"] == ""
    assert _merged(_started(None), parent="p")["ParentInstanceId"] == "p"
