"""States and histories as `func durable` prints them: DurableTask.Core's members, in its order.

Source: spec/functions-host.md, section 8.12; spec/task-hub-storage.md, section 3.4.
"""

import json
from collections.abc import Iterable
from typing import Any, Final, cast

from durable_host.durable.model import timestamp
from durable_host.durable.model.events import HistoryEvent
from durable_host.durable.model.instance import InstanceState
from durable_host.durable.taskhub.azure.event_json import encode_event

_NEVER: Final = "0001-01-01T00:00:00"


def state(instance: InstanceState) -> dict[str, Any]:
    """One instance. Input, output and custom status are the stored JSON texts, as strings."""
    return {
        "CompletedTime": _NEVER if instance.completed_time is None else timestamp.to_text(instance.completed_time),
        "CompressedSize": 0,
        "CreatedTime": timestamp.to_text(instance.created_time),
        "Input": instance.input,
        "LastUpdatedTime": timestamp.to_text(instance.last_updated_time),
        "Name": instance.name,
        "OrchestrationInstance": {"InstanceId": instance.instance_id, "ExecutionId": instance.execution_id},
        "OrchestrationStatus": int(instance.runtime_status),
        "Output": instance.output,
        "ParentInstance": None,
        "Size": 0,
        "Status": instance.custom_status,
        "Tags": instance.tags,
        "Version": instance.version,
        "Generation": instance.generation,
        "ScheduledStartTime": None
        if instance.scheduled_start_time is None
        else timestamp.to_text(instance.scheduled_start_time),
        "FailureDetails": None,
    }


def history(events: Iterable[HistoryEvent]) -> list[dict[str, Any]]:
    """The events ordered by time (those of one time stay in their order), with the names of their types."""
    return [_event(event) for event in sorted(events, key=lambda event: event.timestamp)]


def _event(event: HistoryEvent) -> dict[str, Any]:
    members = cast("dict[str, Any]", _without_types(json.loads(encode_event(event))))
    members["EventType"] = event.event_name
    return members


def _without_types(value: Any) -> Any:
    if isinstance(value, dict):
        members = cast("dict[str, Any]", value)
        return {name: _without_types(member) for name, member in members.items() if name != "$type"}
    if isinstance(value, list):
        return [_without_types(item) for item in cast("list[Any]", value)]
    return value


def indented(document: Any) -> str:
    """As Json.NET writes it indented."""
    return json.dumps(document, indent=2, ensure_ascii=False)
