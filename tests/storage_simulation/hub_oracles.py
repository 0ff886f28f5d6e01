"""Checks of a hub after a clean stop in the middle, and at the end."""

import json
from collections import Counter
from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import Any

from stored_hub import TERMINAL, Row, StoredHub, StoredMessage, is_identity

_COMPLETIONS = ("TaskCompleted", "TaskFailed")
_CHILD_ENDS = ("SubOrchestrationInstanceCompleted", "SubOrchestrationInstanceFailed")
_DEBT = ("Owed", "OwedMessages", "Unfinished")


def after_clean_stop(hub: StoredHub, is_served: Callable[[str], bool]) -> Iterator[str]:
    """What the storage lacks to be handed to an official worker. `is_served`: whether a host of ours had the partition
    of an instance.
    """
    messages = list(hub.messages())
    for message in messages:
        yield from _layout(message)
    for instance_id, row in hub.instances().items():
        if not is_served(instance_id):
            continue
        sentinel = hub.sentinel(instance_id) or {}
        for column in _DEBT:
            if sentinel.get(column):
                yield f"{instance_id} still has the mark {column}={str(sentinel[column])[:40]} after a clean stop"
        if row.get("RuntimeStatus") in TERMINAL or instance_id.startswith("@"):
            continue
        history = hub.history(instance_id)
        if not history or row.get("RuntimeStatus") == "Pending":
            if not any(_is_for(one, instance_id) for one in messages):
                yield f"{instance_id} is {row.get('RuntimeStatus')}, and no message will wake it"
            continue
        yield from _open_work(hub, instance_id, history, messages)


def _layout(message: StoredMessage) -> Iterator[str]:
    task = message.envelope.get("TaskMessage") or {}
    name = f"{message.kind} to {message.target.get('InstanceId')}"
    if next(iter(task.get("Event", {})), None) != "$type":
        yield f"{name}: $type is not first in Event"
    if not is_identity(message.envelope.get("ActivityId")):
        yield f"{name}: its ActivityId is {message.envelope.get('ActivityId')}"
    if not isinstance(message.envelope.get("Sender"), dict):
        yield f"{name}: it has no Sender"


def _open_work(hub: StoredHub, instance_id: str, history: list[Row], messages: list[StoredMessage]) -> Iterator[str]:
    execution = history[0].get("ExecutionId")
    mine = [one for one in messages if one.target.get("InstanceId") == instance_id]
    current = [one for one in mine if one.target.get("ExecutionId") in (None, "", execution)]
    by_type = _rows_by_type(history)
    ended = {row["TaskScheduledId"] for kind in (*_COMPLETIONS, *_CHILD_ENDS) for row in by_type.get(kind, ())}
    arriving = {one.event["TaskScheduledId"] for one in current if one.kind in (*_COMPLETIONS, *_CHILD_ENDS)}
    scheduled = {row["EventId"] for row in by_type.get("TaskScheduled", ())}
    for row in by_type.get("TaskScheduled", ()):
        number = row["EventId"]
        requested = any(one.kind == "TaskScheduled" and one.event["EventId"] == number for one in current)
        if number not in ended | arriving and not requested:
            yield f"activity {number} of {instance_id} is open and has no message"
    was_rewound = any(str(row.get("Reason")).startswith("Rewound") for row in history)
    fired = {row["TimerId"] for row in by_type.get("TimerFired", ())}
    for row in by_type.get("TimerCreated", ()):
        due = [one for one in current if one.kind == "TimerFired" and one.event["TimerId"] == row["EventId"]]
        if row["EventId"] not in fired and not due and not was_rewound:
            yield f"timer {row['EventId']} of {instance_id} is open and has no message"
    for row in by_type.get("SubOrchestrationInstanceCreated", ()):
        number, child = row["EventId"], row["InstanceId"]
        lives = hub.status(child) not in (None, *TERMINAL) or any(_is_for(one, child) for one in messages)
        if number not in ended | arriving and not lives:
            yield f"child {child} of {instance_id} is open and has no message"
    names = {row.get("Name") for row in by_type.get("EventRaised", ())}
    for row in by_type.get("EventSent", ()):
        request = _json(row.get("Input"))
        if not isinstance(request, dict) or request.get("signal") or request.get("op") is None:
            continue
        id = request.get("id", "")
        answered = id in names or any(one.kind == "EventRaised" and one.event.get("Name") == id for one in current)
        asked = any(id in (one.event.get("Input") or "") for one in messages if one.kind == "EventRaised")  # pyright: ignore[reportOperatorIssue]
        if not answered and not asked:
            yield f"the call of {row.get('InstanceId')} by {instance_id} is open and has no message"
    for one in current:
        if one.kind in _COMPLETIONS and one.event["TaskScheduledId"] not in scheduled:
            yield f"a result of task {one.event['TaskScheduledId']} waits for {instance_id}, which has no such task"


def of_history(instance_id: str, history: list[Row], sent: Counter[str], spare: int) -> Iterator[str]:
    """What is wrong in one history. `sent` counts the events that clients sent, by value; `spare` is how many rows were
    doubled from outside.
    """
    for problem in (*_wrong_results(history), *_wrong_timers(history)):
        yield f"{instance_id}: {problem}"
    bounds = [
        row["EventType"] for row in history if row["EventType"] in ("OrchestratorStarted", "OrchestratorCompleted")
    ]
    if ("OrchestratorStarted", "OrchestratorStarted") in pairwise(bounds):
        yield f"{instance_id}: an episode begins before the previous one ends"
    doubles = list(_doubles(history, sent))
    if len(doubles) > spare:
        yield f"{instance_id}: recorded twice: {', '.join(doubles)}"


def _wrong_results(history: list[Row]) -> Iterator[str]:
    """Results of tasks that are not of their kind."""
    rows = _rows_by_type(history)
    scheduled = {row["EventId"] for row in rows.get("TaskScheduled", ())}
    children = {row["EventId"] for row in rows.get("SubOrchestrationInstanceCreated", ())}
    for row in history:
        kind = row["EventType"]
        if kind in _COMPLETIONS or kind in _CHILD_ENDS:
            number = row["TaskScheduledId"]
            if "Rewound" not in str(row) and number not in (scheduled if kind in _COMPLETIONS else children):
                yield f"{kind} answers task {number}, which is not of its kind"


def _wrong_timers(history: list[Row]) -> Iterator[str]:
    """Timers that fired with the due time of another one."""
    due: dict[Any, Any] = {}
    for row in history:
        if row["EventType"] == "TimerCreated":
            due[row["EventId"]] = row["FireAt"]
        elif row["EventType"] == "TimerFired" and due.get(row["TimerId"]) != row["FireAt"]:
            number = row["TimerId"]
            yield f"timer {number} of {due.get(number)} fired as that of {row['FireAt']}"


def _doubles(history: list[Row], sent: Counter[str]) -> Iterator[str]:
    """What the history records more often than it happened."""
    seen: Counter[Any] = Counter()
    for row in history:
        kind, most = row["EventType"], 1
        if kind in _COMPLETIONS or kind in _CHILD_ENDS:
            key, text = row["TaskScheduledId"], f"{kind} of task {row['TaskScheduledId']}"
        elif kind == "TimerFired":
            key, text = ("timer", row["TimerId"]), f"TimerFired of timer {row['TimerId']}"
        elif kind == "EventRaised":
            value = _json(row.get("Input"))
            is_from_outside = isinstance(value, str) and "#" in value
            name = value if is_from_outside else str(row.get("Name"))
            key, text = ("event", name), f"EventRaised {name}"
            most = max(1, sent[name]) if is_from_outside else 1
        else:
            continue
        seen[key] += 1
        if seen[key] > most:
            yield text


def _rows_by_type(history: list[Row]) -> dict[str, list[Row]]:
    found: dict[str, list[Row]] = {}
    for row in history:
        found.setdefault(row["EventType"], []).append(row)
    return found


def _is_for(message: StoredMessage, instance_id: str) -> bool:
    return message.target.get("InstanceId") == instance_id


def _json(text: Any) -> Any:
    try:
        return json.loads(text)
    except (TypeError, ValueError):
        return None
