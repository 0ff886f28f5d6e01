"""States and histories as `func durable` prints them, with the members of DurableTask.Core in the same order.

Source: docs/protocol/task-hub-storage-messages.md#event-json,
    docs/protocol/functions-host-cli.md#instance-state-json
"""

import json
from collections.abc import Iterable
from typing import Any, Final

from durable_host import timestamp
from durable_host.durable.model.events import HistoryEvent
from durable_host.durable.model.instance import InstanceState

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


def history(events: Iterable[HistoryEvent], *, as_stored: bool = False) -> list[dict[str, Any]]:
    """The events, sorted by time (stable), or in stored order with `as_stored`."""
    from durable_host.durable.taskhub.azure.history_json import write_history

    return write_history(events if as_stored else sorted(events, key=lambda event: event.timestamp))


def indented(document: Any) -> str:
    """JSON text, indented like Json.NET's."""
    return json.dumps(document, indent=2, ensure_ascii=False)
