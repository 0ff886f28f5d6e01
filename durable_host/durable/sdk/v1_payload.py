"""The trigger payload of an orchestrator in the 1.x protocol.

Source: docs/protocol/durable-payload.md#top-level-fields
"""

import json
from collections.abc import Sequence
from typing import Any

import msgspec

from durable_host.durable.model.events import ExecutionStarted, HistoryEvent
from durable_host.durable.sdk.v1_history import REACTED_TO, event_json
from durable_host.durable.user_code import OrchestratorTurn

UPPER_SCHEMA_VERSION = 1
UPPER_SCHEMA_VERSION_NEW = 3
LONG_TIMER_INTERVAL = "3.00:00:00"
MAX_SHORT_TIMER = "6.00:00:00"


def payload_text(turn: OrchestratorTurn, *, async_request_sleep_ms: int = 30_000) -> str:
    """Return the whole payload as JSON text."""
    started = next(event for event in turn.history if isinstance(event, ExecutionStarted))
    parent = started.parent_instance
    payload: dict[str, Any] = {
        "history": [event_json(event) for event in turn.history],
        "input": input_json(started.input),
        "instanceId": turn.instance_id,
        "isReplaying": started.is_played,
        "parentInstanceId": parent.orchestration_instance.instance_id if parent is not None else None,
        "sourceInstanceId": None,
        "upperSchemaVersion": UPPER_SCHEMA_VERSION,
        "upperSchemaVersionNew": UPPER_SCHEMA_VERSION_NEW,
        "longRunningTimerIntervalDuration": LONG_TIMER_INTERVAL,
        "maximumShortTimerDuration": MAX_SHORT_TIMER,
        "defaultHttpAsyncRequestSleepTimeMillseconds": async_request_sleep_ms,
    }
    try:
        return msgspec.json.encode(payload).decode()
    except UnicodeEncodeError:
        payload["input"] = json.loads(started.input or "null")
        return json.dumps(payload)


def new_events(history: Sequence[HistoryEvent], seen: int) -> list[list[Any]]:
    """Return `[index, event]` for each event that a live session which has seen `seen` events needs."""
    return [
        [index, event_json(history[index])]
        for index in range(seen, len(history))
        if isinstance(history[index], REACTED_TO)
    ]


def input_json(stored: str | None) -> Any:
    """Return the stored input, decoded once. Text that is not JSON is passed on as a string."""
    if stored is None or not stored.strip():
        return None if stored is None else stored
    try:
        msgspec.json.decode(stored)
        return msgspec.Raw(stored.encode())
    except (msgspec.MsgspecError, UnicodeEncodeError):
        pass
    try:
        json.loads(stored)
    except ValueError:
        return stored
    return msgspec.Raw(stored.encode("utf-8", "surrogatepass"))
