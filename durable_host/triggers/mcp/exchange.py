"""An HTTP request with JSON-RPC: what the client accepts, the body, and the response as JSON or events."""

import asyncio
import contextlib
from collections.abc import Callable, Coroutine
from typing import Any

import msgspec
from aiohttp import web

from durable_host.http_port import read_body, wait_disconnected
from durable_host.triggers.mcp import jsonrpc
from durable_host.triggers.mcp.jsonrpc import RpcError
from durable_host.triggers.mcp.streams import PING, PING_SECONDS, event, event_response

JSON = "application/json"
EVENTS = "text/event-stream"
_KEY_HEADER = "x-functions-key"
QUIET_SECONDS = 5.0
"""Seconds. A client that accepts both gets JSON if the response is ready by then, otherwise events."""


class Refused(Exception):
    """The request is refused, with an HTTP status and the error in the body."""

    def __init__(self, status: int, error: RpcError, headers: dict[str, str] | None = None) -> None:
        super().__init__(error.message)
        self.status = status
        self.error = error
        self.headers = headers or {}

    def response(self) -> web.Response:
        return json_response(jsonrpc.failure(self.error), status=self.status, headers=self.headers)


class Accepted(msgspec.Struct, frozen=True):
    """The response formats that a client accepts. `anything`: it did not specify any."""

    json: bool
    events: bool
    anything: bool = False

    @property
    def nothing(self) -> bool:
        return not (self.json or self.events)


def refused(status: int, message: str, code: int = jsonrpc.INVALID_REQUEST) -> Refused:
    return Refused(status, RpcError(code, message))


def not_allowed(*methods: str) -> Refused:
    return Refused(405, RpcError(jsonrpc.INVALID_REQUEST, "Method not allowed"), {"Allow": ", ".join(methods)})


def accepted(request: web.Request) -> Accepted:
    """What the client accepts, by the header `Accept`. A client that accepts anything gets JSON."""
    header = ",".join(request.headers.getall("Accept", []))
    types = {part.partition(";")[0].strip().lower() for part in header.split(",")} - {""}
    if not types or "*/*" in types:
        return Accepted(True, EVENTS in types, anything=True)
    return Accepted(bool(types & {JSON, "application/*"}), bool(types & {EVENTS, "text/*"}))


def require_events(request: web.Request) -> None:
    """Raise Refused if the client does not accept a stream of events."""
    accepts = accepted(request)
    if not (accepts.events or accepts.anything):
        raise refused(406, "The client must accept text/event-stream.")


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
    """The headers for functions; repeated ones are joined. The host's key is left out: functions might log it."""
    names = [name for name in request.headers if name.lower() != _KEY_HEADER]
    return {name: ",".join(request.headers.getall(name)) for name in names}


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
    """Send the answers of `work`: as JSON (`as_json`), or one event each. No answers: the client has cancelled.

    `headers` are added in both cases. `on_gone` is called if the client disconnects before the answer is ready.
    """
    accepts = accepted(request)
    task = asyncio.create_task(work)
    watching = asyncio.create_task(_when_lost(request, on_gone)) if on_gone is not None else None
    try:
        if accepts.json:
            await asyncio.wait((task,), timeout=QUIET_SECONDS if accepts.events else None)
        if not (accepts.json and task.done()):
            return await _as_events(request, task, headers or {})
        answers = task.result()
        response = as_json(answers) if answers else web.Response(status=202)
        response.headers.update(headers or {})
        return response
    finally:
        for one in filter(None, (task, watching)):
            one.cancel()
            await asyncio.gather(one, return_exceptions=True)


async def _when_lost(request: web.Request, then: Callable[[], None]) -> None:
    await wait_disconnected(request)
    then()


async def _as_events(
    request: web.Request, task: asyncio.Task[list[dict[str, Any]]], headers: dict[str, str]
) -> web.StreamResponse:
    """Send events. The work continues if the client disconnects."""
    stream = event_response(request, headers)
    with contextlib.suppress(ConnectionError):
        await stream.prepare(request)
    while not task.done():
        await asyncio.wait((task,), timeout=PING_SECONDS)
        if not task.done():
            with contextlib.suppress(ConnectionError):
                await stream.write(PING)
    with contextlib.suppress(ConnectionError):
        for answer in task.result():
            await stream.write(event(jsonrpc.write(answer)))
        await stream.write_eof()
    return stream
