"""Rows of the Instances table.

Source: docs/protocol/task-hub-storage-instances.md#instance-row,
    docs/protocol/task-hub-storage-instances.md#row-writes
"""

from collections.abc import Mapping
from typing import Any

from durable_host.durable.model.events import ExecutionStarted
from durable_host.durable.model.instance import InstanceState, InstanceUpdate
from durable_host.durable.model.status import OrchestrationStatus
from durable_host.durable.taskhub.azure import json_net, nested_json
from durable_host.durable.taskhub.azure.history_rows import Row, clean
from durable_host.durable.taskhub.azure.names import unescape_key
from durable_host.storage.table_codec import EdmDateTime

SELECTED = (
    "PartitionKey",
    "RowKey",
    "Timestamp",
    "ExecutionId",
    "Name",
    "Version",
    "Input",
    "Output",
    "CustomStatus",
    "CreatedTime",
    "LastUpdatedTime",
    "CompletedTime",
    "RuntimeStatus",
    "ScheduledStartTime",
    "Generation",
    "Tags",
    "ParentInstanceId",
)


def selection(*, fetch_input: bool, fetch_output: bool) -> tuple[str, ...] | None:
    """Return the select list of a query, or None for whole rows."""
    if fetch_input and fetch_output:
        return None
    left_out = {name for name, wanted in (("Input", fetch_input), ("Output", fetch_output)) if not wanted}
    return tuple(name for name in SELECTED if name not in left_out)


def created_row(partition_key: str, hub: str, start: ExecutionStarted, input: str | None, now: int) -> Row:
    """Return the row that a client writes to create an instance. `input` may be a blob URL."""
    return {
        "PartitionKey": partition_key,
        "RowKey": "",
        "Input": clean(input),
        "CreatedTime": EdmDateTime(start.timestamp),
        "Name": clean(start.name),
        "Version": clean(start.version),
        "RuntimeStatus": OrchestrationStatus.Pending.name,
        "LastUpdatedTime": EdmDateTime(now),
        "TaskHubName": hub,
        "ScheduledStartTime": _date(start.scheduled_start_time),
        "ExecutionId": start.orchestration_instance.execution_id,
        "Generation": start.generation,
        "Tags": clean(nested_json.tags(start.tags, typed=False)),
        "ParentInstanceId": "",
    }


def update_row(partition_key: str, hub: str, update: InstanceUpdate) -> Row:
    """Return what an episode merges into the row."""
    row: Row = {
        "PartitionKey": partition_key,
        "RowKey": "",
        "CustomStatus": clean(update.custom_status),
        "ExecutionId": update.execution_id,
        "LastUpdatedTime": EdmDateTime(update.last_updated_time),
        "TaskHubName": hub,
        "ParentInstanceId": clean(update.parent_instance_id),
    }
    started = update.started
    if started is not None:
        row["Name"] = clean(started.name)
        row["Version"] = clean(started.version)
        row["CreatedTime"] = EdmDateTime(started.timestamp)
        row["RuntimeStatus"] = OrchestrationStatus.Running.name
        row["Tags"] = clean(nested_json.tags(started.tags, typed=False))
        row["Generation"] = started.generation
        if started.scheduled_start_time is not None:
            row["ScheduledStartTime"] = EdmDateTime(started.scheduled_start_time)
        row["Input"] = clean(started.input)
    if update.runtime_status is not None:
        row["RuntimeStatus"] = update.runtime_status.name
    if update.completed_time is not None:
        row["CompletedTime"] = EdmDateTime(update.completed_time)
    if update.output is not None:
        row["Output"] = clean(update.output)
    return row


def read_instance(row: Mapping[str, Any]) -> InstanceState:
    """Return the state in a row, with input and output as stored. An unknown status counts as Running."""
    return InstanceState(
        instance_id=unescape_key(row["PartitionKey"]),
        execution_id=_text(row, "ExecutionId"),
        name=_text(row, "Name") or "",
        version=_text(row, "Version"),
        runtime_status=_status(row.get("RuntimeStatus")),
        created_time=_ticks(row, "CreatedTime") or 0,
        last_updated_time=_ticks(row, "LastUpdatedTime") or 0,
        completed_time=_ticks(row, "CompletedTime"),
        scheduled_start_time=_ticks(row, "ScheduledStartTime"),
        input=_text(row, "Input"),
        output=_text(row, "Output"),
        custom_status=_text(row, "CustomStatus"),
        generation=_ticks(row, "Generation"),
        tags=read_tags(_text(row, "Tags")),
        parent_instance_id=_text(row, "ParentInstanceId") or None,
        etag=getattr(row, "etag", None) or None,
    )


def _date(ticks: int | None) -> EdmDateTime | None:
    return None if ticks is None else EdmDateTime(ticks)


def _text(row: Mapping[str, Any], column: str) -> str | None:
    value = row.get(column)
    return value if value is None or isinstance(value, str) else str(value)


def _ticks(row: Mapping[str, Any], column: str) -> int | None:
    value = row.get(column)
    return int(value) if isinstance(value, int) else None


def _status(text: Any) -> OrchestrationStatus:
    try:
        return OrchestrationStatus[text]
    except KeyError:
        return OrchestrationStatus.Running


def read_tags(text: str | None) -> dict[str, str] | None:
    """Return the tags in a column, or None."""
    if not text or text == "null":
        return None
    try:
        return nested_json.read_tags(json_net.parse(text))
    except ValueError:
        return None
