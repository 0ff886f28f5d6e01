"""Describes a request: a word for the faults (`commit`, `put.control`, ...) and a line for the trace."""

import json
import re
from typing import Any

from durable_host.testing.memory_storage.storage_exchange import StorageRequest

_ROW = re.compile(rb'"EventType":"(\w+)"')
_QUEUE = {"GET": "get", "POST": "put", "DELETE": "delete", "PUT": "update"}
LABELS = (
    "commit", "history.read", "row.write", "row.read", "partitions.read", "partitions.write", "tables.create",
    "put.control", "put.work", "get.control", "get.work", "delete.control", "delete.work", "update.control",
    "update.work", "queues.create", "lease", "blob.write", "blob.read", "blob.delete",
)  # fmt: skip
"""All labels. `row` is that of an instance."""


def label_of(request: StorageRequest) -> str:
    """The label of a request."""
    path, method = request.path, request.method
    if request.service == "queue":
        queue, _, rest = path.strip("/").partition("/")
        if not rest:
            return "queues.create"
        return f"{_QUEUE[method]}.{'work' if queue.endswith('-workitems') else 'control'}"
    if request.service == "blob":
        if request.query.get("comp") == "lease":
            return "lease"
        return {"GET": "blob.read", "HEAD": "blob.read", "DELETE": "blob.delete"}.get(method, "blob.write")
    if path == "/$batch":
        return "commit"
    if path.startswith("/Tables"):
        return "tables.create"
    if "Partitions" in path:
        return "partitions.read" if method == "GET" else "partitions.write"
    if "History" in path:
        return "history.read" if method == "GET" else "commit"
    return "row.read" if method == "GET" else "row.write"


def describe(request: StorageRequest) -> str:
    """A line for a reader: which message, which rows."""
    if request.service == "queue":
        return _queue_line(request)
    if request.service == "table":
        if request.path == "/$batch":
            return f"commit {_partition(request.body)}: {_rows(request.body)}"
        what = request.query.get("$filter", "")
        columns = _columns(request.body) if "Instances" in request.path else ""
        return f"{request.method} {request.path} {what}{columns}"
    comp = request.query.get("comp", "")
    return f"{request.method} blob {request.path} {comp}{request.headers.get('x-ms-lease-action', '')}"


def describe_message(text: str) -> str:
    """Kind, number and target of the task message in a queue."""
    try:
        envelope: dict[str, Any] = json.loads(text)
    except ValueError:
        return text[:40]
    task = envelope.get("TaskMessage")
    if not task:
        return f"-> {envelope.get('CompressedBlobName')}"
    event = task["Event"]
    kind = event.get("EventType")
    name = _NUMBERED_BY_VALUE.get(kind, str(kind)) if isinstance(kind, int) else str(kind)
    numbers = [
        f"{key}={str(event[key])[:60]}"
        for key in ("EventId", "TaskScheduledId", "TimerId", "FireAt", "Name", "Input")
        if event.get(key) not in (None, -1)
    ]
    target = task["OrchestrationInstance"]
    sender = envelope.get("Sender") or {}
    return (
        f"{name}({' '.join(numbers)}) to {target['InstanceId']}|{str(target.get('ExecutionId'))[:4]} "
        f"from {sender.get('InstanceId') or 'client'} id {str(envelope.get('ActivityId'))[:8]}"
    )


_NUMBERED_BY_VALUE = {
    0: "ExecutionStarted", 1: "ExecutionCompleted", 2: "ExecutionFailed", 3: "ExecutionTerminated", 4: "TaskScheduled",
    5: "TaskCompleted", 6: "TaskFailed", 7: "SubCreated", 8: "SubCompleted", 9: "SubFailed", 10: "TimerCreated",
    11: "TimerFired", 12: "OrchestratorStarted", 13: "OrchestratorCompleted", 14: "EventSent", 15: "EventRaised",
    16: "ContinueAsNew", 17: "GenericEvent", 18: "HistoryState", 19: "ExecutionSuspended", 20: "ExecutionResumed",
}  # fmt: skip


def _queue_line(request: StorageRequest) -> str:
    queue, _, rest = request.path.strip("/").partition("/")
    short = queue.rsplit("-", 2 if "control" in queue else 1)[-1]
    line = f"{_QUEUE[request.method]} {short} {rest.removeprefix('messages').strip('/')[:8]}"
    hidden = request.query.get("visibilitytimeout")
    if request.method == "POST":
        text = request.body.decode().partition("<MessageText>")[2].partition("</MessageText>")[0]
        line += describe_message(text.replace("&amp;", "&").replace("&lt;", "<").replace("&gt;", ">"))
    return f"{line} hidden {hidden}" if hidden else line


def _partition(body: bytes) -> str:
    found = re.search(rb"PartitionKey='((?:[^']|'')*)'", body) or re.search(rb'"PartitionKey":"([^"]*)"', body)
    return found.group(1).decode() if found else "?"


def _rows(body: bytes) -> str:
    rows = " ".join(name.decode() for name in _ROW.findall(body))
    return rows + _columns(body)


def _columns(body: bytes) -> str:
    found = re.findall(rb'"(RuntimeStatus|CustomStatus|Owed|OwedMessages|Consumed|CommitId|Unfinished|Output)":'
                       rb'("(?:[^"\\]|\\.){0,60})', body)  # fmt: skip
    return "".join(f" {name.decode()}={value.decode()}" for name, value in found)
