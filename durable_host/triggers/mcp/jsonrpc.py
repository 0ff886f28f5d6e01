"""JSON-RPC 2.0: reads messages and writes responses.

Source: https://www.jsonrpc.org/specification, and the base protocol of MCP.
"""

import json
import math
from typing import Any, NoReturn, cast

import msgspec

from durable_host.redaction import redacted, redacted_json

PARSE_ERROR = -32700
INVALID_REQUEST = -32600
METHOD_NOT_FOUND = -32601
INVALID_PARAMS = -32602
INTERNAL_ERROR = -32603
SERVER_BUSY = -32000
RESOURCE_NOT_FOUND = -32002
HEADER_MISMATCH = -32020
UNSUPPORTED_VERSION = -32022


class RpcError(Exception):
    """An error response. `id` is the ID of the request, if known."""

    def __init__(self, code: int, message: str, data: Any = None, *, id: str | int | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.data = data
        self.id = id


class Request(msgspec.Struct, frozen=True):
    """A message with a response."""

    id: str | int
    method: str
    params: dict[str, Any] = {}


class Notification(msgspec.Struct, frozen=True):
    """A message without a response."""

    method: str
    params: dict[str, Any] = {}


class Response(msgspec.Struct, frozen=True):
    """A client's response. This server sends no requests to clients, so responses are ignored."""


Message = Request | Notification | Response


def parse(text: str | bytes) -> Any:
    """Parse JSON. Raises ValueError, also for NaN and infinite numbers, which only Python accepts."""
    try:
        decoded = text.decode() if isinstance(text, bytes) else text
        return json.loads(decoded, parse_constant=_refuse, parse_float=_finite)
    except RecursionError:
        raise ValueError("the JSON is nested too deeply") from None


def read(body: bytes) -> Any:
    """The JSON value of a body. Raises RpcError."""
    try:
        return parse(body)
    except ValueError as error:
        raise RpcError(PARSE_ERROR, f"Parse error: {error}") from None


def message(content: Any) -> Message:
    """Convert a JSON value to a message. Raises RpcError."""
    if not isinstance(content, dict):
        raise RpcError(INVALID_REQUEST, "A message must be a JSON object.")
    members = cast("dict[str, Any]", content)
    has_id, id = "id" in members, members.get("id")
    known_id = id if isinstance(id, str | int) and not isinstance(id, bool) else None
    if members.get("jsonrpc") != "2.0":
        raise RpcError(INVALID_REQUEST, 'A message must have "jsonrpc": "2.0".', id=known_id)
    method = members.get("method")
    if method is None and ("result" in members or "error" in members):
        return Response()
    if not isinstance(method, str):
        raise RpcError(INVALID_REQUEST, "A request must have a method.", id=known_id)
    if has_id and known_id is None:
        raise RpcError(INVALID_REQUEST, "The id of a request must be a text or a whole number.")
    params: Any = members.get("params")
    if params is None:
        params = {}
    if not isinstance(params, dict):
        raise RpcError(INVALID_PARAMS, "The params of a request must be an object.", id=known_id)
    params = cast("dict[str, Any]", params)
    return Notification(method, params) if known_id is None else Request(known_id, method, params)


def result(id: str | int, value: dict[str, Any]) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": id, "result": value}


def failure(error: RpcError, id: str | int | None = None) -> dict[str, Any]:
    body: dict[str, Any] = {"code": error.code, "message": redacted(error.message)}
    if error.data is not None:
        body["data"] = redacted_json(error.data)
    return {"jsonrpc": "2.0", "id": error.id if id is None else id, "error": body}


def notification(method: str, params: dict[str, Any] | None = None) -> dict[str, Any]:
    members: dict[str, Any] = {"jsonrpc": "2.0", "method": method}
    return members if params is None else {**members, "params": params}


def write(value: Any) -> bytes:
    """JSON in ASCII, so that any Python string can be sent."""
    return json.dumps(value, separators=(",", ":")).encode("ascii")


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is not JSON")


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(f"{text} is out of range")
    return number
