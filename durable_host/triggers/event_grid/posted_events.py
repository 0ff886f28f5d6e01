"""Events as Event Grid posts them: its own schema and that of CloudEvents 1.0, one by one or as an array."""

import json
from collections.abc import Iterable, Mapping
from typing import Any, Final, cast

_VALIDATION: Final = "Microsoft.EventGrid.SubscriptionValidationEvent"

_MOST: Final = 5_000
"""Events in one request: as many as Event Grid puts into a batch."""

Event = Mapping[str, Any]


def events_of(body: bytes) -> list[Event]:
    """The events of a request. Raises ValueError for a body that holds none, or too many."""
    try:
        content: Any = json.loads(body)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    events = cast("list[Any]", content) if isinstance(content, list) else [content]
    if not events or not all(isinstance(event, dict) for event in events):
        raise ValueError("an event is a JSON object")
    if len(events) > _MOST:
        raise ValueError(f"there are {len(events):,}, and a batch has at most {_MOST:,}")
    return cast("list[Event]", events)


def kind_of(event: Event) -> Any:
    """What has happened: `eventType`, or `type` of a CloudEvent."""
    return event.get("eventType") or event.get("type")


def data_of(event: Event) -> dict[str, Any]:
    """Empty when the event has none, or data that is not an object."""
    data = event.get("data")
    return cast("dict[str, Any]", data) if isinstance(data, dict) else {}


def validation_code(events: Iterable[Event]) -> str | None:
    """What has to be answered to a new subscription that asks whether this webhook wants its events."""
    for event in events:
        if kind_of(event) == _VALIDATION:
            code = data_of(event).get("validationCode")
            return code if isinstance(code, str) else None
    return None
