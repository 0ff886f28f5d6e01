"""A history as a JSON document: an array of DurableTask.Core events with the names of their types.

Source: docs/protocol/task-hub-storage-messages.md#event-json,
    docs/protocol/functions-host-cli.md#durable-commands
"""

import json
from collections.abc import Iterable
from typing import Any, cast

from durable_host.durable.model.events import EVENT_CLASS_BY_NAME, HistoryEvent
from durable_host.durable.taskhub.azure.event_json import encode_event
from durable_host.durable.taskhub.azure.event_reader import build, read_ticks


def write_history(events: Iterable[HistoryEvent]) -> list[dict[str, Any]]:
    """Return the JSON objects of the events, in the given order."""
    return [_written(event) for event in events]


def read_history(document: Any) -> list[HistoryEvent]:
    """Return the events of a document from `write_history`. Raises ValueError for anything else."""
    if not isinstance(document, list):
        raise ValueError("A history is a JSON array of events.")
    return [_read(entry) for entry in cast("list[Any]", document)]


def _written(event: HistoryEvent) -> dict[str, Any]:
    members = cast("dict[str, Any]", _without_types(json.loads(encode_event(event))))
    members["EventType"] = event.event_name
    return members


def _read(entry: Any) -> HistoryEvent:
    members = cast("dict[str, Any]", entry) if isinstance(entry, dict) else {}
    kind = EVENT_CLASS_BY_NAME.get(str(members.get("EventType")))
    if kind is None:
        raise ValueError(f"{json.dumps(entry)[:80]} is not a history event: its EventType is not known.")
    return build(kind, members, read_ticks(members.get("Timestamp")))


def _without_types(value: Any) -> Any:
    if isinstance(value, dict):
        members = cast("dict[str, Any]", value)
        return {name: _without_types(member) for name, member in members.items() if name != "$type"}
    if isinstance(value, list):
        return [_without_types(item) for item in cast("list[Any]", value)]
    return value
