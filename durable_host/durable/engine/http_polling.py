"""Polls an HTTP call: while the response is 202 with a `Location`, wait and request that location.

Source: docs/protocol/durable-actions.md#callhttp
"""

import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import urljoin

import msgspec

from durable_host.durable.model.actions import CallHttp
from durable_host.timestamp import TICKS_PER_SECOND

_ACCEPTED = 202
_KEY_HEADER = "x-functions-key"


class HttpPoll(msgspec.Struct, frozen=True):
    """The next request, the number reserved for it, and the ticks to wait before it."""

    number: int
    action: CallHttp
    delay: int


class _HttpCallResult(msgspec.Struct, rename="camel"):
    status_code: int = 0
    headers: dict[str, str | list[str]] = {}


def next_poll(action: CallHttp, result: str | None) -> tuple[CallHttp, int] | None:
    """Return the request that follows the result of `action` and the ticks until then, or None."""
    if action.poll_after is None:
        return None
    try:
        response = msgspec.json.decode(result or "null", type=_HttpCallResult)
    except msgspec.MsgspecError:
        return None
    headers = {name.casefold(): value for name, value in response.headers.items()}
    location = _first(headers.get("location"))
    if response.status_code != _ACCEPTED or not location:
        return None
    after = _first(headers.get("retry-after"))
    delay = int(after) * TICKS_PER_SECOND if after.isdecimal() else action.poll_after
    return CallHttp(_polling_request(action.request, location), action.poll_after), delay


def _polling_request(text: str, location: str) -> str:
    """Return a GET with the headers and the token source of the first request, without its body and function key."""
    request: dict[str, Any] = json.loads(text)
    headers: Mapping[str, Any] = request.get("headers") or {}
    kept = {name: value for name, value in headers.items() if name.casefold() != _KEY_HEADER}
    uri = urljoin(str(request.get("uri") or ""), location)
    request = {**request, "method": "GET", "uri": uri, "content": None, "headers": kept}
    return json.dumps(request, separators=(",", ":"))


def _first(value: str | list[str] | None) -> str:
    if isinstance(value, list):
        return value[0] if value else ""
    return value or ""
