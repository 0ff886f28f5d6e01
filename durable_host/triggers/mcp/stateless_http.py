"""Streamable HTTP without sessions, since 2026-07-28: each POST contains the client and the revision.

Source: https://modelcontextprotocol.io/specification/2026-07-28/basic
"""

import asyncio
import base64
import binascii
from typing import Any, cast

from aiohttp import web

from durable_host.triggers.mcp import jsonrpc, versions
from durable_host.triggers.mcp.caller import Caller
from durable_host.triggers.mcp.calls import CallCancelled
from durable_host.triggers.mcp.dialogue import log
from durable_host.triggers.mcp.exchange import (
    Refused,
    accepted,
    content_of,
    headers_of,
    json_response,
    not_allowed,
    refused,
    require_events,
    respond,
)
from durable_host.triggers.mcp.jsonrpc import Request, RpcError
from durable_host.triggers.mcp.server import McpServer
from durable_host.triggers.mcp.subscriptions import Subscriptions

VERSION_HEADER = "Mcp-Protocol-Version"
_METHOD_HEADER = "Mcp-Method"
_NAME_HEADER = "Mcp-Name"
_META = "io.modelcontextprotocol/"
_NAMED_BY = {"tools/call": "name", "prompts/get": "name", "resources/read": "uri"}
"""Method → parameter that the header Mcp-Name repeats."""
_CACHED = ("tools/list", "resources/list", "resources/templates/list", "prompts/list", "resources/read")
_FRESH = {"ttlMs": 0, "cacheScope": "private"}
_STATUS = {
    jsonrpc.PARSE_ERROR: 400,
    jsonrpc.INVALID_REQUEST: 400,
    jsonrpc.INVALID_PARAMS: 400,
    jsonrpc.HEADER_MISMATCH: 400,
    jsonrpc.UNSUPPORTED_VERSION: 400,
    jsonrpc.METHOD_NOT_FOUND: 404,
}


class StatelessHttp:
    """The transport. `handle` raises Refused."""

    def __init__(self, server: McpServer, subscriptions: Subscriptions) -> None:
        self._server = server
        self._subscriptions = subscriptions

    async def handle(self, request: web.Request) -> web.StreamResponse:
        if request.method != "POST":
            raise not_allowed("POST")
        if accepted(request).nothing:
            raise refused(406, "The client must accept application/json or text/event-stream.")
        content = await content_of(request)
        try:
            message = jsonrpc.message(content)
            if not isinstance(message, Request):
                return web.Response(status=202)  # Notifications have no effect here.
            meta = _envelope(request, message)
        except RpcError as error:
            raise Refused(_STATUS[error.code], error) from None
        if message.method == "subscriptions/listen":
            require_events(request)
            return await self._subscriptions.serve(request, message)
        client = meta.get(f"{_META}clientInfo")
        caller = Caller(
            version=str(meta[f"{_META}protocolVersion"]),
            transport="http-streamable",
            gives_up=asyncio.get_running_loop().create_future(),
            headers=headers_of(request),
            client_info=cast("dict[str, Any]", client) if isinstance(client, dict) else None,
        )

        def give_up() -> None:
            if not caller.gives_up.done():
                caller.gives_up.set_result(None)

        return await respond(request, self._answers(message, caller), _as_json, on_gone=give_up)

    async def _answers(self, request: Request, caller: Caller) -> list[dict[str, Any]]:
        try:
            if request.method == "server/discover":
                result: dict[str, Any] = {"supportedVersions": list(versions.ALL), **self._server.about, **_FRESH}
            else:
                result = await self._server.answer(request, caller)
                if request.method in _CACHED:
                    result = {**result, **_FRESH}
        except CallCancelled:
            return []
        except RpcError as error:
            return [jsonrpc.failure(error, request.id)]
        except Exception:
            log.exception("The request '%s' of an MCP client could not be answered", request.method)
            return [jsonrpc.failure(RpcError(jsonrpc.INTERNAL_ERROR, "Internal error"), request.id)]
        meta: dict[str, Any] = {**(result.get("_meta") or {}), f"{_META}serverInfo": self._server.info}
        return [jsonrpc.result(request.id, {"resultType": "complete", **result, "_meta": meta})]


def unsupported(requested: str) -> Refused:
    """The error for a revision that this server does not support."""
    data = {"supported": list(versions.ALL), "requested": requested}
    return Refused(400, RpcError(jsonrpc.UNSUPPORTED_VERSION, "Unsupported protocol version", data))


def _as_json(answers: list[dict[str, Any]]) -> web.Response:
    error = answers[0].get("error")
    return json_response(answers[0], status=200 if error is None else _STATUS.get(error["code"], 200))


def _envelope(request: web.Request, message: Request) -> dict[str, Any]:
    """The client's metadata in the request, which must match the headers. Raises RpcError."""
    meta: Any = message.params.get("_meta")
    members = cast("dict[str, Any]", meta) if isinstance(meta, dict) else {}
    needed = (f"{_META}protocolVersion", f"{_META}clientCapabilities")
    if missing := [name for name in needed if name not in members]:
        text = f"The params need a _meta with {' and '.join(missing)}."
        raise RpcError(jsonrpc.INVALID_PARAMS, text, id=message.id)
    expected = {VERSION_HEADER: members[needed[0]], _METHOD_HEADER: message.method}
    if (name := message.params.get(_NAMED_BY.get(message.method, ""))) is not None:
        expected[_NAME_HEADER] = name
    for header, value in expected.items():
        if [_decoded(text) for text in request.headers.getall(header, [])] != [value]:
            text = f"The header {header} does not match the body."
            raise RpcError(jsonrpc.HEADER_MISMATCH, text, id=message.id)
    return members


def _decoded(header: str) -> str | None:
    """Decode a header value; values that are not plain ASCII are sent as `=?base64?…?=`."""
    if not (header.startswith("=?base64?") and header.endswith("?=")):
        return header
    try:
        return base64.b64decode(header[9:-2], validate=True).decode()
    except (ValueError, binascii.Error):
        return None
