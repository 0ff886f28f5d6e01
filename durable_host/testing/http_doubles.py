"""Doubles of `call_http`: its requests are activities of the host, and in 2.x apps of the SDK."""

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from durable_host.durable.engine.decisions import HTTP_ACTIVITY
from durable_host.testing.json_values import as_json
from durable_host.testing.stand_ins import ErrorInPlace, Replacement

__tracebackhide__ = True

CALL_HTTP: Final = "call_http"
"""The name of the double of all requests."""

_OF_SDK: Final = "BuiltIn__HttpActivity"
_STATUS_NAMES: Final = {HTTP_ACTIVITY: "statusCode", _OF_SDK: "status_code"}
_NO_RESPONSE: Final = (
    "The double of call_http returned a value that is not a response. A response is an object with 'status_code', and "
    "perhaps 'headers' and 'content'."
)


def http_activity(activities: Mapping[str, str]) -> str:
    """The function that sends the requests of an app with these activities (durable name → function)."""
    return activities.get(_OF_SDK, HTTP_ACTIVITY)


def as_response(replacement: Replacement, activity: str) -> Replacement:
    """The replacement in the form that this function returns, if it sends requests; for others, unchanged."""
    status_name = _STATUS_NAMES.get(activity)
    if status_name is None or replacement.error is not None:
        return replacement
    try:
        given = msgspec.json.decode(replacement.result or "null", type=dict[str, Any])
        status = int(given.get("status_code", given.get("statusCode")))  # pyright: ignore[reportArgumentType]
    except (msgspec.ValidationError, TypeError, ValueError):
        return Replacement(error=ErrorInPlace("ValueError", _NO_RESPONSE))
    content = given.get("content", "")
    return Replacement(
        as_json(
            {
                status_name: status,
                "headers": given.get("headers", {}),
                "content": content if isinstance(content, str) else as_json(content),
            }
        )
    )
