"""Parses posted events: in Event Grid's schema or CloudEvents 1.0, single events or arrays."""

import json
from collections.abc import Iterable, Mapping
from typing import Any, Final, cast

_VALIDATION: Final = "Microsoft.EventGrid.SubscriptionValidationEvent"

_MOST: Final = 5_000
"""Most events in one request, as in a batch of Event Grid."""

Event = Mapping[str, Any]


def events_of(body: bytes) -> list[Event]:
    """The events in a request. Raises ValueError if the body is not valid or has too many."""
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
    """The type of an event: `eventType`, or `type` in a CloudEvent."""
    return event.get("eventType") or event.get("type")


def data_of(event: Event) -> dict[str, Any]:
    """The event's `data`; empty if it has none, or if it is not an object."""
    data = event.get("data")
    return cast("dict[str, Any]", data) if isinstance(data, dict) else {}


def validation_code(events: Iterable[Event]) -> str | None:
    """The validation code to return to a new subscription; None if there is no validation event."""
    for event in events:
        if kind_of(event) == _VALIDATION:
            code = data_of(event).get("validationCode")
            return code if isinstance(code, str) else None
    return None
