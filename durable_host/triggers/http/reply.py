"""A response before it is sent, and its creation from a text that a function returned.

Source: docs/protocol/functions-host-http.md#returned-values
"""

import json
from collections.abc import Iterable, Mapping
from typing import Any, NoReturn, cast

import msgspec

from durable_host.config.expressions import json_primitive

TEXT = "text/plain; charset=utf-8"
JSON = "application/json; charset=utf-8"

SET_BY_HOST = frozenset({"content-length", "transfer-encoding", "connection", "keep-alive", "upgrade"})
"""Headers of the connection. A function cannot set them."""
_JSON_BEGINS = frozenset('{["-0123456789tfn \t\r\n')


class HttpFunctionReply(msgspec.Struct, frozen=True):
    """A response. `headers` are in order, with unchanged names; `cookies` are whole Set-Cookie values."""

    status: int = 200
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""
    cookies: tuple[str, ...] = ()


class InvalidReply(ValueError):
    """The function's return value cannot be sent as an HTTP response."""


def text_reply(text: str) -> HttpFunctionReply:
    """The response for a returned `str`: plain text, a response object in JSON, or another JSON value."""
    if text[:1] not in _JSON_BEGINS:
        return _plain(text)
    try:
        value: Any = _decoder.decode(text)
    except (ValueError, RecursionError):
        return _plain(text)
    if isinstance(value, dict):
        members = {name.lower(): member for name, member in cast("dict[str, Any]", value).items()}
        return _response_object(members) if "body" in members else _plain(text)
    return _plain(text if isinstance(value, list) else _printed(value))


def bytes_reply(content: bytes) -> HttpFunctionReply:
    return HttpFunctionReply(200, (("Content-Type", "application/octet-stream"),), content)


def _response_object(members: Mapping[str, Any]) -> HttpFunctionReply:
    body = members["body"]
    content = json.dumps(body, separators=(",", ":"), ensure_ascii=False) if isinstance(body, dict | list) else None
    content = _printed(body) if content is None else content
    headers: Any = members.get("headers")
    members_of_headers = cast("dict[str, Any]", headers) if isinstance(headers, dict) else {}
    pairs = ((name, _printed(value)) for name, value in members_of_headers.items())
    return HttpFunctionReply(
        _status(members.get("statuscode", members.get("status"))),
        sent_headers(pairs, is_typed=False),
        content.encode("utf-8", "replace"),
    )


def sent_headers(pairs: Iterable[tuple[str, str]], *, is_typed: bool) -> tuple[tuple[str, str], ...]:
    """A function's headers without those that the host sets, with the type of a text if `is_typed` is false and
    no header says the type.
    """
    headers: list[tuple[str, str]] = []
    for name, value in pairs:
        lowered = name.lower()
        if lowered not in SET_BY_HOST:
            headers.append((name, value))
            is_typed = is_typed or lowered == "content-type"
    if not is_typed:
        headers.append(("Content-Type", TEXT))
    return tuple(headers)


def _status(value: Any) -> int:
    if value is None:
        return 200
    try:
        status = int(value)
    except (TypeError, ValueError, OverflowError):
        raise InvalidReply(f"The response object's status {value!r} is not a number.") from None
    return checked_status(status)


def checked_status(status: int) -> int:
    if not 200 <= status <= 999:
        raise InvalidReply(f"{status} cannot be the status of a response; it takes 200 to 999.")
    return status


def _printed(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    if isinstance(value, bool | int | float):
        return json_primitive(value)
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


def _plain(text: str) -> HttpFunctionReply:
    return HttpFunctionReply(200, (("Content-Type", TEXT),), text.encode("utf-8", "replace"))


def _no_constant(name: str) -> NoReturn:
    raise ValueError(name)


_decoder = json.JSONDecoder(parse_constant=_no_constant)
