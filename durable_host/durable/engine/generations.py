"""Detects which SDK generation started an instance, and whether code of the other one can continue it.

1.x numbers tasks from 0 and encodes inputs twice; 2.x numbers them from 1 and does not. The first row shows who wrote
it: histories of 2.x code contain no events marked as played.

Source: docs/protocol/durable-v2.md#instances-of-the-other-generation
"""

import msgspec

from durable_host.durable.engine.state import OrchestrationState
from durable_host.durable.model.events import (
    EventSent,
    ExecutionStarted,
    HistoryEvent,
    SubOrchestrationInstanceCreated,
    TaskScheduled,
    TimerCreated,
)

_NUMBERED = (TaskScheduled, TimerCreated, SubOrchestrationInstanceCreated, EventSent)


def refusal_of(state: OrchestrationState) -> str | None:
    """Return why the code must not continue a loaded history, as a sentence, or None if it may."""
    started = state.started
    if started is None or state.is_terminal:
        return None
    first = next((event for event in state.history if isinstance(event, _NUMBERED)), None)
    if first is None:
        return None
    if state.is_numbered and started.is_played and first.event_id == 0:
        return (
            f"The instance '{state.instance_id}' was started with azure-functions-durable 1.x: its history has "
            f"{first.event_name} 0, but the 2.x SDK of this app numbers tasks from 1. The instance does not run, and "
            "its history is unchanged. Finish it with the 1.x SDK, or terminate it."
        )
    if not state.is_numbered and not started.is_played and first.event_id > 0:
        return (
            f"The instance '{state.instance_id}' was started with azure-functions-durable 2.x, and the 1.x SDK of this "
            "app cannot continue it. Its history is unchanged. Finish it with the 2.x SDK, or terminate it."
        )
    return None


def as_seen_by_numbered_code(events: list[HistoryEvent]) -> list[HistoryEvent]:
    """Return a history for 2.x code. If 1.x started the instance, its input loses the extra encoding of that SDK."""
    return [
        msgspec.structs.replace(event, input=_unwrapped(event.input))
        if isinstance(event, ExecutionStarted) and event.is_played
        else event
        for event in events
    ]


def _unwrapped(input: str | None) -> str | None:
    """Return the JSON text inside a JSON string, or the input itself if it does not contain any."""
    if input is None or not input.startswith('"'):
        return input
    try:
        inner = msgspec.json.decode(input, type=str)
        msgspec.json.decode(inner)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return input
    return inner
