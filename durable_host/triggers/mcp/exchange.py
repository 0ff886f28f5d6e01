"""One HTTP request with JSON-RPC in it: what the client accepts, its body, and the answer as JSON or as events."""

import asyncio
import contextlib
import time
from collections.abc import Callable, Coroutine
from typing import Any

import msgspec
from aiohttp import web

from durable_host.http_port import has_gone, read_body
from durable_host.triggers.mcp import jsonrpc
from durable_host.triggers.mcp.jsonrpc import RpcError
from durable_host.triggers.mcp.streams import HEADERS, PING, PING_SECONDS, event

JSON = "application/json"
EVENTS = "text/event-stream"
QUIET_SECONDS = 5.0
"""A client that takes both gets JSON when the answer is there by then, and events when it is not."""
LOOK_SECONDS = 0.5
"""How soon it is seen that a client has gone."""


class Refused(Exception):
    """The request is not taken: HTTP status, and the error in the body."""

    def __init__(self, status: int, error: RpcError, headers: dict[str, str] | None = None) -> None:
        super().__init__(error.message)
        self.status = status
        self.error = error
        self.headers = headers or {}

    def response(self) -> web.Response:
        return json_response(jsonrpc.failure(self.error), status=self.status, headers=self.headers)


class Accepted(msgspec.Struct, frozen=True):
    """The forms of an answer that a client takes."""

    json: bool
    events: bool


def refused(status: int, message: str, code: int = jsonrpc.INVALID_REQUEST) -> Refused:
    return Refused(status, RpcError(code, message))


def not_allowed(*methods: str) -> Refused:
    return Refused(405, RpcError(jsonrpc.INVALID_REQUEST, "Method not allowed"), {"Allow": ", ".join(methods)})


def accepted(request: web.Request) -> Accepted:
    """By the header `Accept`; clients without one take everything."""
    header = ",".join(request.headers.getall("Accept", []))
    types = {part.partition(";")[0].strip().lower() for part in header.split(",")} - {""}
    if not types or "*/*" in types:
        return Accepted(True, EVENTS in types)
    return Accepted(bool(types & {JSON, "application/*"}), bool(types & {EVENTS, "text/*"}))


async def content_of(request: web.Request) -> Any:
    """The JSON value of the body. Raises Refused."""
    if request.content_type != JSON:
        raise refused(415, f"The body must be {JSON}.")
    try:
        return jsonrpc.read(await read_body(request))
    except RpcError as error:
        raise Refused(400, error) from None
    except web.HTTPRequestEntityTooLarge as error:
        raise refused(413, f"The body is larger than {request.client_max_size} bytes.") from error
    except (web.HTTPException, web.RequestPayloadError, ConnectionError) as error:
        raise refused(400, "The body did not arrive whole.") from error


def headers_of(request: web.Request) -> dict[str, str]:
    """As functions see them; repeated ones are joined."""
    return {name: ",".join(request.headers.getall(name)) for name in request.headers}


def json_response(value: Any, *, status: int = 200, headers: dict[str, str] | None = None) -> web.Response:
    return web.Response(body=jsonrpc.write(value), status=status, content_type=JSON, headers=headers)


async def respond(
    request: web.Request,
    work: Coroutine[Any, Any, list[dict[str, Any]]],
    as_json: Callable[[list[dict[str, Any]]], web.Response],
    *,
    headers: dict[str, str] | None = None,
    on_gone: Callable[[], None] | None = None,
) -> web.StreamResponse:
    """The answers that `work` gives: `as_json`, or one event each. None of them means that the client has cancelled.

    `headers` are added to either form. `on_gone` is called when the client closes its connection before the answer is
    there.
    """
    accepts = accepted(request)
    task = asyncio.create_task(work)
    began = written = time.monotonic()
    stream: web.StreamResponse | None = None
    try:
        while True:
            patience = QUIET_SECONDS if accepts.json else 0.0
            if stream is None and accepts.events and time.monotonic() - began >= patience and not has_gone(request):
                stream = web.StreamResponse(headers={**HEADERS, **(headers or {})})
                with contextlib.suppress(ConnectionError):
                    await stream.prepare(request)
            await asyncio.wait((task,), timeout=LOOK_SECONDS)
            if task.done():
                break
            if has_gone(request):
                if on_gone is not None:
                    on_gone()
            elif stream is not None and time.monotonic() - written >= PING_SECONDS:
                written = time.monotonic()
                with contextlib.suppress(ConnectionError):
                    await stream.write(PING)
        answers = task.result()
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    if stream is None:
        response = as_json(answers) if answers else web.Response(status=202)
        response.headers.update(headers or {})
        return response
    with contextlib.suppress(ConnectionError):
        for answer in answers:
            await stream.write(event(jsonrpc.write(answer)))
        await stream.write_eof()
    return stream
