"""Responses of the management API. Bodies are empty or JSON, because the SDK parses every body.

Source: docs/protocol/durable-http-api.md#error-bodies
"""

from collections.abc import Mapping
from typing import Any

from aiohttp import web

from durable_host.durable.api.embedded_json import encoded
from durable_host.redaction import redacted

ARGUMENT_ERROR = "One or more of the arguments submitted is incorrect"
INTERNAL_ERROR = "Something went wrong while processing your request"
_CONTENT_TYPE = "application/json; charset=utf-8"
_JSON_ERROR = "Newtonsoft.Json.JsonReaderException"


def json_answer(body: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> web.Response:
    return web.Response(body=encoded(body), status=status, headers={"Content-Type": _CONTENT_TYPE, **(headers or {})})


def empty(status: int) -> web.Response:
    return web.Response(status=status)


def error(status: int, message: str, exception: str | None = None, kind: str = "System.Exception") -> web.Response:
    """Return an error response. With `exception`, the body has the long form that the SDK reads."""
    body = {"Message": redacted(message)}
    if exception is not None:
        body |= {"ExceptionMessage": redacted(exception), "ExceptionType": kind, "StackTrace": ""}
    return json_answer(body, status)


def bad_json(problem: Exception) -> web.Response:
    """Return the response for a start or an event whose body is not JSON."""
    return error(400, "Invalid JSON content", str(problem), _JSON_ERROR)
