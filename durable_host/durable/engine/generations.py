"""Which generation of the SDK an instance was begun with, and whether code of the other one can go on with it.

1.x counts its tasks from 0 and encodes inputs twice, 2.x counts from 1 and does not. The first row tells who wrote it:
in histories of 2.x code no event is marked as played.

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
    """Why the code must not go on with a history that was loaded, as a sentence; None when it may."""
    started = state.started
    if started is None or state.is_terminal:
        return None
    first = next((event for event in state.history if isinstance(event, _NUMBERED)), None)
    if first is None:
        return None
    if state.is_numbered and started.is_played and first.event_id == 0:
        return (
            f"The instance '{state.instance_id}' was begun with azure-functions-durable 1.x, and its history holds "
            f"{first.event_name} 0: tasks are numbered in another way than by the 2.x SDK of this app, so it does not "
            "go on. Its rows stay as they are. Finish it with the 1.x SDK, or terminate it."
        )
    if not state.is_numbered and not started.is_played and first.event_id > 0:
        return (
            f"The instance '{state.instance_id}' was begun with azure-functions-durable 2.x, which the 1.x SDK of this "
            "app cannot go on with. Its rows stay as they are. Finish it with the 2.x SDK, or terminate it."
        )
    return None


def as_seen_by_numbered_code(events: list[HistoryEvent]) -> list[HistoryEvent]:
    """A history for 2.x code. The input of an instance that 1.x has begun loses the encoding that its SDK added."""
    return [
        msgspec.structs.replace(event, input=_unwrapped(event.input))
        if isinstance(event, ExecutionStarted) and event.is_played
        else event
        for event in events
    ]


def _unwrapped(input: str | None) -> str | None:
    """The JSON text inside a JSON string, if that is what it holds."""
    if input is None or not input.startswith('"'):
        return input
    try:
        inner = msgspec.json.decode(input, type=str)
        msgspec.json.decode(inner)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return input
    return inner
