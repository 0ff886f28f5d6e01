"""The transport "streamable HTTP" with sessions: POST sends messages, GET receives the server's, DELETE ends it.

Source: https://modelcontextprotocol.io/specification/2025-11-25/basic/transports
"""

import asyncio
from typing import Any, cast

from aiohttp import web

from durable_host.triggers.mcp import dialogue, jsonrpc
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
from durable_host.triggers.mcp.jsonrpc import Message, Notification, Request, RpcError
from durable_host.triggers.mcp.mcp_sessions import McpSession, Sessions
from durable_host.triggers.mcp.server import McpServer
from durable_host.triggers.mcp.streams import EventStream

SESSION_HEADER = "Mcp-Session-Id"
TRANSPORT = "http-streamable"


class StreamableHttp:
    """The transport. Methods raise Refused."""

    def __init__(self, server: McpServer, sessions: Sessions) -> None:
        self._server = server
        self._sessions = sessions

    async def handle(self, request: web.Request) -> web.StreamResponse:
        if request.method == "POST":
            return await self._post(request)
        if request.method == "GET":
            return await self._get(request)
        if request.method == "DELETE":
            self._sessions.end(self._session(request).id)
            return web.Response(status=204)
        raise not_allowed("GET", "POST", "DELETE")

    async def _post(self, request: web.Request) -> web.StreamResponse:
        if accepted(request).nothing:
            raise refused(406, "The client must accept application/json or text/event-stream.")
        content = await content_of(request)
        if isinstance(content, dict) and cast("dict[str, Any]", content).get("method") == "initialize":
            return await self._initialize(request, content)
        session = self._session(request)
        try:
            messages = dialogue.messages_of(content, session.version)
        except RpcError as error:
            raise Refused(400, error) from None
        for message in messages:
            if isinstance(message, Notification):
                dialogue.take(message, session)
        if not any(isinstance(message, Request | RpcError) for message in messages):
            return web.Response(status=202)
        is_batch = isinstance(content, list)

        def as_json(answers: list[dict[str, Any]]) -> web.Response:
            return json_response(answers if is_batch else answers[0])

        return await respond(request, self._answers(messages, session, headers_of(request)), as_json)

    async def _answers(
        self, messages: list[Message | RpcError], session: McpSession, headers: dict[str, str]
    ) -> list[dict[str, Any]]:
        """The responses, in the order of the messages."""

        async def one(message: Request | RpcError) -> dict[str, Any] | None:
            if isinstance(message, RpcError):
                return jsonrpc.failure(message)
            return await dialogue.answer(message, self._server, session, headers)

        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(one(message)) for message in messages if isinstance(message, Request | RpcError)]
        return [answer for task in tasks if (answer := task.result()) is not None]

    async def _initialize(self, request: web.Request, content: Any) -> web.StreamResponse:
        try:
            message = jsonrpc.message(content)
            if not isinstance(message, Request):
                raise RpcError(jsonrpc.INVALID_REQUEST, "An initialize without an id cannot be answered.")
            version, client = dialogue.negotiated(message.params)
        except RpcError as error:
            raise Refused(400, error) from None
        try:
            session = self._sessions.begin(TRANSPORT, version, client)
        except RpcError as error:
            raise Refused(503, error) from None

        async def result() -> list[dict[str, Any]]:
            return [jsonrpc.result(message.id, self._server.initialized(version))]

        headers = {SESSION_HEADER: session.id, "Access-Control-Expose-Headers": SESSION_HEADER}
        return await respond(request, result(), lambda answers: json_response(answers[0]), headers=headers)

    async def _get(self, request: web.Request) -> web.StreamResponse:
        require_events(request)
        session = self._session(request)
        if session.stream is not None and session.stream.is_open:
            raise refused(409, "The session has a stream already.")
        stream = EventStream(request)
        session.attach(stream)
        return await stream.serve()

    def _session(self, request: web.Request) -> McpSession:
        id = request.headers.get(SESSION_HEADER)
        if id is None:
            raise refused(400, f"The header {SESSION_HEADER} is missing. A session begins with 'initialize'.")
        session = self._sessions.find(id, TRANSPORT)
        if session is None:
            raise refused(404, "The session is not known, or has ended. Begin another one with 'initialize'.")
        return session
