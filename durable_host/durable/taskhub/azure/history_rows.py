"""Rows of the History table: one row per event, with exact columns and Edm types.

The .NET reader fails on a column with a wrong type, so values that need a type are wrapped.

Source: docs/protocol/task-hub-storage-history.md#event-row-columns,
    docs/protocol/task-hub-storage-history.md#sentinel-row,
    docs/protocol/task-hub-storage-additions.md#sentinel-columns
"""

import re
from collections.abc import Callable
from typing import Any

from durable_host.durable.model import events as e
from durable_host.durable.taskhub.azure import json_net
from durable_host.durable.taskhub.azure import nested_json as nested
from durable_host.durable.taskhub.azure.event_reader import build
from durable_host.durable.taskhub.azure.names import SENTINEL
from durable_host.storage.table_codec import EdmDateTime

Row = dict[str, Any]

OWED = "Owed"
OWED_MESSAGES = "OwedMessages"
CONSUMED = "Consumed"
OWED_BY = "OwedBy"
OWN_COLUMNS = (OWED, OWED_BY, OWED_MESSAGES, CONSUMED)
"""This host's own columns on the sentinel, the only row on which the official backend keeps them."""
COMMIT_ID = "CommitId"
UNFINISHED = "Unfinished"

_SURROGATE = re.compile("[\ud800-\udfff]")
_JSON_COLUMNS = ("OrchestrationInstance", "ParentInstance", "Tags", "ParentTraceContext", "FailureDetails")


class UnreadableRow(Exception):
    """A row cannot be read. The exception text says why."""


def clean(text: str | None) -> str | None:
    """Return text that a table can store: an unpaired surrogate becomes U+FFFD."""
    return text if text is None or text.isascii() else _SURROGATE.sub("\ufffd", text)


def event_row(partition_key: str, row_key: str, execution_id: str, event: e.HistoryEvent) -> Row:
    """Return the row of one event. Absent columns are None or missing."""
    row: Row = {"PartitionKey": partition_key, "RowKey": row_key}
    _COLUMNS[type(event)](row, event)
    row["EventId"] = event.event_id
    row["IsPlayed"] = event.is_played
    row["_Timestamp"] = EdmDateTime(event.timestamp)
    row["EventType"] = event.event_name
    row["ExecutionId"] = execution_id
    return row


def sentinel_row(partition_key: str, execution_id: str, *, complete: bool, now: int) -> Row:
    """Return the sentinel, whose etag guards the history."""
    row: Row = {
        "PartitionKey": partition_key,
        "RowKey": SENTINEL,
        "ExecutionId": execution_id,
        "IsCheckpointComplete": complete,
    }
    if complete:
        row["CheckpointCompletedTimestamp"] = EdmDateTime(now)
    return row


def read_row(row: Row) -> e.HistoryEvent:
    """Return the event of a row. Raises `UnreadableRow`."""
    kind = e.EVENT_CLASS_BY_NAME.get(row.get("EventType") or "")
    if kind is None:
        raise UnreadableRow(f"its EventType is {row.get('EventType')!r}")
    members = dict(row)
    try:
        for column in _JSON_COLUMNS:
            text = members.get(column)
            if isinstance(text, str):
                members[column] = _json_column(text)
        moment = row.get("_Timestamp")
        return build(kind, members, int(moment) if isinstance(moment, int) else 0)
    except (ValueError, TypeError, AttributeError, RecursionError) as problem:
        raise UnreadableRow(str(problem)) from None


def _json_column(text: str) -> Any:
    return None if text in ("null", "") else json_net.parse(text)


def _execution_started(row: Row, v: e.ExecutionStarted) -> None:
    row["OrchestrationInstance"] = clean(nested.instance(v.orchestration_instance, typed=False))
    row["ParentInstance"] = clean(nested.parent(v.parent_instance, typed=False))
    row["Name"] = clean(v.name)
    row["Version"] = clean(v.version)
    row["Input"] = clean(v.input)
    row["Tags"] = clean(nested.tags(v.tags, typed=False))
    row["Correlation"] = clean(v.correlation)
    row["ParentTraceContext"] = clean(nested.trace(v.parent_trace_context, typed=False))
    if v.scheduled_start_time is not None:
        row["ScheduledStartTime"] = EdmDateTime(v.scheduled_start_time)
    row["Generation"] = v.generation
    row["GenerateNewTrace"] = v.generate_new_trace


def _execution_completed(row: Row, v: e.ExecutionCompleted | e.ContinueAsNew) -> None:
    row["OrchestrationStatus"] = v.orchestration_status.name
    row["Result"] = clean(v.result)
    row["FailureDetails"] = clean(nested.failure(v.failure_details, typed=False))


def _input(row: Row, v: e.ExecutionTerminated) -> None:
    row["Input"] = clean(v.input)


def _reason(row: Row, v: e.ExecutionSuspended | e.ExecutionResumed) -> None:
    row["Reason"] = clean(v.reason)


def _task_scheduled(row: Row, v: e.TaskScheduled) -> None:
    row["Name"] = clean(v.name)
    row["Version"] = clean(v.version)
    row["Input"] = clean(v.input)
    row["ParentTraceContext"] = clean(nested.trace(v.parent_trace_context, typed=False))
    row["Tags"] = clean(nested.tags(v.tags, typed=False))


def _completed(row: Row, v: e.TaskCompleted | e.SubOrchestrationInstanceCompleted) -> None:
    row["TaskScheduledId"] = v.task_scheduled_id
    row["Result"] = clean(v.result)


def _failed(row: Row, v: e.TaskFailed | e.SubOrchestrationInstanceFailed) -> None:
    row["TaskScheduledId"] = v.task_scheduled_id
    row["Reason"] = clean(v.reason)
    row["Details"] = clean(v.details)
    row["FailureDetails"] = clean(nested.failure(v.failure_details, typed=False))


def _sub_created(row: Row, v: e.SubOrchestrationInstanceCreated) -> None:
    row["Name"] = clean(v.name)
    row["Version"] = clean(v.version)
    row["InstanceId"] = clean(v.instance_id)
    row["Input"] = clean(v.input)
    row["ClientSpanId"] = clean(v.client_span_id)
    row["Tags"] = clean(nested.tags(v.tags, typed=False))


def _timer_created(row: Row, v: e.TimerCreated) -> None:
    row["FireAt"] = EdmDateTime(v.fire_at)


def _timer_fired(row: Row, v: e.TimerFired) -> None:
    row["TimerId"] = v.timer_id
    row["FireAt"] = EdmDateTime(v.fire_at)


def _event_sent(row: Row, v: e.EventSent) -> None:
    row["InstanceId"] = clean(v.instance_id)
    row["Name"] = clean(v.name)
    row["Input"] = clean(v.input)


def _event_raised(row: Row, v: e.EventRaised) -> None:
    row["Name"] = clean(v.name)
    row["Input"] = clean(v.input)
    row["ParentTraceContext"] = clean(nested.trace(v.parent_trace_context, typed=False))


def _generic(row: Row, v: e.GenericEvent) -> None:
    row["Data"] = clean(v.data)
    row["Reason"] = clean(v.reason)


def _rewound(row: Row, v: e.ExecutionRewound) -> None:
    row["Reason"] = clean(v.reason)
    row["ParentExecutionId"] = clean(v.parent_execution_id)
    row["InstanceId"] = clean(v.instance_id)
    row["ParentTraceContext"] = clean(nested.trace(v.parent_trace_context, typed=False))


def _nothing(row: Row, v: e.HistoryEvent) -> None:
    pass


_COLUMNS: dict[type[e.HistoryEvent], Callable[[Row, Any], None]] = {
    e.ExecutionStarted: _execution_started,
    e.ExecutionCompleted: _execution_completed,
    e.ContinueAsNew: _execution_completed,
    e.ExecutionTerminated: _input,
    e.TaskScheduled: _task_scheduled,
    e.TaskCompleted: _completed,
    e.TaskFailed: _failed,
    e.SubOrchestrationInstanceCreated: _sub_created,
    e.SubOrchestrationInstanceCompleted: _completed,
    e.SubOrchestrationInstanceFailed: _failed,
    e.TimerCreated: _timer_created,
    e.TimerFired: _timer_fired,
    e.OrchestratorStarted: _nothing,
    e.OrchestratorCompleted: _nothing,
    e.EventSent: _event_sent,
    e.EventRaised: _event_raised,
    e.GenericEvent: _generic,
    e.ExecutionSuspended: _reason,
    e.ExecutionResumed: _reason,
    e.ExecutionRewound: _rewound,
}
